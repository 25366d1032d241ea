"""Do the tests of the law notice where it is wrong? Each mutant of `tests/law_mutants.py`, with the tests run on it.

    python benchmarks/law_mutations.py [--only TEXT] [--jobs 2]

A copy of the host with one change is put before the installed one, and the tests of laws, samplers and limits run
until the first that fails: those of the changed file before the others, and before them the one that failed the last
time. Before all else they run on a copy without a change, which must pass. Results, a mutant as soon as it is done:
``results/law_mutations.json``; those that are there for the same code and tests are not run again. It takes a minute
a mutant. Ends with 1 where one survives that is not listed as equal to the original.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from law_mutants import MUTANTS, UNCHANGED, Mutant
from polarprior.files import write_atomically

ROOT = Path(__file__).parents[1]
HOST, KEPT = ROOT / "hooks" / "polarprior", Path(__file__).parent / "results" / "law_mutations.json"
TESTS = (
    "weights",
    "limits",
    "support",
    "resolved_laws",
    "tilt",
    "streams",
    "streams_end",
    "redraws",
    "coupling",
    "law",
    "joint",
    "samplers",
    "geometry",
    "online",
    "sweeps",
)
"""Quick ones first."""
NEAREST = {
    "law/support.py": ("support",),
    "law/geometry.py": ("geometry",),
    "law/hold.py": ("resolved_laws", "online"),
    "law/law.py": ("resolved_laws", "joint", "online"),
    "law/joint.py": ("resolved_laws", "joint"),
    "law/tilt.py": ("tilt",),
    "samplers/bank_sampler.py": ("redraws", "joint"),
    "samplers/streams.py": ("streams",),
    "samplers/coupling.py": ("redraws", "coupling"),
    "samplers/fresh.py": ("streams_end", "online"),
    "samplers/true_volumes.py": ("streams",),
    "samplers/online_sampler.py": ("streams_end", "online"),
    "samplers/paper_online_sampler.py": ("online",),
}
"""Tests that look at a file most closely, and run first on its mutants."""
PATIENCE = 3600
"""Seconds after which a mutant that never ends counts as killed."""


def run(mutant: Mutant | None, last: str = "") -> dict[str, Any]:
    """The first test that fails, or none, on a copy of the host with a change, or with none.

    Args:
        mutant: the change.
        last: the test that failed the last time, as pytest names it; looked for, since it may be gone.
    """
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "polarprior"
        shutil.copytree(HOST, copy, ignore=shutil.ignore_patterns("__pycache__"))
        if mutant:
            text = (copy / mutant.file).read_text()
            assert text.count(mutant.old) == 1, mutant
            (copy / mutant.file).write_text(text.replace(mutant.old, mutant.new))
        first = NEAREST.get(mutant.file, ()) if mutant else ()
        file, _, test = last.partition("[")[0].partition("::")
        there = test and (ROOT / "tests" / file).is_file() and f"def {test}(" in (ROOT / "tests" / file).read_text()
        tests = [f"tests/{file}::{test}"] if there else []
        tests += [f"tests/test_{name}.py" for name in dict.fromkeys((*first, *TESTS))]
        environ = {**os.environ, "PYTHONPATH": folder, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        words = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", *tests]
        try:
            done = subprocess.run(
                [sys.executable, *words], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=PATIENCE
            )
        except subprocess.TimeoutExpired:
            return {"killed by": "no end", "seconds": PATIENCE}
    failed = re.search(r"^(?:FAILED|ERROR) (?:\S*/)?(\S+)", done.stdout, re.M)
    assert done.returncode == 0 or failed, done.stdout + done.stderr
    return {"killed by": failed[1] if failed else "", "seconds": round(time.perf_counter() - began)}


def code() -> str:
    """Digest of what is mutated and of what should notice."""
    files = [HOST / file for file in sorted({mutant.file for mutant in MUTANTS})]
    files += [ROOT / "tests" / f"test_{name}.py" for name in TESTS]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def main() -> int:
    """Run them, and say which survive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="Mutants whose name holds this text.")
    parser.add_argument("--jobs", type=int, default=1, help="Mutants at once.")
    asked = parser.parse_args()
    kept: dict[str, dict[str, Any]] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    known = {UNCHANGED, *(each.name for each in MUTANTS)}
    found = {name: result for name, result in kept.items() if name in known}
    lock, now, untouched = Lock(), code(), {"killed by": "", "seconds": 0, "code": ""}

    def settle(mutant: Mutant | None) -> None:
        name = mutant.name if mutant else UNCHANGED
        before = found.get(name, untouched)
        if before["code"] == now:
            return
        result = {**run(mutant, before["killed by"]), "code": now}
        with lock:
            found[name] = result
            print(f"{name}: {result['killed by'] or 'SURVIVES'} ({result['seconds']} s)", flush=True)
            write_atomically(KEPT, (json.dumps(dict(sorted(found.items())), indent=1) + "\n").encode())

    settle(None)
    if found[UNCHANGED]["killed by"]:
        raise SystemExit(f"error: the tests fail without a change: {found[UNCHANGED]['killed by']}")
    mutants = [each for each in MUTANTS if asked.only in each.name]
    with ThreadPoolExecutor(asked.jobs) as pool:
        list(pool.map(settle, mutants))
    alive = [each for each in mutants if not found[each.name]["killed by"]]
    for mutant in alive:
        print(f"survives: {mutant.name}{f' (equal: {mutant.equal})' if mutant.equal else ''}")
    print(f"{len(mutants)} mutants, {len(alive)} survive")
    return int(any(not mutant.equal for mutant in alive))


if __name__ == "__main__":
    sys.exit(main())
