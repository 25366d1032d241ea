"""Writes a small network pickle with the stock classes, to try things out: ``python -m polarprior_edm.small``.

Its weights are random, so its images are noise with a texture; everything else is as in an official pickle.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import click
import torch
from polarprior.plugin import ending_the_script, use_checkout
from torch import nn

from polarprior_edm.generator import KINDS

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "ddpmpp": {"model_type": "SongUNet"},
    "ncsnpp": {
        "model_type": "SongUNet",
        "embedding_type": "fourier",
        "encoder_type": "residual",
        "channel_mult_noise": 2,
        "resample_filter": [1, 3, 3, 1],
    },
    "adm": {"model_type": "DhariwalUNet"},
}
"""Arguments of the networks of EDM, by their names in train.py."""
PRECONDITIONING = {"edm": "EDMPrecond", "vp": "VPPrecond", "ve": "VEPrecond", "iddpm": "iDDPMPrecond"}
CHANNELS = 32


@click.command()
@click.argument("plugin", type=click.Choice(list(KINDS)))
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--resolution", type=int, default=8, show_default=True, help="Pixels, a power of 2.")
@click.option("--classes", type=int, default=0, help="Classes; none if not given.")
@click.option("--arch", type=click.Choice(list(ARCHITECTURES)), default="ddpmpp", show_default=True, help="EDM's.")
@click.option("--precond", type=click.Choice(list(PRECONDITIONING)), default="edm", show_default=True, help="EDM's.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of the random weights.")
def main(plugin: str, path: Path, resolution: int, classes: int, arch: str, precond: str, seed: int) -> None:
    """Write a small network of PLUGIN to PATH, with the stock checkout at hand."""
    with ending_the_script():
        use_checkout([KINDS[plugin].repo])
    size = {"img_resolution": resolution, "img_channels": 3, "label_dim": classes, "channel_mult": [1, 2]}
    size |= {"num_blocks": 1, "attn_resolutions": [resolution // 2]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the stock classes draw their first weights from the global stream
        content = _of_edm(size, arch, precond) if plugin == "edm" else _of_edm2(size)
        content["ema"].eval().requires_grad_(False)
        _wake(content["ema"])
    if plugin == "edm2":
        content["ema"].half()  # as training writes it
    path.write_bytes(pickle.dumps(content))


def _of_edm(size: dict[str, Any], arch: str, precond: str) -> dict[str, Any]:
    from training import networks  # of the checkout

    width = 16 if arch != "adm" else CHANNELS  # its heads have 64 channels
    make = getattr(networks, PRECONDITIONING[precond])
    network = make(**size, **ARCHITECTURES[arch], model_channels=width)
    return {"ema": network, "loss_fn": None, "augment_pipe": None, "dataset_kwargs": {}}


def _of_edm2(size: dict[str, Any]) -> dict[str, Any]:
    from training.encoders import StandardRGBEncoder  # of the checkout
    from training.networks_edm2 import Precond

    network = Precond(**size, model_channels=16, channels_per_head=16, logvar_channels=8)
    return {"ema": network, "encoder": StandardRGBEncoder(), "loss_fn": None, "dataset_kwargs": {}}


def _wake(network: nn.Module) -> None:
    """Give numbers to what training begins with at zero, or next to it: without, every image is a blurred noise."""
    for name, weight in network.named_parameters():
        if name.endswith("gain"):
            weight.fill_(0.5 if name.endswith("out_gain") else 1)
        elif weight.ndim > 1 and weight.abs().max() < 1e-3:
            weight.normal_(0, 0.5 * weight[0].numel() ** -0.5)


if __name__ == "__main__":
    main()
