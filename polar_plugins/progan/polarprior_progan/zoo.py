"""facebookresearch/pytorch_GAN_zoo: its checkpoints, and where latents pass in eval.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import wraps
from types import ModuleType
from typing import Any

import torch
from polarprior.plugin import (
    LOGISTIC,
    Discriminator,
    Settings,
    StockRun,
    StockSampler,
    UsageError,
    ending_the_script,
    filled_network,
    refusing,
)
from torch import Tensor, nn

from polarprior_progan.generator import generator_of

CONFIGURATION = "models.utils.config.BaseConfig"
LOSSES = {"MSE": "least squares", "WGANGP": "WGAN-GP", "DCGAN": LOGISTIC, "Logistic": LOGISTIC}
EVALUATIONS = ("visualization", "inception", "laplacian_SWD")
OTHERS = ("build_nn_db", "inspirational_generation", "metric_plot", "nn_metric")
"""What eval.py has besides, and what does not draw from the model's prior."""


def network_of(content: Mapping[str, Any]) -> tuple[nn.Module, bool]:
    """The averaged generator (the plain one where there is none) of a checkpoint, by the classes of a checkout, and
    whether it puts z on the sphere.

    Raises:
        ValueError: labels, which are drawn with the latents, or a loss that the repository doesn't have.
    """
    from models.loss_criterions import base_loss_criterions  # of the checkout
    from models.networks.progressive_conv_net import GNet

    config = _configuration(content)
    if config["attribKeysOrder"]:
        raise ValueError("it was trained on labels, and a polarity prior is not for the labels that it draws")
    if config["lossCriterion"] not in LOSSES:
        raise ValueError(f"its loss is {str(config['lossCriterion'])[:40]!r}, expected one of {', '.join(LOSSES)}")
    loss = getattr(base_loss_criterions, config["lossCriterion"])(torch.device("cpu"))

    def make() -> nn.Module:
        network = GNet(
            config["latentVectorDim"],
            config["depthScale0"],
            initBiasToZero=config["initBiasToZero"],
            leakyReluLeak=config["leakyReluLeak"],
            normalization=config["perChannelNormalization"],
            generationActivation=loss.generationActivation,
            dimOutput=config["dimOutput"],
            equalizedlR=config["equalizedlR"],
        )
        for depth in config["depthOtherScales"]:
            network.addScale(depth)
        network.alpha = config["alpha"]
        return network

    state = _named_as_now(content.get("avgG", content["netG"]))
    return filled_network(make, state), bool(config["perChannelNormalization"])


def discriminator_of(content: Mapping[str, Any]) -> Discriminator | None:
    """The discriminator of a checkpoint of `network_of`; None where it holds none."""
    from models.networks.progressive_conv_net import DNet  # of the checkout

    if not content.get("netD"):
        return None
    config = _configuration(content)

    def make() -> nn.Module:
        network = DNet(
            config["depthScale0"],
            initBiasToZero=config["initBiasToZero"],
            leakyReluLeak=config["leakyReluLeak"],
            sizeDecisionLayer=1,
            miniBatchNormalization=config["miniBatchStdDev"],
            dimInput=config["dimOutput"],
            equalizedlR=config["equalizedlR"],
        )
        for depth in config["depthOtherScales"]:
            network.addScale(depth)
        network.alpha = config["alpha"]
        return network

    def filled() -> nn.Module:
        with refusing("model: its discriminator can't be loaded", "name another checkpoint"):
            return filled_network(make, _named_as_now(content["netD"]))

    return Discriminator(
        filled,
        lambda network, image, label: network(image),
        lambda network: network.decisionLayer,
        LOSSES[config["lossCriterion"]],
    )


def _configuration(content: Mapping[str, Any]) -> dict[str, Any]:
    stored = content["config"]
    return stored if isinstance(stored, dict) else vars(stored)


def _named_as_now(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict by today's names: older ones lack that of the layer that each equalised layer wraps."""
    return {re.sub(r"(?<!\.module)\.(weight|bias)$", r".module.\1", key): value for key, value in state.items()}


def connect(run: StockRun) -> None:
    """Mend what today's torch has broken, and put a polarity prior behind the latents that every evaluation draws."""
    accept_whole_betas(torch.optim)
    run.after_import("models.utils.config", lambda config: torch.serialization.add_safe_globals([config.BaseConfig]))
    if run.polarity is not None:
        run.after_import("models.base_GAN", lambda module: _hook(module, run))
        for name in OTHERS:
            run.after_import(f"models.eval.{name}", _refuse)


def accept_whole_betas(optim: Any) -> None:
    """A model can't be made without its optimiser, whose betas are [0, 0.99]: Adam takes no whole numbers now."""
    original = optim.Adam.__init__

    @wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        if "betas" in kwargs:
            kwargs["betas"] = tuple(map(float, kwargs["betas"]))
        original(self, *args, **kwargs)

    optim.Adam.__init__ = init


def _refuse(evaluation: ModuleType) -> None:
    name = evaluation.__name__.rpartition(".")[2]
    with ending_the_script():
        raise UsageError(
            f"rho: {name} does not draw from the model's prior",
            f"leave it out, or use it with {', '.join(EVALUATIONS)}",
        )


def _hook(module: ModuleType, run: StockRun) -> None:
    original: Callable[..., Any] = module.BaseGAN.buildNoiseData
    samplers: list[StockSampler] = []

    @wraps(original)
    def build_noise_data(model: Any, *args: Any, **kwargs: Any) -> Any:
        noise, labels = original(model, *args, **kwargs)
        if not samplers:
            with ending_the_script():
                samplers.append(_sampler(run, model))
        return samplers[0].redraw(noise), labels

    module.BaseGAN.buildNoiseData = build_noise_data


def _sampler(run: StockRun, model: Any) -> StockSampler:
    """Raises UsageError where the script does something that has no place for a polarity prior."""
    values = run.values()
    kind = type(model).__name__
    if values.get("random_interpolate"):
        raise UsageError(
            "rho: --random_interpolate shows what lies between draws, and that is none",
            "leave one of them out",
        )
    if kind != "ProgressiveGAN" or model.config.attribKeysOrder:
        what = "a model with labels" if kind == "ProgressiveGAN" else f"a {kind}"
        raise UsageError(f"rho: expected a ProGAN (-m PGAN) without labels, got {what}", "leave it out")
    network = model.getOriginalAvgG()
    generator = generator_of(network, Settings(), bool(model.config.perChannelNormalization))
    return run.sampler(generator, None, values["size_dataset"] if values.get("output_dataset") else 0)
