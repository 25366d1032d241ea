"""Twenty thousand damaged and hostile banks: is each refused, or equal to the sound one?

    python benchmarks/bank_mutations.py [--quick] [--json FILE] [-n N] [--seed S]

The mutants are those of `tests/mutants.py`. Each is opened and verified in this process, which watches its time, its
memory, and every file that is opened. A few minutes.
"""

from __future__ import annotations

import argparse
import collections
import random
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from polarprior_benchmarks.reporting import Report

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from mutants import mutate, write_valid
from polarprior import Bank, verify
from polarprior.errors import PolarPriorError


def equal(mutant: Path, sound: Path) -> bool:
    """Whether two banks are the same."""
    one, other = Bank.open(mutant), Bank.open(sound)
    columns = other.columns()
    return one.info == other.info and all(
        np.array_equal(array, columns[name], equal_nan=True) for name, array in one.columns().items()
    )


def main() -> None:
    """All mutants, one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=20_000, help="mutants")
    parser.add_argument("--quick", action="store_true", help="500 of them")
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    count = 500 if options.quick else options.n

    valid = Path(tempfile.mkdtemp(prefix="bank-mutations-"))
    write_valid(valid)
    opened: set[str] = set()
    sys.addaudithook(lambda event, arguments: opened.add(str(arguments[0])) if event == "open" else None)
    outcomes: collections.Counter[str] = collections.Counter()
    reasons: collections.Counter[str] = collections.Counter()
    wrong, slowest, outside, base = [], 0.0, set(), 0
    for number in range(options.seed, options.seed + count):
        folder = Path(tempfile.mkdtemp(prefix="mutant-"))
        kind, mutant, sound = mutate(valid, folder, random.Random(number))
        opened.clear()
        base = base or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        try:
            verify(Bank.open(mutant))
            outcome = "equal"
        except PolarPriorError as error:
            outcome = "refused"
            reasons[kind] += 1
            if "\n" in error.message or not error.hint:
                wrong.append((number, kind, f"{error.message!r}"))
        except BaseException as error:  # whatever else it is, it is a crash
            outcome = f"{type(error).__name__}: {error}"
            wrong.append((number, kind, outcome[:100]))
        slowest = max(slowest, time.perf_counter() - began)
        outside |= {
            file
            for file in opened
            if str(folder) not in file and "polarprior/hooks" not in file and ".py" not in file
        }
        if outcome == "equal" and not equal(mutant, sound):
            wrong.append((number, kind, "accepted, and not equal"))
        outcomes[outcome.split(":")[0]] += 1
        shutil.rmtree(folder)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024
    shutil.rmtree(valid)

    for line in wrong[:20]:
        print(" ", *line)
    report = Report()
    detail = f"{outcomes['refused']} refused, {outcomes['equal']} equal to the sound bank"
    report.add("mutants", count, detail=detail)
    report.add("neither refused with a reason nor equal", len(wrong), "", "0", not wrong)
    report.add("the slowest", slowest, "s", "<= 1", slowest <= 1)
    report.add("memory beyond that at the start", grown, "MB", "<= 200", grown <= 200)
    report.add(
        "files opened outside the folder", len(outside), "", "0", not outside, ", ".join(sorted(outside))[:200]
    )
    report.write(options.json, Path(__file__).parent, seed=options.seed)
    sys.exit(not all(row["holds"] is not False for row in report.rows))


if __name__ == "__main__":
    main()
