"""StyleGAN2, by train.py of NVlabs/stylegan2-ada-pytorch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from polarprior.stock.importing import after_import
from polarprior_stylegan2.pickles import load_networks
from polarprior_stylegan2.repos import STYLEGAN2_ADA as REPO
from polarprior_stylegan2.small import frozen, write_pickle
from sets import Pictures, write_zip
from torch import Tensor, nn

__all__ = ["REPO"]
Trained = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors by name, and what the stock classes are made with."""
PLUGIN, SUFFIX = "stylegan2", ".pkl"

WIDTH = {"channel_base": 512, "channel_max": 64}
LATENT = 64
PIECES, KIMG, AVERAGED = 16, 25, 5
"""Runs of train.py, one after another, thousands of pictures that a run shows, and those in which half of an average
is forgotten: the stock 500 is for runs of a hundred thousand."""


def change() -> None:
    """A narrow network, and pictures read in this process."""
    after_import("training.training_loop", _narrow)


def _narrow(module: Any) -> None:
    loop = module.training_loop

    def narrow(**options: Any) -> None:
        options["G_kwargs"].update(z_dim=LATENT, w_dim=LATENT)
        options["G_kwargs"]["synthesis_kwargs"].update(WIDTH)
        options["D_kwargs"].update(WIDTH)
        options["data_loader_kwargs"] = {"num_workers": 0}
        options["ema_kimg"] = AVERAGED
        start_from_numbers(module)
        loop(**options)

    module.training_loop = narrow


def start_from_numbers(module: Any) -> None:
    """Keep what memory happens to hold out of the average style: the summary that the training begins with shows the
    network an empty tensor, and where that has NaN the average never loses it."""
    summary, load = module.misc.print_module_summary, module.legacy.load_network_pkl

    def summary_of_zeros(network: Any, inputs: Any, **options: Any) -> Any:
        return summary(network, [torch.zeros_like(each) for each in inputs], **options)

    def loaded(file: Any) -> Any:
        found = load(file)
        for name in ("G", "G_ema"):
            found[name].mapping.w_avg.nan_to_num_()
        return found

    module.misc.print_module_summary, module.legacy.load_network_pkl = summary_of_zeros, loaded


def write_data(shown: Pictures, folder: Path) -> None:
    """What train.py reads."""
    write_zip(shown, folder / "shown.zip")


def arguments(folder: Path, piece: int) -> list[str]:
    """Returns those of a run of train.py, which begins with what the one before it left."""
    words = [f"--outdir={folder / f'piece-{piece}'}", f"--data={folder / 'shown.zip'}", f"--seed={piece}"]
    words += ["--cfg=cifar", "--gpus=1", "--gamma=1", "--batch=32", "--aug=noaug", f"--kimg={KIMG}", "--fp32=1"]
    words += ["--metrics=none", "--snap=1000"]
    return words + ([f"--resume={left(folder, piece - 1)}"] if piece else [])


def left(folder: Path, piece: int) -> Path:
    """The network pickle that a run left."""
    return max((folder / f"piece-{piece}").glob("*/network-snapshot-*.pkl"))


def trained(folder: Path) -> Trained:
    """The networks of the last run, by the classes of the checkout."""
    return read_networks(PLUGIN, left(folder, PIECES - 1))


def read_networks(plugin: str, path: Path) -> Trained:
    """Both networks of a network pickle."""
    found = load_networks(plugin, str(path))
    tensors = {f"G.{name}": value for name, value in found.generator.state_dict().items()}
    tensors |= {f"D.{name}": value for name, value in found.discriminator.state_dict().items()}
    made_with = {"G": found.generator.init_kwargs, "D": found.discriminator.init_kwargs}
    return tensors, json.loads(json.dumps(made_with))


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
