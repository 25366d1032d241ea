"""`polarprior bank`: build, info, verify."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from polarprior.cli.options import Bytes, NumberList, device_option, json_option, model_argument


@click.group()
def bank() -> None:
    """Banks: latents' seeds with the singular values of their Jacobians."""


@bank.command()
@model_argument
@click.option("--out", "out", required=True, type=click.Path(path_type=Path, readable=False), help="File to write.")
@click.option("-n", "n", required=True, type=int, help="Latents in all.")
@click.option("-k", "k", type=int, default=30, show_default=True, help="Singular values a latent.")
@click.option("--space", default="pixel", show_default=True, help="Where volume is measured.")
@click.option("--domain", default="z", show_default=True, help="Where latents live.")
@click.option("--trunc", type=float, help="Truncation; the model's default if not given.")
@click.option("--class", "classes", type=NumberList(), help="Classes, in turn; all if not given.")
@click.option("--seeds-from", type=int, default=0, show_default=True, help="The first seed.")
@click.option(
    "--estimator", help="How; exact where K <= 1.5 k + 60, else block-lanczos, if not given. auto: the cheapest."
)
@click.option("--tol", type=float, help="Largest error of a log-volume that is accepted, in nats; 0.05 if not given.")
@click.option("--memory", type=Bytes(), help="Working memory for Jacobian products, such as 4G.")
@device_option
def build(
    model: str,
    out: Path,
    n: int,
    k: int,
    space: str,
    domain: str,
    trunc: float | None,
    classes: list[int] | None,
    seeds_from: int,
    estimator: str | None,
    tol: float | None,
    memory: int | None,
    device: str | None,
) -> None:
    """Build a bank: the spectra of N latents of MODEL's own prior."""
    from polarprior.bank.build import build_bank
    from polarprior.errors import PolarPriorError
    from polarprior.files import check_writable
    from polarprior.host import default_host
    from polarprior.volume.estimators import TOLERANCE

    if out.exists():
        raise PolarPriorError(f"--out: {out} exists already", "remove it, or name another file")
    generator = default_host().load(model, device, trunc=trunc)
    check_writable(out)
    built = build_bank(
        generator,
        n,
        k,
        space=space,
        domain=domain,
        classes=classes,
        seeds_from=seeds_from,
        estimator=estimator,
        tol=TOLERANCE if tol is None else tol,
        memory=memory,
        progress=True,
    )
    built.save(out)
    click.echo(f"{out}: {len(built)} latents, k {k}, space {space}, {out.stat().st_size / 1e6:.2f} MB")
    click.echo(f"log-volumes: {built.info.accuracy()}")


@bank.command()
@click.argument("path", metavar="BANK", type=click.Path(path_type=Path, readable=False))
@json_option
def info(path: Path, as_json: bool) -> None:
    """What a bank holds, what it is valid for, and how far rho may go on it."""
    from polarprior.bank.bank import Bank
    from polarprior.prior.diagnostics import diagnose

    opened = Bank.open(path)
    labels = opened.labels
    log_volume = opened.log_volume()
    if labels is None:
        reports = [diagnose(log_volume, 0.0, opened.info.k)]
    else:
        reports = [
            diagnose(log_volume[labels == label], 0.0, opened.info.k, label=int(label))
            for label in sorted(set(labels.tolist()))
        ]
    document = {
        **asdict(opened.info),
        "rows": len(opened),
        "groups": [
            {
                name: report.to_dict()[name]
                for name in ("label", "rows", "mean_log_volume", "std", "rank_deficient", "limits")
            }
            for report in reports
        ],
    }
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    for name, value in document.items():
        if name == "groups":
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{key} {part}" for key, part in value.items() if part is not None) or "-"
        click.echo(f"{name:<16}{value if value not in (None, '') else '-'}")
    click.echo(f"{'accuracy':<16}{opened.info.accuracy()}")
    for report in reports:
        where = "" if report.label is None else f"class {report.label}: "
        click.echo(
            f"{where}log-volume {report.mean_log_volume:.2f} ± {report.std:.2f} (std) over {report.rows} latents, "
            f"{report.rank_deficient} rank-deficient; limits of rho {report.limits}"
        )


@bank.command()
@click.argument("path", metavar="BANK", type=click.Path(path_type=Path, readable=False))
@click.option("--model", help="Recompute a few rows with this model.")
@device_option
@json_option
def verify(path: Path, model: str | None, device: str | None, as_json: bool) -> None:
    """Check a bank's digest, seeds, order and finiteness; with --model, recompute some of its rows."""
    from polarprior.bank.bank import Bank
    from polarprior.bank.verify import verify as verify_bank
    from polarprior.host import default_host

    opened = Bank.open(path)
    generator = None
    if model is not None:
        generator = default_host().load(model, device, **opened.info.settings.given())
    found = verify_bank(opened, generator)
    if as_json:
        click.echo(json.dumps(asdict(found)))
        return
    click.echo(f"{path}: ok, {found.rows} rows, {found.rank_deficient} rank-deficient")
    if found.largest_error is not None:
        click.echo(
            f"{found.recomputed} rows recomputed with {model}: largest difference {found.largest_error:.2g} nats"
        )
