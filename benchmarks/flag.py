"""What `polarprior-flag` costs a start of Python: ``python -c pass`` with and without it, in turns.

    python benchmarks/flag.py [--pairs 200] [--json FILE]

Two environments without packages are made, and the flag is put into one of them. A pair is a start of each, in the
order ABBA; the figure is the median of the differences of their wall times, with those of CPU times beside it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
import venv
from pathlib import Path
from statistics import median

from polarprior_benchmarks.reporting import Report

FLAG = Path(__file__).parent.parent / "vendor_patches" / "flag"
GOAL = 1.0


def started(python: Path) -> tuple[float, float]:
    """Wall and CPU seconds of ``python -c pass``."""
    begun = time.perf_counter()
    process = subprocess.Popen([python, "-c", "pass"])
    _, code, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    assert process.returncode == 0
    return time.perf_counter() - begun, usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        pythons = []
        for name in ("without", "with"):
            venv.create(Path(root) / name, symlinks=True)
            pythons.append(Path(root) / name / "bin/python")
        (site,) = (Path(root) / "with/lib").glob("python*/site-packages")
        for file in ("polarprior_flag.py", "polarprior_flag.pth"):
            shutil.copy(FLAG / file, site)
        for python in pythons * 3:
            started(python)
        differences = []
        for pair in range(options.pairs):
            order = (0, 1) if pair % 2 == 0 else (1, 0)
            found = {which: started(pythons[which]) for which in order}
            differences.append([1e3 * (new - old) for old, new in zip(found[0], found[1], strict=True)])
    report = Report()
    wall, cpu = (median(column) for column in zip(*differences, strict=True))
    report.add(
        "a start of Python, more with the flag", wall, "ms", f"< {GOAL:g}", wall < GOAL, f"{options.pairs} pairs"
    )
    report.add("the same, CPU time", cpu, "ms")
    report.write(options.json, Path(__file__).parent)


if __name__ == "__main__":
    main()
