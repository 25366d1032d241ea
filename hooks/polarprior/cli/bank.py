"""`polarprior bank`: build, info, top, verify, merge."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from polarprior.cli.bank_on_hub import told
from polarprior.cli.groups import Group
from polarprior.cli.options import (
    bank_argument,
    class_number_option,
    json_option,
    k_option,
    loading_options,
    model_argument,
    set_option,
)
from polarprior.cli.types import Bytes, ClassList
from polarprior.hub.name import hub_name, is_on_hub
from polarprior.saying import say


@click.group(cls=Group, short_help="Banks of latents: build, look at, check, merge.")
def bank() -> None:
    """Banks: latents' seeds with the singular values of their Jacobians."""


@bank.command()
@model_argument
@click.option("--out", "out", required=True, type=click.Path(path_type=Path, readable=False), help="Bank to write.")
@click.option("-n", "n", required=True, type=int, help="Latents in all.")
@click.option("-k", "k", type=int, default=30, show_default=True, help="Singular values a latent.")
@click.option(
    "--space",
    default="pixel",
    show_default=True,
    help="Space where volume is measured: pixel, one of the model's own, or PLUGIN:SPACE.",
)
@click.option(
    "--domain", default="z", show_default=True, help="Latents that the Jacobian is taken in: z, or w of StyleGAN."
)
@click.option("--trunc", type=float, help="Truncation; the model's default if not given.")
@click.option("--temp", "temperature", type=float, help="Temperature; the model's default if not given.")
@click.option("--noise-mode", help="Noise mode, const or none; the model's default if not given.")
@set_option("the model's default")
@click.option("--class", "classes", type=ClassList(), help="Classes, by number or name, in turn; all if not given.")
@click.option("--seeds-from", type=int, default=0, show_default=True, help="The first seed.")
@click.option(
    "--estimator",
    help="How singular values are taken: exact or block-lanczos, whichever suits the model if not given; auto tries "
    "several, and takes the cheapest within --tol.",
)
@click.option("--tol", type=float, help="Largest error of a log-volume that is accepted, in nats; 0.05 if not given.")
@click.option("--memory", type=Bytes(), help="Working memory for Jacobian products, such as 4G.")
@click.option(
    "--compile",
    is_flag=True,
    help="Take Jacobian products by torch.compile, which needs a C++ compiler: pays from a thousand latents on, on "
    "networks with attention or styles.",
)
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
    own: tuple[tuple[str, str], ...],
    classes: list[str] | None,
    seeds_from: int,
    estimator: str | None,
    tol: float | None,
    memory: int | None,
    compile: bool,
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
    from polarprior.saying import size_text
    from polarprior.volume.estimators import TOLERANCE

    share = share_of_environment() if shard is None else parse_share(shard)
    if share is not None:
        loading["device"] = share.device(loading["device"])
    host = default_host()
    settings: dict[str, Any] = {"trunc": trunc, "temperature": temperature, "noise_mode": noise_mode, **dict(own)}
    generator = host.load(model, **settings, **loading)
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
        compile=compile,
    )
    if share is not None and shard is None:
        say(f"share {share}, as the environment says; for all of the bank: --shard 1/1", err=True)
    built = build_at(host, generator, request, out, Labour(workers, engine, share, progress=True))
    if built is None:
        say(f"share {share} is done; others are still missing: the last of them writes the bank")
        return
    say(f"{built.path}: {len(built)} latents, k {k}, space {space}, {size_text(built.size)}")
    say(f"log-volumes: {built.info.accuracy()}")


@bank.command()
@bank_argument
@json_option
def info(path: Path, as_json: bool) -> None:
    """What a bank holds, what it is valid for, and how far rho may go on it.

    BANK is a file, or hf://USER/NAME. A bank on the Hub that is not here yet is not fetched for this: what its index
    and its card say is printed, unchecked.
    """
    from polarprior.bank.bank import Bank
    from polarprior.bank.from_hub import local, look, resolved
    from polarprior.reports.bank_report import BankReport

    name = resolved(hub_name(path)) if is_on_hub(path) else None
    if name is not None and local(name) is None:
        say(told(look(name), as_json))
        return
    report = BankReport.of(Bank.open(path if name is None else str(name)))
    say(json.dumps(report.to_dict(), indent=2) if as_json else report.text())


@bank.command()
@bank_argument
@click.option("-n", "n", type=int, default=16, show_default=True, help="How many of each.")
@class_number_option
@k_option
@json_option
def top(path: Path, n: int, label: int | None, k: int | None, as_json: bool) -> None:
    """Seeds of the most modal latents, of lowest log-volume, and of the most anti-modal, of highest."""
    from polarprior.bank.bank import Bank

    opened = Bank.open(path)
    found = [opened.top(n, label=label, k=k, anti=anti) for anti in (False, True)]
    if as_json:
        say(json.dumps([asdict(end) for end in found], indent=2))
        return
    for end in found:
        say(f"{end.name}, log-volume {end.log_volumes[0]:.2f} to {end.log_volumes[-1]:.2f}:")
        say(",".join(map(str, end.seeds)))


@bank.command()
@click.argument("banks", metavar="BANK...", nargs=-1, type=click.Path(path_type=Path, readable=False))
@click.option("--out", required=True, type=click.Path(path_type=Path, readable=False), help="Bank to write.")
def merge(banks: tuple[Path, ...], out: Path) -> None:
    """One bank from several of the same model and settings, and of different seeds."""
    from polarprior.bank.bank import Bank
    from polarprior.building.merge import merge as merge_banks
    from polarprior.saying import size_text

    merged = merge_banks([Bank.open(path) for path in banks], out)
    say(f"{merged.path}: {len(merged)} latents of {len(banks)} banks, {size_text(merged.size)}")


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
        say(json.dumps(asdict(found)))
        return
    say(f"{opened.place}: ok, {found.rows} rows, {found.rank_deficient} rank-deficient")
    if found.largest_error is not None:
        say(f"{found.recomputed} rows recomputed with {model}: largest difference {found.largest_error:.2g} nats")


@bank.command()
@bank_argument
@click.option("--model", required=True, help="The bank's model, as PLUGIN or PLUGIN:SOURCE.")
@k_option
@loading_options
def refit(path: Path, model: str, k: int | None, **loading: Any) -> None:
    """Fit the online sampler's surrogate anew, with the true log-volumes that its draws have left in its cache.

    The surrogate is fitted by the first draw and stays as it is: a refit changes what every seed becomes.
    """
    from polarprior.api.models import jacobian_fn, load
    from polarprior.bank.bank import Bank
    from polarprior.cache_folder import VARIABLE, cache_folder
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
            f"bank: the cache folder {cache_folder() or 'of a user without a home'} can't be written",
            f"name a folder of your own that nobody else may enter, and that has room: {VARIABLE}=FOLDER",
        )
    more = 0 if survivors is None else len(survivors[1])
    residual = surrogate.residual(opened.log_volume(k))
    say(f"surrogate {surrogate.digest[:12]}: fitted on {len(surrogate.left_out)} rows of the bank and {more} others")
    say(f"left-one-out error {residual.std():.3f} nats, R² {surrogate.r2(opened.log_volume(k)):.3f}")
