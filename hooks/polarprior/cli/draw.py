"""`polarprior seeds` and `polarprior sample`: draws from a polarity prior."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from polarprior.cli.opening import open_model
from polarprior.cli.options import (
    bank_argument,
    bank_option,
    class_number_option,
    force_option,
    k_option,
    loading_options,
    model_argument,
    sampler_options,
    trunc_option,
)
from polarprior.cli.types import NumberList
from polarprior.errors import UsageError
from polarprior.saying import say


@click.command()
@bank_argument
@click.option("--polarity", "rho", required=True, type=float, help="rho: below 0 modes, above 0 anti-modes.")
@click.option("-n", "n", required=True, type=int, help="How many.")
@class_number_option
@k_option
@force_option
def seeds(path: Path, rho: float, n: int, label: int | None, k: int | None, force: bool) -> None:
    """Stock seeds drawn from a polarity prior, comma-separated: for a stock script with no plugin at all.

    They are what the bank's first N seeds become, so they agree with `polarprior sample` on those seeds.
    """
    from polarprior.bank.bank import Bank
    from polarprior.samplers.bank_sampler import drawn_seeds
    from polarprior.samplers.contract import SamplerOptions

    bank = Bank.open(path)
    if not bank.info.stock_seeds:
        raise UsageError(
            f"BANK: the stock scripts of {bank.info.plugin} take no seed a picture: theirs is of a whole run",
            f"give the script --polarity itself: polarprior run SCRIPT --polarity={rho:g} --bank={path}",
        )
    drawn, diagnostics = drawn_seeds(bank, rho, n, SamplerOptions(k=k, draws=n, label=label, force=force))
    say(",".join(map(str, drawn)))
    say(str(diagnostics), err=True)


@click.command()
@model_argument
@bank_option
@click.option(
    "--polarity", "rho", type=float, help="rho: below 0 modes, above 0 anti-modes; the model's own prior without."
)
@click.option("--seeds", type=NumberList(), required=True, help="Stock seeds, such as 0-15.")
@click.option(
    "--out",
    default="out",
    show_default=True,
    type=click.Path(path_type=Path, readable=False),
    help="Folder for the pictures.",
)
@click.option(
    "--npz",
    type=click.Path(path_type=Path, readable=False),
    help="One file for the guided-diffusion evaluator, in place of pictures.",
)
@click.option(
    "--class",
    "label",
    help="Class of a conditional model: its number, its name, or all of the bank or model, in turn.",
)
@click.option(
    "--joint",
    is_flag=True,
    help="With --class all: let polarity choose the class too, so that some are drawn more often than others; "
    "without it every seed keeps its class.",
)
@sampler_options
@trunc_option
@click.option("--temp", "temperature", type=float, help="Temperature; that of the bank if not given.")
@k_option
@force_option
@loading_options
def sample(
    model: str,
    bank: Path | None,
    rho: float | None,
    seeds: list[int],
    out: Path,
    npz: Path | None,
    label: str | None,
    trunc: float | None,
    temperature: float | None,
    **given: Any,
) -> None:
    """Pictures of MODEL whose latents come from a polarity prior: OUT/seed0000.png and on.

    OUT/samples.json says which law was drawn, what each stock seed became, as a seed where there is one, and how far
    the draws can be trusted. Without --polarity they are the stock pictures. generate is another name of it, for
    models that have no stock script. With --npz the pictures are one file, FILE.npz, and FILE.json says the rest.
    """
    from polarprior.api.draws import sample as draw
    from polarprior.files import check_writable
    from polarprior.samplers.contract import SAMPLERS, SamplerOptions

    if npz is not None and npz.suffix != ".npz":
        raise UsageError(f"npz: got {str(npz)!r}, expected a file FILE.npz", "use such as npz=samples.npz")
    check_writable(out / "samples.json" if npz is None else npz.with_suffix(".json"))
    loading = {name: given.pop(name) for name in ("device", "sha256")}
    options = SamplerOptions(**given)
    of_plugin = options.sampler not in SAMPLERS  # its law may need neither a rho nor a bank
    rho = 0.0 if rho is None and of_plugin else rho
    if rho is None:
        _refuse_what_needs_rho(bank, options)
    settings = {"trunc": trunc, "temperature": temperature}
    generator, opened = open_model(model, bank, "none" if rho is None or of_plugin else "needed", settings, loading)
    samples = draw(generator, opened, rho, seeds, label=label, options=options)
    if npz is None:
        samples.save(out)
    else:
        samples.save_npz(npz)
    found, where = samples.diagnostics, npz or out
    if found is None:
        say(f"{where}: {len(seeds)} pictures of the model's own prior")
        return
    report = "" if found.rows < 2 else f"\n{found}"  # a plugin's own law has no weights
    say(f"{where}: {len(seeds)} pictures{report}")
    if outside := samples.outside():
        say(f"{outside} of the seeds are no rows of this bank: they are drawn from it at any rho")


def _refuse_what_needs_rho(bank: Path | None, options: Any) -> None:
    """UsageError for what says nothing of the model's own prior."""
    plain = type(options)()
    given = {
        "bank": bank,
        **{name: getattr(options, name) for name in ("k", "force", "hold", "sampler", "support", "joint")},
    }
    for name, value in given.items():
        if value != getattr(plain, name, None):
            raise UsageError(f"{name}: given without --polarity", "add such as --polarity=-0.1")
