"""NVAE, by train.py of NVlabs/NVAE, on digits."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from convolutions import convolve_by_pixels
from places import States
from polarprior.plugin import read_checkpoint
from polarprior.stock.importing import after_import
from polarprior_nvae.generator import TEMPERATURE, fixed
from polarprior_nvae.readjust import readjust
from polarprior_nvae.repos import NVAE as REPO
from sets import Pictures, write_idx
from torch import nn

__all__ = ["REPO"]
PLUGIN, SUFFIX = "nvae", ".pt"
PROGRESS = r" (train \d|val, step)"
"""Lines of its log that are kept."""
PIECES = 1
EPOCHS = 50
PARTS = 5
"""An epoch is a fifth of the digits, drawn anew: the trainer keeps what it has at the end of an epoch."""
VALIDATED = 20
"""Held-out digits on which the trainer looks at each epoch, and 1,000 times at the end."""


def change() -> None:
    """Batch norm followed by swish with little memory; few pictures to validate on; faster convolutions."""
    convolve_by_pixels()
    after_import("thirdparty.inplaced_sync_batchnorm", _normalise_lightly)
    after_import("datasets", _validate_on_few)


def _normalise_lightly(module: Any) -> None:
    def forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
        normal = torch.nn.functional.batch_norm(
            x,
            layer.running_mean,
            layer.running_var,
            layer.weight,
            layer.bias,
            layer.training,
            layer.momentum,
            layer.eps,
        )
        return torch.nn.functional.silu(normal)

    module.SyncBatchNormSwish.forward = forward


def _validate_on_few(module: Any) -> None:
    loaders = module.get_loaders

    def few(arguments: Any) -> Any:
        shown, validated, classes = loaders(arguments)
        few = torch.utils.data.Subset(validated.dataset, range(VALIDATED))
        sampler = torch.utils.data.distributed.DistributedSampler(few, shuffle=False)
        part = torch.utils.data.distributed.DistributedSampler(shown.dataset, num_replicas=PARTS, rank=0)
        here = torch.utils.data.DataLoader(
            shown.dataset, arguments.batch_size, sampler=part, drop_last=True
        )  # its eight processes would stand in each other's way
        return here, torch.utils.data.DataLoader(few, batch_size=VALIDATED, sampler=sampler), classes

    module.get_loaders = few


def write_data(shown: Pictures, folder: Path) -> None:
    """What train.py reads."""
    write_idx(folder)


def arguments(folder: Path, piece: int) -> list[str]:
    """Give the arguments of train.py, which goes on by itself after its last whole epoch."""
    words = ["--dataset=mnist", f"--data={folder}", f"--root={folder}", "--save=trained", "--seed=1"]
    words += ["--batch_size=50", f"--epochs={EPOCHS}", f"--warmup_epochs={PARTS}", "--fast_adamax"]
    words += ["--num_latent_scales=2", "--num_groups_per_scale=2", "--num_latent_per_group=8"]
    words += ["--num_preprocess_blocks=3", "--num_preprocess_cells=1", "--num_cell_per_cond_enc=1"]
    words += ["--num_postprocess_blocks=3", "--num_postprocess_cells=1", "--num_cell_per_cond_dec=1"]
    words += ["--num_channels_enc=4", "--num_channels_dec=4", "--use_se", "--res_dist", "--num_nf=0"]
    words += ["--weight_decay_norm=1e-2"]
    return words + (["--cont_training"] if (folder / "eval-trained" / "checkpoint.pt").exists() else [])


def trained(folder: Path) -> tuple[States, dict[str, Any]]:
    """The tensors of the checkpoint with statistics of batch norm at the temperature of evaluate.py, as its
    --readjust_bn finds them; and the arguments that the network is made with."""
    content = read_checkpoint(folder / "eval-trained" / "checkpoint.pt", [argparse.Namespace])
    places = ("data", "root", "save", "master_address")
    about = {name: value for name, value in vars(content["args"]).items() if name not in places}
    network = networks(about)["G"]
    network.load_state_dict(content["state_dict"])
    fixed(network)
    readjust(network, TEMPERATURE)
    return {"G": network.state_dict()}, about


def networks(about: dict[str, Any]) -> dict[str, nn.Module]:
    """A fresh network of the stock class, by the prefix of its tensors' names."""
    from model import AutoEncoder  # of the checkout
    from utils import get_arch_cells

    arguments = argparse.Namespace(**about)
    return {"G": AutoEncoder(arguments, None, get_arch_cells(arguments.arch_instance))}


def write_checkpoint(filled: dict[str, nn.Module], about: dict[str, Any], path: Path) -> None:
    """Write a checkpoint as train.py does."""
    content = {"epoch": about["epochs"], "state_dict": filled["G"].state_dict(), "args": argparse.Namespace(**about)}
    torch.save(content, path)


def opened(path: Path) -> Path:
    """What a plugin opens of what `write_checkpoint` has written."""
    return path
