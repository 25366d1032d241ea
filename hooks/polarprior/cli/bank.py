"""`polarprior bank`: build, info, top, verify, merge."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import numpy as np

    from polarprior.bank.bank import Bank
    from polarprior.law.limits import Limits

from polarprior.cli.groups import Group
from polarprior.cli.options import (
    bank_argument,
    class_number_option,
    json_option,
    k_option,
    loading_options,
    model_argument,
    table,
)
from polarprior.cli.types import Bytes, ClassList


@click.group(cls=Group)
def bank() -> None:
    """Banks: latents' seeds with the singular values of their Jacobians."""


@bank.command()
@model_argument
@click.option("--out", "out", required=True, type=click.Path(path_type=Path, readable=False), help="Bank to write.")
@click.option("-n", "n", required=True, type=int, help="Latents in all.")
@click.option("-k", "k", type=int, default=30, show_default=True, help="Singular values a latent.")
@click.option("--space", default="pixel", show_default=True, help="Where volume is measured.")
@click.option("--domain", default="z", show_default=True, help="Where latents live.")
@click.option("--trunc", type=float, help="Truncation; the model's default if not given.")
@click.option("--temp", "temperature", type=float, help="Temperature; the model's default if not given.")
@click.option("--noise-mode", help="Noise mode, const or none; the model's default if not given.")
@click.option("--class", "classes", type=ClassList(), help="Classes, by number or name, in turn; all if not given.")
@click.option("--seeds-from", type=int, default=0, show_default=True, help="The first seed.")
@click.option(
    "--estimator", help="How; exact where K <= 1.5 k + 60, else block-lanczos, if not given. auto: the cheapest."
)
@click.option("--tol", type=float, help="Largest error of a log-volume that is accepted, in nats; 0.05 if not given.")
@click.option("--memory", type=Bytes(), help="Working memory for Jacobian products, such as 4G.")
@click.option("--workers", type=int, default=1, show_default=True, help="Processes at once; on GPUs one each.")
@click.option("--engine", default="local", show_default=True, help="local, or ray: the cluster of RAY_ADDRESS.")
@click.option("--shard", help="Solve the i-th of n shares, as 2/8; torchrun and SLURM say it themselves.")
@loading_options
def build(
    model: str,
    out: Path,
    n: int,
    k: int,
    space: str,
    domain: str,
    trunc: float | None,
    temperature: float | None,
    noise_mode: str | None,
    classes: list[str] | None,
    seeds_from: int,
    estimator: str | None,
    tol: float | None,
    memory: int | None,
    workers: int,
    engine: str,
    shard: str | None,
    **loading: Any,
) -> None:
    """Build a bank: the spectra of N latents of MODEL's own prior.

    What has been solved is kept in BANK.parts: the same command goes on after whatever ended it.
    """
    from polarprior.building.build import Labour, build_at
    from polarprior.building.plan import Request
    from polarprior.building.ranks import parse_share, share_of_environment
    from polarprior.host import default_host
    from polarprior.volume.estimators import TOLERANCE

    share = share_of_environment() if shard is None else parse_share(shard)
    if share is not None:
        loading["device"] = share.device(loading["device"])
    host = default_host()
    generator = host.load(model, trunc=trunc, temperature=temperature, noise_mode=noise_mode, **loading)
    request = Request(
        n=n,
        k=k,
        space=space,
        domain=domain,
        classes=None if classes is None else tuple(map(generator.class_index, classes)),
        seeds_from=seeds_from,
        estimator=estimator,
        tol=TOLERANCE if tol is None else tol,
        memory=memory,
    )
    if share is not None and shard is None:
        click.echo(f"share {share}, as the environment says; for all of the bank: --shard 1/1", err=True)
    built = build_at(host, generator, request, out, Labour(workers, engine, share, progress=True))
    if built is None:
        click.echo(f"share {share} is done; others are still missing: the last of them writes the bank")
        return
    click.echo(f"{built.path}: {len(built)} latents, k {k}, space {space}, {_size(built.size)}")
    click.echo(f"log-volumes: {built.info.accuracy()}")


