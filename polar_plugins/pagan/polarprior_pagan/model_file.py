"""The file of a trained PAGAN: generator, encoder, discriminator of images, and the classifier of its data. Files of
others are read with care."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from polarprior.plugin import filled_network
from polarprior_training.described_file import read_described, save_described
from torch import Tensor, nn
from torch.nn.utils import parametrize

from polarprior_pagan.classifier import Classifier
from polarprior_pagan.matching import MINIMAX, NON_SATURATING
from polarprior_pagan.networks import Encoder, Generator, OfImages
from polarprior_pagan.recipe import Recipe
from polarprior_pagan.training import Training

FORMAT = "polarprior-pagan/1"
HINT = "make one: polarprior train pagan --data FOLDER --out FILE"


@dataclass(frozen=True, eq=False)
class Model:
    """What a training leaves.

    Attributes:
        recipe: how it was trained.
        generator, encoder: with averaged weights, in eval mode.
        of_images: the discriminator of images, as it was in the end, its spectral norms taken.
        classifier: of the images' labels; None where they had none.
        metrics: on held-out images.
    """

    recipe: Recipe
    generator: nn.Module
    encoder: nn.Module
    of_images: nn.Module
    classifier: Classifier | None
    metrics: dict[str, float]

    def save(self, path: Path) -> None:
        """Write it, atomically."""
        classes = None if self.classifier is None else self.classifier.last.out_features
        about = {"recipe": asdict(self.recipe), "classes": classes, "metrics": self.metrics}
        tensors = {
            f"{part}.{name}": each
            for part, network in self.networks().items()
            for name, each in network.state_dict().items()
        }
        save_described(path, FORMAT, about, tensors)

    def networks(self) -> dict[str, nn.Module]:
        """All of them, by name."""
        parts = {"generator": self.generator, "encoder": self.encoder, "of_images": self.of_images}
        return parts if self.classifier is None else {**parts, "classifier": self.classifier}

    @classmethod
    def open(cls, path: Path) -> Model:
        """Read one.

        Raises:
            PolarPriorError: no such file, or it holds no PAGAN.
        """
        return read_described(path, FORMAT, "model", "PAGAN", HINT, _made)


def _made(path: Path, about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Model:
    recipe = _recipe(about["recipe"])

    def part(name: str, make: Any) -> Any:
        head = f"{name}."
        return filled_network(make, {key[len(head) :]: each for key, each in tensors.items() if key.startswith(head)})

    shape, classes = (recipe.size, recipe.channels), about["classes"]
    if classes is not None and classes < 1:
        raise ValueError(f"{classes} classes")
    return Model(
        recipe,
        part("generator", lambda: Generator(*shape, recipe.latent_dim, recipe.width)),
        part("encoder", lambda: Encoder(*shape, recipe.latent_dim, recipe.judge_width, recipe.deep)),
        part("of_images", lambda: OfImages(*shape, recipe.judge_width, recipe.deep)),
        None if classes is None else part("classifier", lambda: Classifier(*shape, classes)),
        dict(about["metrics"]),
    )


def _recipe(said: Mapping[str, Any]) -> Recipe:
    """As a file has it; files of before there were two makers had one with each matching."""
    if "maker" in said:
        return Recipe(**said)
    if said["matching"] == "saturating":
        return Recipe(**{**said, "matching": "gan", "maker": MINIMAX})
    return Recipe(**said, maker=NON_SATURATING if said["matching"] == "gan" else MINIMAX)


def plain(network: nn.Module) -> nn.Module:
    """A copy whose weights are those that it works with: without parametrisations."""
    found = copy.deepcopy(network).eval()
    for module in found.modules():
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    return found


def model_of(training: Training, classifier: Classifier | None, metrics: dict[str, float]) -> Model:
    """What is kept of a training: the averaged weights, or where its recipe has patience those of the best look, if
    there was any."""
    kept = training.kept if training.recipe.patience and training.best_at else training.averaged
    return Model(
        training.recipe,
        kept["generator"],
        kept["encoder"],
        plain(training.networks.of_images),
        classifier,
        metrics,
    )
