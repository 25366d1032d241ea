"""`polarprior demo`: a small bank, and a sweep of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from polarprior.cli.opening import label_of
from polarprior.cli.options import class_option
from polarprior.cli.sweep import write_sweep
from polarprior.saying import say

if TYPE_CHECKING:
    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator

COLUMNS = 10


@click.command(short_help="Build a small bank, and see what polarity does.")
@click.argument("model", default="dcgan-faces")
@click.option(
    "--out", type=click.Path(path_type=Path, readable=False), default="demo", show_default=True, help="Folder."
)
@click.option("-n", "n", type=int, default=512, show_default=True, help="Latents in the bank.")
@click.option("-k", "k", type=int, default=30, show_default=True, help="Singular values a latent.")
@class_option
def demo(model: str, out: Path, n: int, k: int, label: str | None) -> None:
    """Build a small bank of MODEL and look at what polarity does: OUT/bank.safetensors, OUT/sweep.png.

    A bank of that name that is already there, and fits, is used as it is.
    """
    from polarprior.api.draws import sweep
    from polarprior.api.models import load
    from polarprior.samplers.contract import SamplerOptions
    from polarprior.sweeps.sweep import SweepOptions, first_seeds

    path = out / "bank.safetensors"
    generator = load(model)
    of_class = label_of(generator, label)
    bank = _bank(generator, path, n, k, of_class)
    seeds = first_seeds(bank, of_class, COLUMNS)
    found = sweep(generator, bank, SweepOptions(seeds=seeds, sampler=SamplerOptions(label=of_class)))
    write_sweep(found, out)
    tilts = [report.tilt for report in found.reports]
    gentle = tilts[min(1, len(tilts) - 1)]  # half of the lower limit
    command = f"polarprior sample {model} --tilt={gentle:.2g} --bank {path} --seeds 0-15 --out {out}/modes"
    say(f"next: {command}" + ("" if label is None else f" --class {label}"))


def _bank(generator: Generator, path: Path, n: int, k: int, label: int | None) -> Bank:
    """The bank at `path`, built where there is none."""
    from polarprior.api.banks import build_bank
    from polarprior.bank.bank import Bank
    from polarprior.errors import UsageError
    from polarprior.files import check_writable

    if not path.exists():
        check_writable(path)
        bank = build_bank(generator, n, k, classes=None if label is None else [label], out=path, progress=True)
        say(f"{path}: {len(bank)} latents, k {k}")
        return bank
    bank = Bank.open(path)
    bank.check_fits(generator)
    if (len(bank), bank.info.k) != (n, k):
        raise UsageError(
            f"out: {path} has {len(bank)} latents, k {bank.info.k}; asked for {n}, k {k}",
            "remove it, or name another folder",
        )
    say(f"{path}: {len(bank)} latents, used as it is")
    return bank
