"""`polarprior demo`: a small bank, and a sweep of it."""

from __future__ import annotations

from pathlib import Path

import click

from polarprior.cli.options import class_option, label_of
from polarprior.cli.sweep import draw_sweep, first_seeds


@click.command()
@click.argument("model", default="dcgan-faces")
@click.option(
    "--out", type=click.Path(path_type=Path, readable=False), default="demo", show_default=True, help="Folder."
)
@click.option("-n", "n", type=int, default=512, show_default=True, help="Latents in the bank.")
@click.option("-k", "k", type=int, default=30, show_default=True, help="Singular values a latent.")
@class_option
def demo(model: str, out: Path, n: int, k: int, class_name: str | None) -> None:
    """Build a small bank of MODEL and look at what polarity does: OUT/bank.safetensors, OUT/sweep.png.

    A bank of that name that is already there, and fits, is used as it is.
    """
    from polarprior.bank.bank import Bank
    from polarprior.building.build import build_bank
    from polarprior.errors import UsageError
    from polarprior.files import check_writable
    from polarprior.host import default_host
    from polarprior.measure.sweep import automatic_polarities
    from polarprior.prior.sampler import SamplerOptions

    path = out / "bank.safetensors"
    generator = default_host().load(model)
    label = label_of(generator, class_name)
    if path.exists():
        bank = Bank.open(path)
        bank.check_fits(generator)
        if (len(bank), bank.info.k) != (n, k):
            raise UsageError(
                f"--out: {path} has {len(bank)} latents, k {bank.info.k}; asked for {n}, k {k}",
                "remove it, or name another --out",
            )
        click.echo(f"{path}: {len(bank)} latents, used as it is")
    else:
        check_writable(path)
        bank = build_bank(generator, n, k, classes=None if label is None else [label], out=path, progress=True)
        click.echo(f"{path}: {len(bank)} latents, k {k}")
    options = SamplerOptions(label=label)
    polarities = automatic_polarities(generator, bank, **vars(options))
    draw_sweep(model, [(generator, bank)], [], polarities, first_seeds(bank, label, 10), out, options)
    gentle = polarities[min(1, len(polarities) - 1)]  # half of the lower limit
    command = f"polarprior sample {model} --polarity={gentle:g} --bank {path} --seeds 0-15 --out {out}/modes"
    click.echo(f"next: {command}" + ("" if label is None else f" --class {label}"))
