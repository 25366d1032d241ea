"""Writes a small network pickle with the stock classes, to try things out: ``python -m polarprior_stylegan2.small``.

Its weights are random, so its images are noise with a style; everything else is as in an official pickle.
"""

from __future__ import annotations

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import click
import torch
from polarprior.plugin import ending_the_script, use_checkout

from polarprior_stylegan2.generator import KINDS, styles_of

LATENT_DIM = 32


@click.command()
@click.argument("plugin", type=click.Choice(list(KINDS)))
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--resolution", type=int, default=32, show_default=True, help="Pixels, a power of 2.")
@click.option("--classes", type=int, default=0, help="Classes; none if not given.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of the random weights.")
def main(plugin: str, path: Path, resolution: int, classes: int, seed: int) -> None:
    """Write a small network of PLUGIN to PATH, with the stock checkout at hand."""
    with ending_the_script():
        use_checkout(KINDS[plugin].repos)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the stock classes draw their first weights from the global stream
        network, critic = _network(plugin, resolution, classes), _critic(resolution, classes)
    leave_what_training_would(network, classes, seed)
    write_pickle(path, network, critic)


def leave_what_training_would(network: Any, classes: int, seed: int) -> None:
    """Give a new network noise that matters, images in [-1, 1], and the average style."""
    stream = torch.Generator().manual_seed(seed)
    z = torch.randn(1000, network.z_dim, generator=stream)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("noise_strength"):
                parameter.fill_(0.1)
            if name.endswith("torgb.weight"):
                parameter.mul_(0.25)
        network.mapping.w_avg.copy_(
            styles_of(network, z, torch.arange(1000) % classes if classes else None, 1).mean(0)
        )


def write_pickle(path: Path, network: Any, critic: Any) -> None:
    """Write a network pickle as train.py does, with the generator also as that of averaged weights."""
    content = {
        "G": network,
        "D": critic,
        "G_ema": copy.deepcopy(network),
        "training_set_kwargs": None,
        "augment_pipe": None,
    }
    with path.open("wb") as file:
        _WithoutAddresses(file).dump(content)


class _WithoutAddresses(pickle.Pickler):
    """Writes the same bytes each time: torch's own way to pickle a storage names it by where it lies in memory."""

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, torch.storage.TypedStorage):
            return NotImplemented
        written = io.BytesIO()
        torch.save(value, written)
        return torch.storage._load_from_bytes, (written.getvalue(),)


def _network(plugin: str, resolution: int, classes: int) -> Any:
    common: dict[str, Any] = {
        "z_dim": LATENT_DIM,
        "c_dim": classes,
        "w_dim": LATENT_DIM,
        "img_resolution": resolution,
        "img_channels": 3,
        "mapping_kwargs": {"num_layers": 2},
    }
    width: dict[str, Any] = {"channel_base": 1024, "channel_max": 32}
    if plugin == "stylegan3":
        from training.networks_stylegan3 import Generator  # of the checkout

        return frozen(Generator(**common, **width, num_layers=4, margin_size=4))
    width |= {"num_fp16_res": 2, "conv_clamp": 256}
    try:
        from training.networks import Generator
    except ImportError:  # the checkout of StyleGAN3
        from training.networks_stylegan2 import Generator

        return frozen(Generator(**common, **width))
    return frozen(Generator(**common, synthesis_kwargs=width))


def _critic(resolution: int, classes: int) -> Any:
    try:
        from training.networks import Discriminator  # of the checkout
    except ImportError:  # that of StyleGAN3
        from training.networks_stylegan2 import Discriminator
    width: dict[str, Any] = {"channel_base": 1024, "channel_max": 32, "num_fp16_res": 2, "conv_clamp": 256}
    return frozen(Discriminator(c_dim=classes, img_resolution=resolution, img_channels=3, **width))


def frozen(network: Any) -> Any:
    """The network as it is used: in eval mode, without gradients."""
    return network.eval().requires_grad_(False)


if __name__ == "__main__":
    main()
