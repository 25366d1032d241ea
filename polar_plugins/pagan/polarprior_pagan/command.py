"""``polarprior train pagan``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from polarprior.plugin import recipe_options, say

from polarprior_pagan.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from polarprior_pagan.classifier import Classifier
    from polarprior_pagan.data import Data
    from polarprior_pagan.looking import Judge, Looks
    from polarprior_pagan.training import Training

EVERY = 500
"""Iterations between two looks, and between two checkpoints."""
OF_CLASSIFIER = "polarprior-pagan-classifier/1"
OF_MATCHINGS: dict[str, dict[str, Any]] = {
    "wasserstein": {"pairs": "channel", "judge_steps": 10},
    **{name: {"gain": 1.0} for name in ("kl", "reverse-kl", "hellinger")},
}
"""Defaults of options that a matching has of its own. Those of ``wasserstein`` are the paper's (C.1). The losses of
the other three grow exponentially in the logits: a spectral norm of 2 a layer, which serves the rest, is too much."""


def _elsewhere() -> dict[str, str]:
    """Words behind the default of an option for which some matchings have another."""
    found: dict[str, dict[Any, list[str]]] = {}
    for matching, own in OF_MATCHINGS.items():
        for option, value in own.items():
            found.setdefault(option, {}).setdefault(value, []).append(matching)
    return {
        option: "".join(f"; {value} with {', '.join(names)}" for value, names in by_value.items())
        for option, by_value in found.items()
    }


_of_recipe = recipe_options(Recipe, _elsewhere())


@click.command()
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path, readable=False),
    help="Images: a folder with MNIST's or CIFAR-10's files, an idx file, a folder or a zip of pictures.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path, readable=False), help="The model's file.")
@_of_recipe("--size", type=int, help="Pixels a side: 16, 32 or 64.")
@click.option(
    "--crop",
    type=click.IntRange(1),
    help="Pixels a side of the square that is taken from the middle of each image, such as 178 of CelebA's 178 x "
    "218; the whole image if not given.",
)
@click.option("--channels", type=click.Choice(["1", "3"]), help="1 for grey, 3 for colour; as the images are.")
@click.option("--space", help="Where the Frechet distance is taken; the classifier's, or pixel where there is none.")
@_of_recipe("--latent-dim", type=click.IntRange(1, 4096), help="Numbers in a latent.")
@_of_recipe("--width", type=click.IntRange(4, 4096), help="The generator's channels at the bottom.")
@_of_recipe("--judge-width", type=click.IntRange(4, 4096), help="The encoder's and the discriminators'.")
@_of_recipe("--deep", help="3 x 3 convolutions between the strides, as in the paper.", is_flag=True)
@_of_recipe(
    "--pairs",
    type=str,
    help="How the discriminator is shown two images: side by side (width), as channels, or one by one (siamese).",
)
@_of_recipe(
    "--matching",
    type=str,
    help="gan, wasserstein, or an f-divergence: kl, reverse-kl, pearson, hellinger, jensen-shannon, gan-divergence.",
)
@_of_recipe(
    "--maker",
    type=str,
    help="What generator and encoder minimise: non-saturating, or minimax, the discriminators' loss with its sign "
    "turned.",
)
@_of_recipe("--reconstruction", type=str, help="pairs, judged; l1, the mean absolute difference.")
@_of_recipe("--l1", type=click.FloatRange(0, min_open=True), help="Weight of that difference.")
@_of_recipe("--augment", type=str, help="shift, flip, contrast, none, or torch:MODULE:FUNCTION.")
@_of_recipe("--gain", type=click.FloatRange(0), help="Spectral norm of the discriminators' layers; 0 for none.")
@_of_recipe(
    "--penalty",
    type=click.FloatRange(0, min_open=True),
    help="Weight of the gradient penalty of Wasserstein's critics.",
)
@_of_recipe("--independent", help="Draw the penalty's mixing share for each image of a pair alone.", is_flag=True)
@_of_recipe(
    "--judge-steps", type=click.IntRange(1), help="Steps of the discriminators an iteration (the papers' n_dis)."
)
@_of_recipe("--iterations", type=click.IntRange(1))
@_of_recipe("--batch", type=click.IntRange(2), help="Images an iteration.")
@_of_recipe("--rate", type=click.FloatRange(0, min_open=True), help="Learning rate of Adam.")
@_of_recipe("--beta-1", type=click.FloatRange(0, 1, max_open=True), help="First beta of Adam.")
@_of_recipe("--beta-2", type=click.FloatRange(0, 1, max_open=True), help="Second beta of Adam.")
@_of_recipe("--average", type=click.FloatRange(0, 1, max_open=True), help="What stays of the averaged weights.")
@_of_recipe("--patience", type=click.IntRange(0), help="Iterations without a lower distance that end it; 0: none do.")
@_of_recipe("--seed", type=click.IntRange(0, 2**63 - 1))
@click.option("--device", help="Torch device; CUDA where there is one, else the CPU.")
def pagan(
    data: Path,
    out: Path,
    crop: int | None,
    channels: str | None,
    space: str | None,
    device: str | None,
    **given: Any,
) -> None:
    """A generator with an encoder, trained on --data.

    OUT.training holds what an interrupted training goes on from: type the same command again. OUT.jsonl has a line
    every 500 iterations, OUT.png the last sheet of samples and reconstructions. Where the images have labels, a
    classifier is trained first: it judges both. Use the model as pagan:OUT.
    """
    from polarprior.plugin import torch_device
    from polarprior_training.augmentations import named
    from polarprior_training.described_file import file_to_write

    from polarprior_pagan.data import open_data
    from polarprior_pagan.looking import Looks, told
    from polarprior_pagan.training import Training

    out = file_to_write(out, "digits")
    recipe = _recipe(given)
    augment = named(recipe.augment)
    images = open_data(data, recipe.size, None if channels is None else int(channels), crop)
    recipe = replace(recipe, channels=images.held.pixels.shape[-1])
    where = torch_device(device)
    training = Training(images.training.pixels, recipe, augment, where)
    seen = images.training.digest()
    classifier = _classifier(images, seen, recipe.seed, out.with_suffix(".classifier"), where)
    looks = Looks(images.held, _judge(classifier, space, training), augment, recipe.latent_dim, where)
    say(f"{recipe.augment} in place of a reconstruction: {told(looks.floor)}", err=True)
    metrics = _train(training, looks, classifier, {"images": seen, "space": space, **asdict(recipe)}, out)
    out.with_suffix(".classifier").unlink(missing_ok=True)
    say(f"{out}: {json.dumps(metrics)}")
    say(f"next: polarprior bank build pagan:{out} -n 10000 --out {out.with_suffix('')}-bank")


def _recipe(given: dict[str, Any]) -> Recipe:
    """Make the recipe of the options typed; UsageError where they contradict each other."""
    from polarprior.plugin import UsageError

    asked = {name: value for name, value in given.items() if value is not None}
    recipe = Recipe(**{**OF_MATCHINGS.get(asked.get("matching", ""), {}), **asked})
    if 0 < recipe.patience < EVERY:
        raise UsageError(
            f"patience: got {recipe.patience}, expected 0, or {EVERY} or more: that is how often it looks",
            f"use patience={EVERY}",
        )
    return recipe


def _train(
    training: Training, looks: Looks, classifier: Classifier | None, about: dict[str, Any], out: Path
) -> dict[str, float]:
    """Train to the end, from the last checkpoint where there is one of the same training, and save the model at
    `out`: its metrics."""
    from polarprior.plugin import png_bytes, write_atomically
    from polarprior_training.loop import train
    from polarprior_training.resuming import Checkpoint

    from polarprior_pagan.looking import told
    from polarprior_pagan.model_file import model_of

    def look() -> tuple[dict[str, float], str]:
        networks = training.averaged["generator"], training.averaged["encoder"]
        metrics = looks(*networks)
        training.judged(metrics["fid"])
        title = f"{out.stem}, iteration {training.done}: {told(metrics)}"
        write_atomically(out.with_suffix(".png"), png_bytes(looks.sheet(*networks, title), title))
        return metrics, told(metrics)

    checkpoint = Checkpoint(out.with_suffix(".training"), about)
    train(training, training.recipe.iterations, checkpoint, out.with_suffix(".jsonl"), look, EVERY)
    model = model_of(training, classifier, {})
    metrics = looks(model.generator, model.encoder)
    replace(model, metrics={**metrics, **{f"floor_{name}": value for name, value in looks.floor.items()}}).save(out)
    checkpoint.drop()
    return metrics


def _judge(classifier: Classifier | None, space: str | None, training: Training) -> Judge:
    """Who looks: the classifier, and where --space names one that space's features."""
    import polarprior as pp

    from polarprior_pagan.looking import Judge

    if classifier is not None and space is None:
        return Judge(classifier.features, classifier)
    generator = pp.wrap(training.averaged["generator"], latent_dim=training.recipe.latent_dim)
    return Judge(pp.feature_map(generator, space or "pixel"), classifier)


def _classifier(images: Data, seen: str, seed: int, path: Path, device: torch.device) -> Classifier | None:
    """A classifier of the images whose digest, labels and all, is `seen`, kept at `path` until the model is written;
    None where they have none."""
    from polarprior.plugin import PolarPriorError, filled_network
    from polarprior_training.described_file import open_described, save_described

    from polarprior_pagan.classifier import Classifier, accuracy, trained

    labels = images.training.labels
    if labels is None:
        return None
    size, _, channels = images.held.pixels.shape[1:]
    about = {"images": seen, "seed": seed}
    tensors: Mapping[str, Tensor] = {}
    try:
        found, tensors = open_described(path, OF_CLASSIFIER, "out", "")
    except PolarPriorError:  # none, or a damaged one: it is made again
        found = {}
    if found != about:
        tensors = trained(images.training, seed, device=device).state_dict()
        save_described(path, OF_CLASSIFIER, about, tensors)
    network = filled_network(lambda: Classifier(size, channels, int(labels.max()) + 1), tensors)
    assert isinstance(network, Classifier)
    say(f"classifier: {accuracy(network, images.held):.4f} of the held-out images", err=True)
    return network.to(device)
