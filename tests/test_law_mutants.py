"""The list of ways to get the law wrong, and what `benchmarks/law_mutations.py` found when it tried them."""

from __future__ import annotations

from pathlib import Path

import polarprior as pp
from law_mutants import MUTANTS


def test_each_mutant_changes_the_place_that_it_is_about():
    host = Path(pp.__file__).parent
    assert [each for each in MUTANTS if (host / each.file).read_text().count(each.old) != 1] == []
    assert len({each[:3] for each in MUTANTS}) == len(MUTANTS)
