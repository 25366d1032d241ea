"""StyleGAN3-T, by train.py of NVlabs/stylegan3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polarprior.stock.importing import after_import
from polarprior_stylegan2.repos import STYLEGAN3 as REPO
from stylegan2_ada import (
    LATENT,
    Trained,
    left,
    opened,
    read_networks,
    start_from_numbers,
    write_checkpoint,
    write_data,
)
from torch import nn

__all__ = ["REPO", "left", "opened", "write_checkpoint", "write_data"]
PLUGIN, SUFFIX = "stylegan3", ".pkl"
LAYERS, MARGIN = 4, 4
PIECES, KIMG, AVERAGED = 12, 20, 5


def change() -> None:
    """A network of few layers, and pictures read in this process."""
    after_import("training.training_loop", _narrow)


def _narrow(module: Any) -> None:
    loop = module.training_loop

    def narrow(**options: Any) -> None:
        options["G_kwargs"].update(z_dim=LATENT, w_dim=LATENT, num_layers=LAYERS, margin_size=MARGIN)
        options["data_loader_kwargs"] = {"num_workers": 0}
        options["ema_kimg"] = AVERAGED
        start_from_numbers(module)
        loop(**options)

    module.training_loop = narrow


def arguments(folder: Path, piece: int) -> list[str]:
    """Returns those of a run of train.py, which begins with what the one before it left."""
    words = [f"--outdir={folder / f'piece-{piece}'}", f"--data={folder / 'shown.zip'}", f"--seed={piece}"]
    words += ["--cfg=stylegan3-t", "--cbase=512", "--cmax=32", "--mbstd-group=16", "--gpus=1", "--gamma=1"]
    words += ["--batch=32", "--aug=noaug", f"--kimg={KIMG}", "--fp32=1", "--metrics=none", "--snap=1000"]
    return words + ([f"--resume={left(folder, piece - 1)}"] if piece else [])


def trained(folder: Path) -> Trained:
    """The networks of the last run, by the classes of the checkout."""
    return read_networks(PLUGIN, left(folder, PIECES - 1))


def networks(about: dict[str, Any]) -> dict[str, nn.Module]:
    """Fresh networks of the stock classes, by the prefix of their tensors' names."""
    from training.networks_stylegan2 import Discriminator  # of the checkout
    from training.networks_stylegan3 import Generator

    return {"G": Generator(**about["G"]), "D": Discriminator(**about["D"])}
