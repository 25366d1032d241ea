"""StyleGAN3-T, by train.py of NVlabs/stylegan3."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from places import States
from polarprior.stock.importing import after_import
from polarprior_stylegan2.repos import STYLEGAN3 as REPO
from polarprior_stylegan3.filters import filtered_by_matrices
from stylegan2_ada import (
    PROGRESS,
    arguments_of_both,
    left,
    narrow,
    opened,
    read_networks,
    write_checkpoint,
    write_data,
)
from torch import nn

__all__ = ["PROGRESS", "REPO", "opened", "write_checkpoint", "write_data"]
PLUGIN, SUFFIX = "stylegan3", ".pkl"
LAYERS, MARGIN, LATENT = 5, 2, 64
SCALE = 1
"""What the output is multiplied by: digits are black and white, and the stock 0.25 leaves them grey for long."""
PIECES, KIMG, AVERAGED = 5, 25, 5


def change() -> None:
    """A network of few layers, pictures read in this process, and faster filters."""
    after_import("torch_utils.ops.filtered_lrelu", _filter_by_matrices)
    after_import("training.training_loop", partial(narrow, widths=_widths, latent=LATENT, averaged=AVERAGED))


def _filter_by_matrices(module: Any) -> None:
    module.filtered_lrelu = filtered_by_matrices(module)


def _widths(options: dict[str, Any]) -> None:
    options["G_kwargs"].update(num_layers=LAYERS, margin_size=MARGIN, output_scale=SCALE)


def arguments(folder: Path, piece: int) -> list[str]:
    """Give the arguments of a run of train.py, which begins with what the one before it left.

    With classes and a large gamma: without them its first digits are one digit, moved and turned.
    """
    words = [
        "--cfg=stylegan3-t",
        "--gamma=8",
        "--cond=1",
        "--batch=16",
        "--cbase=512",
        "--cmax=64",
        "--mbstd-group=16",
    ]
    return [*arguments_of_both(folder, piece, KIMG), *words]


def trained(folder: Path) -> tuple[States, dict[str, Any]]:
    """The networks of the last run, by the classes of the checkout."""
    return read_networks(PLUGIN, left(folder, PIECES - 1))


def networks(about: dict[str, Any]) -> dict[str, nn.Module]:
    """Fresh networks of the stock classes, by the prefix of their tensors' names."""
    from training.networks_stylegan2 import Discriminator  # of the checkout
    from training.networks_stylegan3 import Generator

    return {"G": Generator(**about["G"]), "D": Discriminator(**about["D"])}
