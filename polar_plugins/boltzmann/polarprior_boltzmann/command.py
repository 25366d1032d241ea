"""``polarprior train boltzmann``."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from polarprior.plugin import bank_option, k_option, loading_options, recipe_options, say

from polarprior_boltzmann.recipe import OF_REVERSE_KL, Recipe

if TYPE_CHECKING:
    import torch
    from polarprior.plugin import Bank, Generator
    from polarprior_training.resuming import Checkpoint

    from polarprior_boltzmann.training import Problem, Training

LABELS = 20_000
NOT_OF_MODEL = ("base_std", "loss", "interpolation")
NOT_OF_ENERGY = ("bank", "largest", "labels", "k", "sha256")
OF_POLARITY = {"width": 128, "kernels": 1, "iterations": 5000, "rate": 3e-3, "widen": 1.0, "steps": 6}
"""Where the recipe of a polarity prior differs."""


_of_recipe = recipe_options(Recipe, {name: f", of MODEL {value:g}" for name, value in OF_POLARITY.items()})


@click.command()
@click.argument("model", required=False)
@bank_option
@click.option(
    "--energy", help="In place of MODEL: four-gaussians, two-gaussians, double-well:N,M, torch:MODULE:FUNCTION."
)
@click.option("--out", required=True, type=click.Path(path_type=Path, readable=False), help="The flow's file.")
@click.option("--largest", type=float, help="With MODEL: the largest |rho|; 1.5 / std(l) if not given.")
@click.option(
    "--labels",
    default=LABELS,
    type=click.IntRange(1),
    show_default=True,
    help="With MODEL: how many latents the surrogate labels.",
)
@click.option(
    "--base-std",
    type=float,
    help="With --energy: standard deviation of a normal base; the paper's own base if not given.",
)
@_of_recipe("--loss", type=click.Choice(["continuity", "reverse-kl"]))
@_of_recipe(
    "--interpolation",
    type=click.Choice(["trainable", "linear", "diffusion"]),
    help="With --energy: how energies between base and target are chosen.",
)
@_of_recipe("--form", type=click.Choice(["absolute", "square", "both", "log"]), help="L of the continuity loss.")
@_of_recipe("--width", type=click.IntRange(1, 4096), help="Units of a hidden layer.")
@_of_recipe("--layers", type=click.IntRange(1, 8), help="Hidden layers.")
@_of_recipe("--kernels", type=click.IntRange(1, 64), help="MLPs, each with its kernel in time.")
@_of_recipe("--iterations", type=click.IntRange(1))
@_of_recipe("--batch", type=click.IntRange(2), help="Starting points an iteration.")
@_of_recipe("--rate", type=click.FloatRange(0, min_open=True), help="Learning rate of Adam.")
@_of_recipe(
    "--steps",
    type=click.IntRange(1),
    help="Steps along the field, and times at which the loss is taken; 25 for reverse KL.",
)
@_of_recipe(
    "--rule",
    type=click.Choice(["midpoint", "runge-kutta"]),
    help="How the field is followed; runge-kutta for reverse KL.",
)
@_of_recipe("--thin", type=click.IntRange(1), help="Take the loss at one of THIN of the steps, for speed.")
@_of_recipe("--widen", type=click.FloatRange(0, min_open=True), help="Draw starting points so many times wider.")
@_of_recipe("--seed", type=click.IntRange(0, 2**63 - 1))
@k_option
@loading_options
def boltzmann(
    model: str | None,
    bank: Path | None,
    energy: str | None,
    out: Path,
    largest: float | None,
    labels: int,
    base_std: float | None,
    k: int | None,
    **given: Any,
) -> None:
    """A continuous normalizing flow, learnt from an energy alone: the polarity priors of MODEL, of all rho up to
    --largest, or the energy that --energy names.

    OUT.training holds what an interrupted training goes on from: type the same command again. OUT.jsonl has a line
    every 250 iterations. Draw with `polarprior sample MODEL --sampler boltzmann:OUT --tilt=T`, or from an energy with
    `polarprior boltzmann draw OUT`.
    """
    from polarprior.plugin import UsageError
    from polarprior_training.described_file import file_to_write

    if (model is None) == (energy is None):
        raise UsageError("MODEL, --energy: expected one of them", "such as --energy two-gaussians")
    _refuse_what_has_no_meaning(
        "MODEL" if energy is None else "--energy", NOT_OF_MODEL if energy is None else NOT_OF_ENERGY
    )
    if given["loss"] == "reverse-kl":
        _refuse_what_has_no_meaning("--loss reverse-kl", ("interpolation", "form", "thin", "widen"))
    out = file_to_write(out, "flow")
    loading = {name: given.pop(name) for name in ("device", "sha256")}
    asked = {name: value for name, value in given.items() if value is not None}
    if asked.get("loss") == "reverse-kl":
        asked = {**OF_REVERSE_KL, **asked}
    if energy is not None:
        _of_energy(energy, base_std, Recipe(**asked), out, loading["device"])
        return
    recipe = Recipe(**{**OF_POLARITY, **asked})
    _of_model(str(model), bank, k, largest, labels, recipe, out, loading)


def _refuse_what_has_no_meaning(where: str, names: tuple[str, ...]) -> None:
    """UsageError where an option was typed that `where` has no use for."""
    from polarprior.plugin import UsageError

    context = click.get_current_context()
    for parameter in context.command.params:
        typed = context.get_parameter_source(str(parameter.name)) == ParameterSource.COMMANDLINE
        if parameter.name in names and typed:
            raise UsageError(f"{parameter.opts[0]}: has no meaning with {where}", "leave it out")


def _of_energy(name: str, base_std: float | None, recipe: Recipe, out: Path, device: str | None) -> None:
    from polarprior.plugin import torch_device

    from polarprior_boltzmann.flow_file import FlowFile
    from polarprior_boltzmann.looking import looks
    from polarprior_boltzmann.problems import problem_named

    problem = problem_named(name, base_std)
    problem.interpolation(recipe, _noise())  # says now what would fail
    about = {"energy": name, "base_std": base_std}
    training, checkpoint = _trained(problem, recipe, about, out, torch_device(device or "cpu"))
    metrics = looks(training)
    FlowFile.of(training, name, metrics=metrics).save(out)
    checkpoint.drop()
    say(f"{out}: {json.dumps(metrics)}")
    typed = f" --energy {quote(name)}" if name.startswith("torch:") else ""
    say(f"next: polarprior boltzmann draw {quote(str(out))}{typed} -n 1000 --out draws.npz")


def _of_model(
    model: str,
    bank_path: Path | None,
    k: int | None,
    largest: float | None,
    labels: int,
    recipe: Recipe,
    out: Path,
    loading: dict[str, Any],
) -> None:
    from polarprior_boltzmann.bases import GeneralisedGaussian
    from polarprior_boltzmann.emulator import fit, labelled
    from polarprior_boltzmann.flow_file import FlowFile, OfModel
    from polarprior_boltzmann.looking import looks
    from polarprior_boltzmann.polarity import OfPolarity, slope_of, spread_of

    generator, bank = _opened(model, bank_path, loading)
    k = bank.info.k if k is None else k
    std = spread_of(bank, k)
    largest = _largest(largest, std)
    noise = _noise(recipe.seed)
    slope = slope_of(bank, generator, k)
    data = labelled(generator, bank, k, slope, largest, labels, noise)
    emulator, r2 = fit(data, noise)
    say(f"emulator: explains {r2:.1%} of the variance of true log-volumes held out", err=True)
    problem = OfPolarity(GeneralisedGaussian.normal(generator.prior.dim), emulator, largest, slope)
    about = {"model": generator.fingerprint, "bank": bank.info.digest, "k": k, "largest": largest, "labels": labels}
    training, checkpoint = _trained(problem, recipe, about, out)
    metrics = looks(training)
    of_model = OfModel.of(generator, bank, k, largest, std, r2)
    FlowFile.of(training, of_model=of_model, metrics=metrics).save(out)
    checkpoint.drop()
    say(f"{out}: {json.dumps(metrics)}")
    say(f"next: polarprior sample {model} --sampler boltzmann:{out} --tilt={largest * std / 2:.2g} --seeds 0-15")


def _opened(model: str, bank_path: Path | None, loading: dict[str, Any]) -> tuple[Generator, Bank]:
    """Open MODEL and its bank; UsageError where no flow can be learnt from them."""
    from polarprior.plugin import UsageError, open_model_and_bank

    from polarprior_boltzmann.polarity import check_normal

    generator, bank = open_model_and_bank(model, bank_path, **loading)
    check_normal(generator)
    if bank.info.domain != "z":
        raise UsageError(f"bank: its domain is {bank.info.domain!r}, a flow's is 'z'", "build one without --domain")
    return generator, bank


def _largest(given: float | None, std: float) -> float:
    """Choose the |rho| at the ends of the flow's time: what was given, else 1.5 / std, in two digits."""
    from polarprior.plugin import UsageError

    largest = float(f"{1.5 / std:.2g}") if given is None else given
    if not (isfinite(largest) and largest > 0):
        raise UsageError(f"largest: got {largest}, expected a number above 0", "use such as largest=0.2")
    return largest


def _trained(
    problem: Problem, recipe: Recipe, about: dict[str, Any], out: Path, device: torch.device | str = "cpu"
) -> tuple[Training, Checkpoint]:
    """Train, from the last checkpoint where there is one of the same training; it stays until the flow is saved."""
    from polarprior_training.loop import train
    from polarprior_training.resuming import Checkpoint

    from polarprior_boltzmann.looking import DRAWS, glances, told
    from polarprior_boltzmann.training import Training

    training = Training(problem, recipe, device)
    checkpoint = Checkpoint(out.with_suffix(".training"), {**about, **asdict(recipe)})

    def look() -> tuple[dict[str, Any], str]:
        metrics = glances(training)
        return metrics, told(training.loss, metrics)

    train(training, recipe.iterations, checkpoint, out.with_suffix(".jsonl"), look)
    say(f"the flow is judged by {DRAWS:,} draws", err=True)
    return training, checkpoint


def _noise(seed: int = 0) -> Any:
    import torch

    return torch.Generator().manual_seed(seed)
