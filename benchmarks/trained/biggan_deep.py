"""BigGAN-deep, by train.py of ajbrock/BigGAN-PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from convolutions import convolve_by_pixels
from places import States
from polarprior.plugin import read_checkpoint
from polarprior.stock.importing import after_import
from polarprior_biggan_deep.biggan_pytorch import CONFIGURATION
from polarprior_biggan_deep.repos import BIGGAN_PYTORCH as REPO
from sets import Pictures, write_cifar
from torch import nn

__all__ = ["REPO"]
PLUGIN, SUFFIX = "biggan-deep", ""
PROGRESS = "itr: .*loss"
"""Lines of its log that are kept."""
NAME = "trained"
PIECES = 9
"""Epochs of 50,000 pictures, each a run of train.py."""
BATCH = 32
FAST = (1, 1e-3, 5e-4)
"""Steps of the discriminator to one of the generator, rate of the generator, rate of the discriminator: in the first
run, at whose end each class has a picture of its own."""
SLOW = (2, 2e-4, 4e-4)
"""In all others, in which the pictures of a class part."""
MODEL = [
    "--model=BigGANdeep",
    "--dataset=C10",
    "--G_ch=16",
    "--D_ch=16",
    "--G_depth=2",
    "--D_depth=2",
    "--G_attn=16",
    "--D_attn=16",
    "--G_nl=relu",
    "--D_nl=relu",
    "--SN_eps=1e-6",
    "--BN_eps=1e-5",
    "--G_shared",
    "--hier",
    "--dim_z=32",
    "--shared_dim=32",
    "--ema",
    "--use_ema",
    "--G_eval_mode",
]
"""Arguments of the network, which sample.py takes as well."""


def change() -> None:
    """The pictures that are there in place of CIFAR-10; no Inception network, which can't be had; a run's own rates;
    faster convolutions."""
    convolve_by_pixels()
    _keep_the_rates()
    after_import("datasets", _as_they_are)
    after_import("inception_utils", _without_inception)


def _keep_the_rates() -> None:
    load = torch.optim.Optimizer.load_state_dict

    def load_all_but_rates(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
        rates = [group["lr"] for group in optimizer.param_groups]
        load(optimizer, state)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    torch.optim.Optimizer.load_state_dict = load_all_but_rates  # type: ignore[method-assign]


def _as_they_are(module: Any) -> None:
    module.CIFAR10._check_integrity = lambda self: True
    module.CIFAR10.download = lambda self: None


def _without_inception(module: Any) -> None:
    module.prepare_inception_metrics = lambda *args, **kwargs: None


def write_data(shown: Pictures, folder: Path) -> None:
    """What train.py reads."""
    write_cifar(shown, folder)


def arguments(folder: Path, piece: int) -> list[str]:
    """Give the arguments of a run of train.py, which begins with what the one before it left."""
    steps, rate, critic = SLOW if piece else FAST
    words = [*MODEL, f"--data_root={folder}", "--num_workers=0", "--shuffle"]
    words += [f"--batch_size={BATCH}", f"--num_D_steps={steps}", f"--G_lr={rate}", f"--D_lr={critic}"]
    words += ["--adam_eps=1e-6"]
    words += [
        "--ema_decay=0.999",
        "--ema_start=500",
        f"--save_every={50_000 // (BATCH * steps)}",
        "--num_save_copies=0",
        "--test_every=1000000000",
    ]
    words += ["--sv_log_interval=0", f"--seed={piece}", "--num_epochs=1", f"--experiment_name={NAME}"]
    words += [f"--{kind}_root={folder / kind}" for kind in ("weights", "logs", "samples")]
    return words + (["--resume"] if piece else [])


def trained(folder: Path) -> tuple[States, dict[str, Any]]:
    """The averaged generator and the discriminator of the last run, and the configuration that is no code."""
    weights = folder / "weights" / NAME
    states = {"G": read_checkpoint(weights / "G_ema.pth"), "D": read_checkpoint(weights / "D.pth")}
    config = read_checkpoint(weights / "state_dict.pth", CONFIGURATION)["config"]
    kinds = (str, int, float, bool)
    roots = ("data_root", "weights_root", "logs_root", "samples_root", "base_root")
    return states, {name: value for name, value in config.items() if isinstance(value, kinds) and name not in roots}


def networks(about: dict[str, Any]) -> dict[str, nn.Module]:
    """Fresh networks of the stock classes, by the prefix of their tensors' names."""
    import BigGANdeep  # of the checkout

    config = {**_whole(about), "no_optim": True}
    return {"G": BigGANdeep.Generator(**config), "D": BigGANdeep.Discriminator(**config)}


def _whole(about: dict[str, Any]) -> dict[str, Any]:
    activation = nn.ReLU(inplace=False)
    return {**about, "G_activation": activation, "D_activation": activation}


def write_checkpoint(filled: dict[str, nn.Module], about: dict[str, Any], folder: Path) -> None:
    """Write the files of an experiment as train.py does."""
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, file in (("G", "G_ema.pth"), ("G", "G.pth"), ("D", "D.pth")):
        torch.save(filled[prefix].state_dict(), folder / file)
    state = {"itr": 0, "epoch": 0, "save_num": 0, "save_best_num": 0, "best_IS": 0, "best_FID": 999999}
    torch.save({**state, "config": _whole(about)}, folder / "state_dict.pth")


def opened(path: Path) -> Path:
    """What a plugin opens of what `write_checkpoint` has written."""
    return path