@bank.command()
@bank_argument
@json_option
def info(path: Path, as_json: bool) -> None:
    """What a bank holds, what it is valid for, and how far rho may go on it."""
    from polarprior.bank.bank import Bank
    from polarprior.bank.statistics import histogram, spectrum_statistics
    from polarprior.law.diagnostics import diagnose
    from polarprior.law.limits import limits_on

    opened = Bank.open(path)
    log_volume, k = opened.log_volume(), opened.info.k
    labels = [None] if opened.labels is None else sorted(set(opened.labels.tolist()))
    reports = [
        diagnose(log_volume[opened.rows_of(label)], 0.0, k, label=label, limits=limits_on(opened, label=label))
        for label in labels
    ]
    spectrum = spectrum_statistics(opened)
    document = {
        **asdict(opened.info),
        "rows": len(opened),
        "size": opened.size,
        "groups": [
            {
                name: report.to_dict()[name]
                for name in ("label", "rows", "mean_log_volume", "std", "rank_deficient", "limits")
            }
            for report in reports
        ],
        "spectrum": {"mean": _finite(spectrum.mean), "std": _finite(spectrum.std)},
    }
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    for name, value in document.items():
        if name in ("groups", "spectrum", "shard", "estimator"):
            continue
        if name == "size":
            value = _size(opened.size)
        if name == "latent_shape":
            value = "x".join(map(str, opened.info.latent_shape))
        if isinstance(value, dict):
            value = ", ".join(f"{key} {part}" for key, part in value.items() if part is not None) or "-"
        click.echo(f"{name:<16}{value if value not in (None, '') else '-'}")
    click.echo(f"{'accuracy':<16}{opened.info.accuracy()}")
    click.echo("\nlog sigma_i, mean ± std: " + ", ".join(f"{i}: {m:.2f} ± {s:.2f}" for i, m, s in spectrum.lines()))
    click.echo(f"\nlog-volumes\n{histogram(log_volume)}\n")
    if len(reports) == 1:
        click.echo(f"{_over_rho(opened, reports[0].limits, labels[0])}\n")
    for report in reports:
        where = "" if report.label is None else f"class {report.label}: "
        click.echo(
            f"{where}log-volume {report.mean_log_volume:.2f} ± {report.std:.2f} (std) over {report.rows} latents, "
            f"{report.rank_deficient} rank-deficient; limits of rho {report.limits}"
        )


@bank.command()
@bank_argument
@click.option("-n", "n", type=int, default=16, show_default=True, help="How many of each.")
@class_number_option
@k_option
@json_option
def top(path: Path, n: int, label: int | None, k: int | None, as_json: bool) -> None:
    """Seeds of the most modal latents, of lowest log-volume, and of the most anti-modal, of highest."""
    from polarprior.bank.bank import Bank
    from polarprior.bank.extremes import extremes

    found = extremes(Bank.open(path), n, label, k)
    if as_json:
        click.echo(json.dumps([asdict(end) for end in found], indent=2))
        return
    for end in found:
        click.echo(f"{end.name}, log-volume {end.log_volumes[0]:.2f} to {end.log_volumes[-1]:.2f}:")
        click.echo(",".join(map(str, end.seeds)))


@bank.command()
@click.argument("paths", metavar="BANK...", nargs=-1, type=click.Path(path_type=Path, readable=False))
@click.option("--out", required=True, type=click.Path(path_type=Path, readable=False), help="Bank to write.")
def merge(paths: tuple[Path, ...], out: Path) -> None:
    """One bank from several of the same model and settings, and of different seeds."""
    from polarprior.bank.bank import Bank
    from polarprior.building.merge import merge as merge_banks

    merged = merge_banks([Bank.open(path) for path in paths], out)
    click.echo(f"{merged.path}: {len(merged)} latents of {len(paths)} banks, {_size(merged.size)}")


