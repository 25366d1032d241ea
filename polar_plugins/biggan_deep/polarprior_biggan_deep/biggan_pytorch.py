"""A Generator from the weights of ajbrock/BigGAN-PyTorch, through the classes of a checkout."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from polarprior.plugin import (
    DISCRIMINATOR,
    Discriminator,
    Generator,
    LatentPrior,
    Settings,
    UsageError,
    filled_network,
    latent_prior,
    read_checkpoint,
    refusing,
    use_checkout,
    weights_fingerprint,
)
from torch import Tensor, nn

from polarprior_biggan_deep import NAME
from polarprior_biggan_deep.folding import Pass
from polarprior_biggan_deep.imagenet import class_names
from polarprior_biggan_deep.repos import BIGGAN_PYTORCH
from polarprior_biggan_deep.settings import truncation_alone

STATE = "state_dict.pth"
WEIGHTS = ("G_ema.pth", "G.pth")
CRITIC = "D.pth"
MODELS = ("BigGANdeep", "BigGAN")
_SCALAR = np.float64(0).__reduce__()[0]
CONFIGURATION: list[Any] = [
    nn.ReLU,
    np.dtype,
    type(np.dtype("f8")),
    type(np.dtype("f4")),
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
]
"""What training leaves in its state besides numbers and text: activations, and numpy's numbers, of numpy 1 and 2."""

_HINT = f"name a folder that train.py of {BIGGAN_PYTORCH.name} wrote: {STATE} with G_ema.pth or G.pth"


def is_experiment(source: str | None) -> bool:
    """Whether `source` is a folder of weights as the repository's train.py writes it."""
    return source is not None and (Path(source) / STATE).is_file()


def load(source: str | None, settings: Settings) -> Generator:
    """The generator of an experiment's folder: the averaged weights where there are any.

    Raises:
        PolarPriorError: no checkout, or files that are not the repository's.
    """
    folder = Path(source or "")
    use_checkout([BIGGAN_PYTORCH])
    with refusing(f"model: {folder} holds no generator", _HINT):
        config = read_checkpoint(folder / STATE, CONFIGURATION)["config"]
        if config["model"] not in MODELS:
            raise ValueError(f"its model is {str(config['model'])[:40]!r}, expected {' or '.join(MODELS)}")
        module = import_module(config["model"])  # of the checkout
        weights = next((path for name in WEIGHTS if (path := folder / name).is_file()), folder / WEIGHTS[0])
        config |= {"skip_init": True, "no_optim": True}
        network = filled_network(lambda: module.Generator(**config), read_checkpoint(weights))
    _fix_spectral_norms(network)
    critic = folder / CRITIC
    return generator_of(network, settings, _discriminator(module, config, critic) if critic.is_file() else None)


def _discriminator(module: Any, config: dict[str, Any], path: Path) -> Discriminator:
    """The discriminator that train.py kept beside the generator; its file is read when it is first needed."""

    def make() -> nn.Module:
        with refusing(f"model: {path} holds no discriminator", _HINT):
            network: Any = filled_network(lambda: module.Discriminator(**config), read_checkpoint(path))
        _fix_spectral_norms(network)
        return network

    def judge(network: nn.Module, image: Tensor, label: Tensor | None) -> Tensor:
        return network(image, torch.zeros(1, dtype=torch.int64, device=image.device) if label is None else label)

    return Discriminator(make, judge, lambda network: network.linear, "hinge")


def generator_of(network: Any, asked: Settings, discriminator: Discriminator | None = None) -> Generator:
    """A Generator from a stock network in eval mode.

    Its prior is that of sample.py: normal, with z_var as its standard deviation. Here it is the truncation, 1 where
    none is asked for. The seeds are polarprior's own, since sample.py seeds a whole run. The discriminator is that of
    the experiment, where there is one.

    Raises:
        UsageError: a truncation that isn't positive, or another setting.
    """
    settings = truncation_alone(asked, 1.0)
    std = float(settings.trunc or 0)
    if not std > 0:
        raise UsageError(f"trunc: got {std:g}, expected a positive z_var", "use such as trunc=0.5")
    rows = partial(_rows, network.dim_z, std)
    return Generator(
        plugin=NAME,
        version=version("polarprior-biggan-deep"),
        prior=LatentPrior(f"normal, times {std:g}", (network.dim_z,), rows, stock_seeds=False),
        synthesize=lambda z, label: network(z, network.shared(label)),
        fingerprint=weights_fingerprint(network),
        settings=settings,
        num_classes=network.n_classes,
        class_names=class_names(network.n_classes),
        spaces=(DISCRIMINATOR,) if discriminator else (),
        discriminator=discriminator,
        network=network,
    )


def stock_pass(generator: Generator) -> Pass:
    """The pass of a generator's stock network, with those of its norms that can be folded: batch norms by stored
    statistics, whose gains are linear."""
    network: Any = generator.network
    linear = [layer for layer in network.modules() if isinstance(getattr(layer, "gain", None), nn.Linear)]
    norms = [norm for norm in linear if norm.mybn or norm.cross_replica or norm.norm_style == "bn"]
    return Pass(network.shared, network, norms)


def _fix_spectral_norms(network: Any) -> None:
    """Normalise each weight once, where eval mode would do so in each pass: the same images, bit for bit."""
    for layer in network.modules():
        if hasattr(layer, "W_"):
            layer.register_buffer("fixed_weight", layer.W_().detach(), persistent=False)
            layer.W_ = partial(getattr, layer, "fixed_weight")


def _rows(dim: int, std: float, seeds: np.ndarray) -> np.ndarray:
    return np.float32(std) * latent_prior("normal", dim).rows(seeds)
