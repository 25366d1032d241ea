"""Runs of a benchmark that take long: each is kept as soon as it is done, and made once; and its command line."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student

from polarprior_benchmarks.reporting import Report


class Runs:
    """Runs by name, made once.

    Args:
        path: the JSON file where they are kept.
        quick: make all of them, tiny, and keep none.
        full: make those that are missing.
    """

    def __init__(self, path: Path, quick: bool, full: bool):
        self.quick, self._full, self._path = quick, full, path
        self._kept: dict[str, Any] = {} if quick or not path.exists() else json.loads(path.read_text())

    def __call__(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        """What a run gave; None where it has not been made and is not asked for."""
        if name not in self._kept and (self.quick or self._full):
            self._kept[name] = make()
            print(f"  {name}: {json.dumps(self._kept[name])[:200]}", flush=True)
            if not self.quick:
                self._keep(name)
        return self._kept.get(name)

    def over(
        self, seeds: Sequence[int], name: Callable[[int], str], make: Callable[[int], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """What runs gave that differ in their seed: those that are there. Quick ones are of the first seed.

        Args:
            seeds: theirs.
            name: the run of a seed, by name.
            make: makes the run of a seed.
        """
        asked = seeds[:1] if self.quick else seeds
        made = [self(name(seed), lambda s=seed: make(s)) for seed in asked]  # type: ignore[misc]
        return [run for run in made if run is not None]

    def _keep(self, name: str) -> None:
        """Write a run a line: those that are there now, since another process may have changed them, and this one."""
        there = json.loads(self._path.read_text()) if self._path.exists() else {}
        self._kept = {**there, name: self._kept[name]}
        lines = [f"{json.dumps(name)}: {json.dumps(self._kept[name])}" for name in sorted(self._kept)]
        temporary = self._path.with_suffix(f".{os.getpid()}")
        temporary.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        temporary.replace(self._path)


Parts = Mapping[str, Callable[[Runs, Report], None]]


def main(about: str, kept: Path, parts: Parts) -> None:
    """The command line of such a benchmark, on one thread.

    Args:
        about: its docstring.
        kept: see `Runs`.
        parts: by the names that --only knows.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="Tiny runs; nothing is kept.")
    parser.add_argument("--full", action="store_true", help="Make the runs that are missing.")
    parser.add_argument("--only", default=",".join(parts), help="Some of these.")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    runs, report = Runs(kept, asked.quick, asked.full), Report()
    for part in asked.only.split(","):
        parts[part](runs, report)
    report.write(asked.json, kept.parent, threads=1)


def interval(values: list[float]) -> tuple[float, float]:
    """Mean and half width of its 95% interval (Student's)."""
    n = len(values)
    half = float(student.ppf(0.975, n - 1) * np.std(values, ddof=1) / n**0.5) if n > 1 else float("nan")
    return float(np.mean(values)), half


def rounded(found: dict[str, Any]) -> dict[str, Any]:
    """Numbers to four digits."""
    return {
        name: [round(each, 4) for each in value] if isinstance(value, list) else float(f"{value:.4g}")
        for name, value in found.items()
    }