@bank.command()
@bank_argument
@click.option("--model", help="Recompute a few rows with this model.")
@loading_options
@json_option
def verify(path: Path, model: str | None, as_json: bool, **loading: Any) -> None:
    """Check a bank's digest, seeds, order and finiteness; with --model, recompute some of its rows."""
    from polarprior.api.banks import verify as verify_bank
    from polarprior.api.models import load
    from polarprior.bank.bank import Bank

    opened = Bank.open(path)
    generator = None
    if model is not None:
        generator = load(model, **loading, **opened.info.settings.given())
    found = verify_bank(opened, generator)
    if as_json:
        click.echo(json.dumps(asdict(found)))
        return
    click.echo(f"{path}: ok, {found.rows} rows, {found.rank_deficient} rank-deficient")
    if found.largest_error is not None:
        click.echo(
            f"{found.recomputed} rows recomputed with {model}: largest difference {found.largest_error:.2g} nats"
        )


@bank.command()
@bank_argument
@click.option("--model", required=True, help="The bank's model, as PLUGIN or PLUGIN:SOURCE.")
@k_option
@loading_options
def refit(path: Path, model: str, k: int | None, **loading: Any) -> None:
    """Fit the online sampler's surrogate anew, with the true log-volumes that its draws have left beside the bank.

    The surrogate is fitted by the first draw and stays as it is: a refit changes what every seed becomes.
    """
    from polarprior.api.models import jacobian_fn, load
    from polarprior.bank.bank import Bank
    from polarprior.errors import PolarPriorError
    from polarprior.samplers.true_volumes import LogVolumes
    from polarprior.surrogate.surrogate import Surrogate, freeze

    opened = Bank.open(path)
    generator = load(model, **loading, **opened.info.settings.given())
    opened.check_fits(generator)
    k = opened.info.k if k is None else k
    survivors = LogVolumes(generator, opened, k, jacobian_fn).survivors()
    surrogate = Surrogate.fit(generator, opened, k, survivors)
    if not freeze(surrogate, opened, k):
        raise PolarPriorError(
            f"{path}: its cache can't be written, beside it or in your own cache folder",
            "check their rights and room",
        )
    more = 0 if survivors is None else len(survivors[1])
    residual = surrogate.residual(opened.log_volume(k))
    click.echo(
        f"surrogate {surrogate.digest[:12]}: fitted on {len(surrogate.left_out)} rows of the bank and {more} others"
    )
    click.echo(f"left-one-out error {residual.std():.3f} nats, R² {surrogate.r2(opened.log_volume(k)):.3f}")


def _over_rho(bank: Bank, limits: Limits, label: int | None) -> str:
    """A table of what rho does to the weights, from twice the lower limit to twice the upper one."""
    import numpy as np

    from polarprior.law.diagnostics import diagnose
    from polarprior.law.limits import floor_to

    if not np.isfinite(limits).all() or limits.lower == limits.upper:
        return "no table over rho: the limits are 0 or infinite"
    steps = [floor_to(limit * part) for limit in limits for part in (2, 1.5, 1, 0.5)]
    log_volume = bank.log_volume()[bank.rows_of(label)]
    lines = [("rho", "|rho|·std", "ESS", "k-hat", "largest", "mean l", "ESS / rows")]
    for rho in sorted({0.0, *steps}):
        report = diagnose(log_volume, rho, bank.info.k, label=label, limits=limits)
        share = report.ess / report.rows
        shown = "█" * round(20 * share) + ("" if report.within_limits else " beyond the limits")
        cells = (
            f"{rho:g}",
            f"{report.tilt:.2f}",
            f"{report.ess:.0f}",
            f"{report.k_hat:.2f}",
            f"{report.max_weight:.1g}",
        )
        lines.append((*cells, f"{report.mean_log_volume:.2f}", shown))
    return table(lines)


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 10**5 else f"{count / 1e3:.1f} kB"


def _finite(values: np.ndarray) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]
