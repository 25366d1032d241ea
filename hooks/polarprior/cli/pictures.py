"""`polarprior sweep` and `polarprior demo`: one row a polarity, one column a seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polarprior.cli.options import (
    NumberList,
    RhoList,
    bank_option,
    class_option,
    force_option,
    k_option,
    label_of,
    loading_options,
    model_argument,
    open_model_and_bank,
    sampler_options,
    table,
    trunc_option,
)

if TYPE_CHECKING:
    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator
    from polarprior.prior.sampler import SamplerOptions

HEADS = ("rho", "|rho|·std", "ESS", "k-hat", "largest weight", "distinct", "mean log-volume")


@click.command()
@model_argument
@bank_option
@click.option("--polarity", "polarities", type=RhoList(), help="rho values; five inside the limits if not given.")
@click.option("--seeds", "seed_list", type=NumberList(), help="Columns; the bank's first eight if not given.")
@click.option("--out", required=True, type=click.Path(path_type=Path, readable=False), help="Folder for sweep.png.")
@class_option
@sampler_options
@trunc_option
@k_option
@force_option
@loading_options
def sweep(
    model: str,
    bank_path: Path | None,
    polarities: list[float] | None,
    seed_list: list[int] | None,
    out: Path,
    class_name: str | None,
    sampler: str,
    support: str,
    hold: tuple[str, ...],
    trunc: float | None,
    k: int | None,
    force: bool,
    **loading: Any,
) -> None:
    """Pictures of MODEL over a range of polarities, with their diagnostics: OUT/sweep.png and sweep.json."""
    from polarprior.files import check_writable
    from polarprior.prior.sampler import SamplerOptions

    check_writable(out / "sweep.json")
    generator, bank, label = open_model_and_bank(model, bank_path, class_name, trunc, **loading)
    seeds = seed_list or _first_seeds(bank, label, 8)
    options = SamplerOptions(sampler=sampler, k=k, label=label, support=support, hold=hold, force=force)
    _draw_sweep(model, generator, bank, polarities, seeds, out, options)


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
    _draw_sweep(model, generator, bank, polarities, _first_seeds(bank, label, 10), out, options)
    gentle = polarities[min(1, len(polarities) - 1)]  # half of the lower limit
    command = f"polarprior sample {model} --polarity={gentle:g} --bank {path} --seeds 0-15 --out {out}/modes"
    click.echo(f"next: {command}" + ("" if label is None else f" --class {label}"))


def _first_seeds(bank: Bank, label: int | None, count: int) -> list[int]:
    """The first seeds of the bank, of the class `label`: rows, so that a column changes only where rho changes it."""
    return bank.seeds[bank.rows_of(label)[:count]].tolist()


def _draw_sweep(
    model: str,
    generator: Generator,
    bank: Bank,
    polarities: list[float] | None,
    seeds: list[int],
    out: Path,
    options: SamplerOptions,
) -> None:
    """Write sweep.png and sweep.json into `out`, and print the table."""
    from tqdm import tqdm

    from polarprior.files import write_atomically
    from polarprior.law.limits import floor_to
    from polarprior.measure import sweep as measure
    from polarprior.measure.figures import png_bytes

    if polarities is None:
        polarities = measure.automatic_polarities(generator, bank, **vars(options))
    steps = measure.sweep(generator, bank, polarities, seeds, **vars(options))
    rows = list(tqdm(steps, total=len(polarities), unit="row", desc="sweep"))
    picture = measure.sweep_picture(rows, seeds, model, options.sampler)
    write_atomically(out / "sweep.png", png_bytes(picture))
    reports = [row.diagnostics for row in rows]
    document = {"model": model, "bank": bank.info.digest, "rows": [report.to_dict() for report in reports]}
    write_atomically(out / "sweep.json", json.dumps(document, indent=1, sort_keys=True).encode())
    cells = [
        (
            f"{report.rho:g}",
            f"{report.tilt:.3g}",
            f"{report.ess:.0f} of {report.rows}",
            f"{floor_to(report.k_hat):.2f}",
            f"{report.max_weight:.2g}",
            f"{report.distinct:.0f}",
            f"{report.mean_log_volume:.2f}",
        )
        for report in reports
    ]
    click.echo(table([HEADS, *cells]))
    click.echo(f"k {reports[0].k}, limits of rho {reports[0].limits}; distinct: expected in {reports[0].draws} draws")
    for report in reports:
        for moment in report.moments:
            click.echo(f"rho {report.rho:g}, {'held' if moment.held else 'moved'}: {moment}")
    click.echo(f"{out / 'sweep.png'}: {len(rows)} polarities, {len(seeds)} seeds")
