"""The list of ways to get the law wrong, and what `benchmarks/law_mutations.py` found when it tried them."""

from __future__ import annotations

import json
from pathlib import Path

import polarprior as pp
from law_mutants import MUTANTS, UNCHANGED

KEPT = Path(__file__).parents[1] / "benchmarks" / "results" / "law_mutations.json"


def test_each_mutant_changes_the_place_that_it_is_about():
    host = Path(pp.__file__).parent
    assert [each for each in MUTANTS if (host / each.file).read_text().count(each.old) != 1] == []
    assert len({each[:3] for each in MUTANTS}) == len(MUTANTS)


def test_a_test_of_the_law_kills_each_mutant_that_is_not_equal():
    kept = json.loads(KEPT.read_text())
    assert set(kept) == {UNCHANGED, *(each.name for each in MUTANTS)}, "run benchmarks/law_mutations.py"
    assert kept[UNCHANGED]["killed by"] == ""
    alive = [each.name for each in MUTANTS if not kept[each.name]["killed by"] and not each.equal]
    assert alive == []
    assert len({result["code"] for result in kept.values()}) == 1, "of different tests, or of different code"
