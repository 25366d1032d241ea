"""A Generator with an encoder, from a file that a training has written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from polarprior.plugin import FeatureMap, Generator, Settings, latent_prior, weights_fingerprint
from torch import Tensor, nn

from polarprior_pagan import NAME, __version__
from polarprior_pagan.classifier import Classifier
from polarprior_pagan.model_file import Model

SHIPPED = Path(__file__).parent / "digits.safetensors"


def load(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """The generator; see the hook `load_generator`. Nothing can be set."""
    settings.check_only((), NAME)
    model = Model.open(SHIPPED if source is None else Path(source))
    networks = nn.ModuleDict(model.networks())

    def synthesize(z: Tensor, label: Tensor | None) -> Tensor:
        return networks["generator"](z)

    def encode(images: Tensor) -> Tensor:
        return networks["encoder"](images)[0]

    def judged(images: Tensor, label: Tensor | None = None) -> Tensor:
        return networks["of_images"](images)

    return Generator(
        plugin=NAME,
        version=__version__,
        prior=latent_prior("normal", model.recipe.latent_dim),
        synthesize=synthesize,
        fingerprint=weights_fingerprint(model.generator),
        spaces=("classifier",) if "classifier" in networks else (),
        classifier="classifier" if "classifier" in networks else None,
        discriminator=judged,
        encode=encode,
        licence="Apache-2.0 (trained here, on MNIST)" if source is None else "",
        network=networks,
    ).on(device)


def feature_map(generator: Generator, space: str) -> FeatureMap | None:
    """The feature maps of the plugin's own generators; None for another space.

    ``classifier`` is the last hidden layer [n, 64] of the classifier that was trained with the model, and
    ``classifier-logits`` what it says of each class [n, classes].
    """
    networks = generator.network
    if generator.plugin != NAME or not isinstance(networks, nn.ModuleDict) or "classifier" not in networks:
        return None
    classifier = networks["classifier"]
    assert isinstance(classifier, Classifier)
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "classifier": classifier.features,
        "classifier-logits": classifier,
    }
    return FeatureMap(f"{NAME}:{space}", functions[space]) if space in functions else None
