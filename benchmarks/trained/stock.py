"""Runs a stock trainer in a process of its own, made ready as `polarprior run` makes one ready for a stock script.

    python benchmarks/trained/stock.py FAMILY SCRIPT ARGUMENTS

Nothing of the checkout is edited. What a trainer needs beyond a sampling script is here, and what a recipe changes
of the network's width is in its family's module.
"""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path
from typing import Any

import torch
from polarprior.stock.begin import begin
from polarprior.stock.polarity import Asked
from polarprior_progan.zoo import accept_whole_betas


class NoEvent:
    """A CUDA event where there is no CUDA: it has taken no time."""

    def __init__(self, **options: Any): ...

    def record(self, stream: object = None) -> None: ...

    def synchronize(self) -> None: ...

    def elapsed_time(self, end: NoEvent) -> float:
        return 0.0


def train_without_cuda() -> None:
    """What trainers ask of ``torch.cuda`` to report, where there is none."""
    torch.cuda.Event = NoEvent  # type: ignore[misc, assignment]
    torch.cuda.current_stream = lambda device=None: None  # type: ignore[assignment, return-value]
    torch.cuda.reset_peak_memory_stats = lambda device=None: None


def restore_what_torch_took() -> None:
    """Whole numbers among Adam's betas, and a sampler's data set, which stock samplers still hand on."""
    accept_whole_betas(torch.optim)
    torch.utils.data.Sampler.__init__ = lambda sampler, data_source=None: None  # type: ignore[method-assign]


def main() -> None:
    """Run the script."""
    family, script, *arguments = sys.argv[1:]
    change = importlib.import_module(family).change
    torch.set_num_threads(1)
    begin(Path(script), Asked())
    if not torch.cuda.is_available():
        train_without_cuda()
    restore_what_torch_took()
    change()
    sys.argv = [script, *arguments]
    sys.path[0] = str(Path(script).resolve().parent)
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
