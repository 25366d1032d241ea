"""A Generator from the model of ``pytorch-pretrained-biggan``, which carries DeepMind's weights."""

from __future__ import annotations

import json
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from polarprior.plugin import (
    Generator,
    LatentPrior,
    PolarPriorError,
    Settings,
    UsageError,
    filled_network,
    read_checkpoint,
    refusing,
    weights_fingerprint,
)
from pytorch_pretrained_biggan import BigGAN, BigGANConfig, truncated_noise_sample
from pytorch_pretrained_biggan import model as package
from pytorch_pretrained_biggan.file_utils import cached_path
from torch import Tensor, nn

from polarprior_biggan_deep import NAME
from polarprior_biggan_deep.folding import Pass
from polarprior_biggan_deep.imagenet import class_names
from polarprior_biggan_deep.settings import truncation_alone

CONFIG, WEIGHTS = "config.json", "pytorch_model.bin"
_EXAMPLE = f"name a folder that holds {CONFIG} and {WEIGHTS}, or biggan-deep-128, biggan-deep-256, biggan-deep-512"


def load(source: str | None, settings: Settings) -> Generator:
    """The generator of a folder in the package's own format, or of one of the names that the package can fetch.

    Raises:
        UsageError: no source, or a setting that the model doesn't have.
        PolarPriorError: no such files, or not the package's.
    """
    if source is None:
        raise UsageError(f"model: got {NAME}, expected {NAME}:FOLDER", _EXAMPLE)
    config, weights = _files(source)
    with refusing(f"model: {source} holds no generator", _EXAMPLE):
        values = json.loads(config.read_text(encoding="utf-8"))
        model = filled_network(lambda: BigGAN(BigGANConfig.from_dict(values)), read_checkpoint(weights))
    return generator_of(model, settings)


def generator_of(model: Any, asked: Settings) -> Generator:
    """A Generator from a loaded ``pytorch_pretrained_biggan.BigGAN``, on the CPU.

    Its prior is the package's: truncation times a normal within [-2, 2], by ``truncated_noise_sample`` with the seed.
    Truncation also picks the batch norm's statistics, and is 1 where none is asked for.

    Raises:
        UsageError: a truncation out of range, or another setting.
    """
    settings = truncation_alone(asked, 1.0)
    truncation, config = float(settings.trunc or 0), model.config
    if not 0 < truncation <= 1:
        raise UsageError(f"trunc: got {truncation:g}, expected more than 0, at most 1", "use such as trunc=0.4")
    fingerprint = weights_fingerprint(model)
    _fix_spectral_norms(model)

    def synthesize(z: Tensor, label: Tensor | None) -> Tensor:
        assert label is not None
        return _drawn(model, truncation, z, _embedded(model, label))

    return Generator(
        plugin=NAME,
        version=version("polarprior-biggan-deep"),
        prior=LatentPrior(
            f"truncated-normal:2, times {truncation:g}", (config.z_dim,), partial(_rows, config.z_dim, truncation)
        ),
        synthesize=synthesize,
        fingerprint=fingerprint,
        settings=settings,
        num_classes=config.num_classes,
        class_names=class_names(config.num_classes),
        network=model,
    )


def stock_pass(generator: Generator) -> Pass:
    """The pass of a generator's model at its truncation, with its conditional norms."""
    model: Any = generator.network
    norms = [norm for norm in model.modules() if getattr(norm, "conditional", False)]
    return Pass(partial(_embedded, model), partial(_drawn, model, float(generator.settings.trunc or 1)), norms)


def _embedded(model: Any, label: Tensor) -> Tensor:
    """What the model makes of classes, [n, K]: of one-hot rows, by comparison, which a tracer can follow."""
    weight = model.embeddings.weight
    classes = torch.arange(model.config.num_classes, device=weight.device)
    return model.embeddings((label[:, None] == classes).to(weight.dtype))


def _drawn(model: Any, truncation: float, z: Tensor, embedding: Tensor) -> Tensor:
    return model.generator(torch.cat([z, embedding], 1), truncation)


def _rows(dim: int, truncation: float, seeds: np.ndarray) -> np.ndarray:
    return np.concatenate([truncated_noise_sample(1, dim, truncation, int(seed)) for seed in seeds])


def _files(source: str) -> tuple[Path, Path]:
    """Configuration and weights."""
    folder = Path(source)
    if not folder.is_dir() and source in package.PRETRAINED_MODEL_ARCHIVE_MAP:
        urls = package.PRETRAINED_CONFIG_ARCHIVE_MAP[source], package.PRETRAINED_MODEL_ARCHIVE_MAP[source]
        try:
            config, weights = map(cached_path, urls)
        except Exception as error:  # boto's, requests', the file system's
            reason = " ".join(str(error).split())[:120]
            raise PolarPriorError(f"model: {source} could not be fetched: {reason}", "download it by hand") from error
        return Path(config), Path(weights)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise PolarPriorError(f"model: no file {folder / name}", _EXAMPLE)
    return folder / CONFIG, folder / WEIGHTS


def _fix_spectral_norms(model: nn.Module) -> None:
    """Divide each weight by its spectral norm once, as eval mode would each time: the same images, bit for bit."""
    for layer in model.modules():
        if hasattr(layer, "weight_orig"):
            nn.utils.remove_spectral_norm(layer)
