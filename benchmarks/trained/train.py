"""Trains a network of one of the five families by its stock trainer, on a CPU.

    POLARPRIOR_VENDOR=CHECKOUTS python benchmarks/trained/train.py stylegan2_ada digits

The families are the modules beside this file: stylegan2_ada, stylegan3, progan, biggan_deep, nvae; the sets are
`sets.NAMES`. One thread. A training is runs of the stock train.py, one after another; what a run has left is kept in
the folder of `sets.CACHE`, and the same command goes on after whatever ended it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from places import FAMILIES, checkout_of, folder_of
from sets import NAMES, pictures

HERE = Path(__file__).parent


def main() -> None:
    """Train, as far as is still to be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("set", choices=NAMES)
    asked = parser.parse_args()
    family, folder = importlib.import_module(asked.family), folder_of(asked.family, asked.set)
    script = checkout_of(asked.family)[0] / "train.py"
    ready = folder / "data.json"
    if not ready.exists():
        folder.mkdir(parents=True, exist_ok=True)
        family.write_data(pictures(asked.set, "train"), folder)
        ready.write_text(json.dumps({"set": asked.set}))
    for piece in range(family.PIECES):
        done = folder / f"piece-{piece}.json"
        if not done.exists():
            run_piece(asked.family, script, family.arguments(folder, piece), folder / f"piece-{piece}.log", done)


def run_piece(family: str, script: Path, arguments: list[str], log: Path, done: Path) -> None:
    """One run of the stock trainer; SystemExit where it fails."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, str(HERE / "stock.py"), family, str(script), *arguments]
    with log.open("ab") as written:
        code = subprocess.run(command, stdout=written, stderr=subprocess.STDOUT, cwd=log.parent).returncode
    if code:
        raise SystemExit(f"error: {script} ended with {code}\nhint: its last words are in {log}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    took = {"cpu_seconds": round(spent, 1), "seconds": round(time.monotonic() - began, 1)}
    about = {**took, "cpu": torch.backends.cpu.get_cpu_capability(), "arguments": arguments}
    done.write_text(json.dumps(about, indent=1) + "\n")
    print(f"{done.stem}: {spent / 60:.1f} CPU minutes", flush=True)


if __name__ == "__main__":
    main()
