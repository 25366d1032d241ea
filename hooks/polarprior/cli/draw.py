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
    settings_options,
    tilt_option,
)
from polarprior.cli.types import NumberList
from polarprior.errors import UsageError
from polarprior.saying import say
from polarprior.strength import check_strength


@click.command(short_help="Stock seeds drawn from a polarity prior.")
@bank_argument
@click.option("--polarity", "rho", type=float, help="rho: below 0 modes, above 0 anti-modes.")
@tilt_option
@click.option("-n", "n", required=True, type=int, help="How many.")
@class_number_option
@k_option
@force_option
def seeds(
    path: Path, rho: float | None, tilt: float | None, n: int, label: int | None, k: int | None, force: bool
) -> None:
    """Stock seeds drawn from a polarity prior, comma-separated: for a stock script with no plugin at all.

    They are what the bank's first N seeds become, so they agree with `polarprior sample` on those seeds.
    """
    from polarprior.bank.bank import Bank
    from polarprior.samplers.bank_sampler import drawn_seeds
    from polarprior.samplers.contract import SamplerOptions

    check_strength(rho, tilt)
    if rho is None and tilt is None:
        raise UsageError("rho: got none, and no tilt either", "add such as tilt=-0.5")
    bank = Bank.open(path)
    if not bank.info.stock_seeds:
        asked = f"--polarity={rho:g}" if tilt is None else f"--tilt={tilt:g}"
        raise UsageError(
            f"BANK: the stock scripts of {bank.info.plugin} take no seed a picture: theirs is of a whole run",
            f"give the script {asked[: asked.index('=')]} itself: polarprior run SCRIPT {asked} --bank={bank.place}",
        )
    options = SamplerOptions(k=k, draws=n, label=label, force=force, tilt=tilt)
    drawn, diagnostics = drawn_seeds(bank, rho or 0.0, n, options)
    say(",".join(map(str, drawn)))
    say(str(diagnostics), err=True)


@click.command(short_help="Pictures drawn from a polarity prior.")
@model_argument
@bank_option
@click.option(
    "--polarity", "rho", type=float, help="rho: below 0 modes, above 0 anti-modes; the model's own prior without."
)
@tilt_option
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
@settings_options
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
    own: tuple[tuple[str, str], ...],
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

    check_strength(rho, given["tilt"])
    if npz is not None and npz.suffix != ".npz":
        raise UsageError(f"npz: got {str(npz)!r}, expected a file FILE.npz", "use such as npz=samples.npz")
    check_writable(out / "samples.json" if npz is None else npz.with_suffix(".json"))
    loading = {name: given.pop(name) for name in ("device", "sha256")}
    options = SamplerOptions(**given)
    of_plugin = options.sampler not in SAMPLERS  # its law may need neither a rho nor a bank
    plain = rho is None and options.tilt is None
    if plain and of_plugin:
        rho, plain = 0.0, False
    if plain:
        _refuse_what_needs_rho(bank, options)
    settings = {"trunc": trunc, "temperature": temperature, **dict(own)}
    generator, opened = open_model(model, bank, "none" if plain or of_plugin else "needed", settings, loading)
    samples = draw(generator, opened, rho, seeds, label=label, options=options)
    if npz is None:
        samples.save(out)
    else:
        samples.save_npz(npz)
    found = samples.diagnostics
    say(samples.summary())
    for line in samples.advice():
        say(line)
    if found is not None and found.rows > 1:  # a plugin's own law has no weights
        say(str(found))
    beside = ", and samples.png: stock above, drawn below" if npz is None and found is not None else ""
    say(f"{npz or out}: {len(seeds)} pictures{beside}")


def _refuse_what_needs_rho(bank: Path | None, options: Any) -> None:
    """UsageError for what says nothing of the model's own prior."""
    plain = type(options)()
    given = {
        "bank": bank,
        **{name: getattr(options, name) for name in ("k", "force", "hold", "sampler", "support", "joint")},
    }
    for name, value in given.items():
        if value != getattr(plain, name, None):
            raise UsageError(f"{name}: given without --polarity or --tilt", "add such as --tilt=-0.5")
