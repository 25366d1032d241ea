"""Runs a stock script that seeds nothing, from a seed: [--launch] SCRIPT ARGUMENTS."""

import runpy
import sys
from pathlib import Path

import torch
from polarprior.testing import main

if __name__ == "__main__":
    torch.manual_seed(0)
    if sys.argv[1] == "--launch":
        sys.exit(main(["run", *sys.argv[2:]]))
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
