"""StyleGAN2, by train.py of NVlabs/stylegan2-ada-pytorch."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from places import States
from polarprior.stock.importing import after_import
from polarprior_stylegan2.pickles import load_networks
from polarprior_stylegan2.repos import STYLEGAN2_ADA as REPO
from polarprior_stylegan2.small import frozen, write_pickle
from sets import Pictures, write_zip
from torch import nn

__all__ = ["REPO"]
PLUGIN, SUFFIX = "stylegan2", ".pkl"
PROGRESS = "^tick"
"""Lines of its log that are kept."""

WIDTH = {"channel_base": 512, "channel_max": 64}
LATENT = 128
PIECES, KIMG, AVERAGED = 16, 25, 5
"""Runs of train.py, one after another, thousands of pictures that a run shows, and those in which half of an average
is forgotten: the stock 500 is for runs of a hundred thousand."""


def change() -> None:
    """A narrow network, and pictures read in this process."""
    after_import("training.training_loop", partial(narrow, widths=_widths, latent=LATENT, averaged=AVERAGED))


def _widths(options: dict[str, Any]) -> None:
    options["G_kwargs"]["synthesis_kwargs"].update(WIDTH)
    options["D_kwargs"].update(WIDTH)


def narrow(module: Any, widths: Callable[[dict[str, Any]], None], latent: int, averaged: int) -> None:
    """Change what a training loop is called with.

    Args:
        module: with the loop.
        widths: changes its networks.
        latent: numbers of a latent, and of its style.
        averaged: see `AVERAGED`.
    """
    loop, summary = module.training_loop, module.misc.print_module_summary

    def narrowed(**options: Any) -> None:
        options["G_kwargs"].update(z_dim=latent, w_dim=latent)
        widths(options)
        options |= {"data_loader_kwargs": {"num_workers": 0}, "ema_kimg": averaged}
        loop(**options)

    def summary_of_zeros(network: Any, inputs: Any, **options: Any) -> Any:
        # It is given empty tensors: NaN that memory happens to hold would stay in the average style for good.
        return summary(network, [torch.zeros_like(each) for each in inputs], **options)

    module.training_loop, module.misc.print_module_summary = narrowed, summary_of_zeros


def write_data(shown: Pictures, folder: Path) -> None:
    """What train.py reads."""
    write_zip(shown, folder / "shown.zip")


def arguments(folder: Path, piece: int) -> list[str]:
    """Give the arguments of a run of train.py, which begins with what the one before it left."""
    return [*arguments_of_both(folder, piece, KIMG), "--cfg=cifar", "--gamma=1", "--batch=32"]


def arguments_of_both(folder: Path, piece: int, kimg: int) -> list[str]:
    """Give those that the trainers of StyleGAN2 and 3 share."""
    words = [f"--outdir={folder / f'piece-{piece}'}", f"--data={folder / 'shown.zip'}", f"--seed={piece}"]
    words += ["--gpus=1", "--aug=noaug", f"--kimg={kimg}", "--fp32=1"]
    words += ["--metrics=none", "--snap=1000"]
    return words + ([f"--resume={left(folder, piece - 1)}"] if piece else [])


def left(folder: Path, piece: int) -> Path:
    """The network pickle that a run left."""
    return max((folder / f"piece-{piece}").glob("*/network-snapshot-*.pkl"))


def trained(folder: Path) -> tuple[States, dict[str, Any]]:
    """The networks of the last run, by the classes of the checkout."""
    return read_networks(PLUGIN, left(folder, PIECES - 1))


def read_networks(plugin: str, path: Path) -> tuple[States, dict[str, Any]]:
    """Both networks of a network pickle, and what they are made with."""
    found = load_networks(plugin, str(path))
    both = {"G": found.generator, "D": found.discriminator}
    made_with = {name: each.init_kwargs for name, each in both.items()}
    return {name: each.state_dict() for name, each in both.items()}, json.loads(json.dumps(made_with))


def networks(about: dict[str, Any]) -> dict[str, nn.Module]:
    """Fresh networks of the stock classes, by the prefix of their tensors' names."""
    from training.networks import Discriminator, Generator  # of the checkout

    return {"G": Generator(**about["G"]), "D": Discriminator(**about["D"])}


def write_checkpoint(filled: dict[str, nn.Module], about: dict[str, Any], path: Path) -> None:
    """Write a network pickle as train.py does."""
    write_pickle(path, frozen(filled["G"]), frozen(filled["D"]))


def opened(path: Path) -> Path:
    """What a plugin opens of what `write_checkpoint` has written."""
    return path
