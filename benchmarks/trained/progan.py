"""ProGAN, by train.py of facebookresearch/pytorch_GAN_zoo."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from places import States
from polarprior.plugin import read_checkpoint
from polarprior.stock.importing import after_import
from polarprior_progan.repos import GAN_ZOO as REPO
from polarprior_progan.zoo import CONFIGURATION, accept_whole_betas
from sets import Pictures, write_h5
from torch import nn

__all__ = ["REPO"]
PLUGIN, SUFFIX = "progan", ""
PROGRESS = "loss G"
"""Lines of its log that are kept."""
PIECES = 1
NAME = "trained"
STEPS = (1000, 2000, 3000, 28000)
"""Steps at 4, 8, 16 and 32 pixels."""
CONFIG = {
    "dimLatentVector": 128,
    "depthScales": [64, 64, 32, 16],
    "maxIterAtScale": list(STEPS),
    "alphaNJumps": [0, 50, 50, 50],
    "alphaSizeJumps": [0, 20, 20, 20],
    "miniBatchSize": 16,
}
SAVED_EVERY = 1000


def change() -> None:
    """A seed, and the averaged network where no GPU has wrapped it; its width is in the file of settings."""
    torch.manual_seed(0)
    after_import("models.networks.progressive_conv_net", _unwrapped)


def _unwrapped(module: Any) -> None:
    module.GNet.module = property(lambda network: network)


def write_data(shown: Pictures, folder: Path) -> None:
    """What train.py reads."""
    write_h5(shown, folder / "shown.h5")
    (folder / "settings.json").write_text(json.dumps({"pathDB": str(folder / "shown.h5"), "config": CONFIG}))


def arguments(folder: Path, piece: int) -> list[str]:
    """Give the arguments of train.py, which goes on by itself where it was interrupted."""
    words = ["PGAN", "-c", str(folder / "settings.json"), "-n", NAME, "-d", str(folder), "--no_vis"]
    return [*words, "-s", str(SAVED_EVERY), "-e", "100"]


def trained(folder: Path) -> tuple[States, dict[str, Any]]:
    """The averaged generator and the discriminator that the run ended with."""
    content = read_checkpoint(opened(folder / NAME), [(SimpleNamespace, CONFIGURATION)])
    return {"G": content["avgG"], "D": content["netD"]}, CONFIG


def networks(about: dict[str, Any]) -> dict[str, nn.Module]:
    """Fresh networks of the stock classes, by the prefix of their tensors' names."""
    model = _model(about)
    return {"G": model.avgG, "D": model.netD}


def _model(about: dict[str, Any]) -> Any:
    from models.progressive_gan import ProgressiveGAN  # of the checkout

    accept_whole_betas(torch.optim)
    first, *others = about["depthScales"]
    options = {"dimLatentVector": about["dimLatentVector"], "depthScale0": first, "miniBatchStdDev": True}
    model = ProgressiveGAN(useGPU=False, **options, lossMode="WGANGP")
    for depth in others:
        model.addScale(depth)
    return model


def write_checkpoint(filled: dict[str, nn.Module], about: dict[str, Any], folder: Path) -> None:
    """Write the files of a run as train.py does, for eval.py -d and -n."""
    model = _model(about)
    for own, prefix in ((model.netG, "G"), (model.avgG, "G"), (model.netD, "D")):
        own.load_state_dict(filled[prefix].state_dict())
    folder.mkdir(parents=True, exist_ok=True)
    model.save(opened(folder))
    (folder / f"{opened(folder).stem}_tmp_config.json").write_text("{}")
    (folder / f"{folder.name}_train_config.json").write_text(json.dumps({**about, "attribKeysOrder": None}))


def opened(path: Path) -> Path:
    """The last checkpoint of a run's folder."""
    return path / f"{path.name}_s{len(STEPS) - 1}_i{STEPS[-1]}.pt"
