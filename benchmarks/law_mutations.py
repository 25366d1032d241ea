"""Do the tests of the law notice where it is wrong? Each mutant of `tests/law_mutants.py`, with the tests run on it.

    python benchmarks/law_mutations.py [--only TEXT] [--jobs 2]

A copy of the host with one change is put before the installed one, and the tests of laws, samplers and limits run
until the first that fails; before all else a copy without a change, which must pass. Results, a mutant as soon as it
is done: ``results/law_mutations.json``; those that are there for the same code and tests are not run again. It takes
a minute a mutant. Ends with 1 where one survives that is not listed as equal to the original.
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

from law_mutants import MUTANTS, Mutant
from polarprior.files import write_atomically

ROOT = Path(__file__).parents[1]
HOST, KEPT = ROOT / "hooks" / "polarprior", Path(__file__).parent / "results" / "law_mutations.json"
TESTS = ("weights", "coupling", "law", "joint", "samplers", "geometry", "online", "sweeps")
"""Quick ones first."""
PATIENCE = 3600
"""Seconds after which a mutant that never ends counts as killed."""


def run(mutant: Mutant | None) -> dict[str, Any]:
    """The first test that fails, or none, on a copy of the host with a change, or with none."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "polarprior"
        shutil.copytree(HOST, copy, ignore=shutil.ignore_patterns("__pycache__"))
        if mutant:
            text = (copy / mutant.file).read_text()
            assert text.count(mutant.old) == 1, mutant
            (copy / mutant.file).write_text(text.replace(mutant.old, mutant.new))
        tests = [str(ROOT / "tests" / f"test_{name}.py") for name in TESTS]
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


def name_of(mutant: Mutant) -> str:
    """What its result is kept as."""
    return f"{mutant.file}: {mutant.old.strip()} -> {mutant.new.strip()}"


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
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if kept.get("code") != code():
        whole = run(None)
        if whole["killed by"]:
            raise SystemExit(f"error: the tests fail without a change: {whole['killed by']}")
        kept = {"code": code(), "seconds without a change": whole["seconds"], "mutants": {}}
    found, lock = kept["mutants"], Lock()
    todo = [each for each in MUTANTS if asked.only in name_of(each) and name_of(each) not in found]

    def settle(mutant: Mutant) -> None:
        result = run(mutant)
        with lock:
            found[name_of(mutant)] = result
            print(f"{name_of(mutant)}: {result['killed by'] or 'SURVIVES'} ({result['seconds']} s)", flush=True)
            document = {**kept, "mutants": dict(sorted(found.items()))}
            write_atomically(KEPT, (json.dumps(document, indent=1) + "\n").encode())

    with ThreadPoolExecutor(asked.jobs) as pool:
        list(pool.map(settle, todo))
    alive = [each for each in MUTANTS if not found.get(name_of(each), {"killed by": "not run"})["killed by"]]
    for mutant in alive:
        print(f"survives: {name_of(mutant)}{f' (equal: {mutant.equal})' if mutant.equal else ''}")
    print(f"{len(MUTANTS)} mutants, {len(found)} run, {len(alive)} survive")
    return int(any(not mutant.equal for mutant in alive))


if __name__ == "__main__":
    sys.exit(main())
