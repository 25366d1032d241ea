"""A Generator from an NVAE: noise of all its groups to the mean of what its decoder says."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import partial
from importlib.metadata import version
from typing import Any

import torch
from polarprior.plugin import (
    Generator,
    Settings,
    UsageError,
    checkpoint_file,
    filled_network,
    read_checkpoint,
    refusing,
    use_checkout,
    weights_fingerprint,
)
from torch import Tensor, nn
from torch.nn import functional

from polarprior_nvae import NAME
from polarprior_nvae.encoder import ENCODER
from polarprior_nvae.jacobian import DOMAINS
from polarprior_nvae.noise import NoisePrior, Shapes, group_shapes, groups_of, logits_of
from polarprior_nvae.repos import NVAE

TEMPERATURE = 0.7
"""The temperature of evaluate.py, where none is asked for."""
ADDED_LATER = {"ada_groups": False, "min_groups_per_scale": 1, "num_mixture_dec": 10}
"""Arguments that older checkpoints lack, as evaluate.py fills them in."""
BINARY = ("mnist", "omniglot")
"""Data whose decoder says the probability of each pixel."""
_HINT = f"name a checkpoint.pt that train.py of {NVAE.name} wrote"


def load(source: str | None, settings: Settings) -> Generator:
    """The generator of a checkpoint, by the classes of a checkout.

    Raises:
        UsageError: no source, or a setting that NVAE doesn't have.
        PolarPriorError: no checkout, no file, or no checkpoint of an NVAE.
    """
    path = checkpoint_file(NAME, source, _HINT)
    use_checkout([NVAE])
    from model import AutoEncoder  # of the checkout
    from utils import get_arch_cells

    complaint = f"model: {path} holds no generator"
    with refusing(complaint, _HINT), redirect_stdout(sys.stderr):  # the stock class prints
        content = read_checkpoint(path, [argparse.Namespace])
        # Normalising flows are the encoder's, and the stock class makes them on a GPU: they are added below.
        arguments = argparse.Namespace(**{**ADDED_LATER, **vars(content["args"]), "num_nf": 0})
        state = content["state_dict"]
        # A convolution without weight norm keeps its weight under a second name as well, since some time.
        state |= {f"{key}_normalized": value for key, value in state.items() if key.endswith(".weight")}
        network = filled_network(lambda: AutoEncoder(arguments, None, get_arch_cells(arguments.arch_instance)), state)
        add_flows(network, content["args"].num_nf, state)
    fixed(network)
    return generator_of(network, settings)


def add_flows(network: Any, count: int, state: Mapping[str, Tensor]) -> None:
    """Give a network of the stock class, made without them, the normalising flows of its encoder.

    Args:
        network: the AutoEncoder, with its other weights: its groups are those that these have.
        count: flows a group.
        state: the checkpoint's tensors.

    Raises:
        ValueError: it holds another number of flows, or lacks some of their tensors.
    """
    prefix = "nf_cells."
    own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    total, held = count * len(network.enc_sampler), len({key.split(".")[0] for key in own})
    if held != total:
        raise ValueError(f"it holds {held} normalising flows, expected {total}")
    make = sys.modules[type(network).__module__].PairedCellAR
    width = network.num_latent_per_group
    with _made_on_the_cpu(), torch.random.fork_rng(devices=[]):
        flows = nn.ModuleList(make(width, 1, width) for _ in range(total))
    missing = flows.load_state_dict({key: value.float() for key, value in own.items()}, strict=False).missing_keys
    if missing:
        raise ValueError(f"it lacks {len(missing)} tensors of its normalising flows, such as {missing[0]}")
    network.nf_cells, network.num_flows = flows.eval().requires_grad_(False), count


@contextmanager
def _made_on_the_cpu() -> Iterator[None]:
    """Inside, tensors that are asked to go to the GPU stay: a network is moved as a whole, once it is made."""
    original = torch.Tensor.cuda
    torch.Tensor.cuda = lambda self, *args, **kwargs: self  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.Tensor.cuda = original  # type: ignore[method-assign]


def fixed(network: Any) -> None:
    """Make a network differentiable on any device, and faster, with the same images bit for bit.

    Weights are normalised once, where each pass would do so; batch norm followed by swish, which stock code has as a
    function of its own with a backward pass for GPUs alone, becomes operators of torch.
    """
    for layer in network.modules():
        if hasattr(layer, "log_weight_norm") and layer.log_weight_norm is not None:
            layer.register_buffer("fixed_weight", layer.normalize_weight().detach(), persistent=False)
            layer.normalize_weight = partial(getattr, layer, "fixed_weight")
        elif type(layer).__name__ == "SyncBatchNormSwish":
            layer.forward = partial(norm_and_swish, layer)


def norm_and_swish(layer: Any, x: Tensor) -> Tensor:
    """What the stock SyncBatchNormSwish computes in one process."""
    own = (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    x = functional.batch_norm(x, *own, layer.training, layer.momentum, layer.eps)
    return x * torch.sigmoid(x)


def generator_of(network: Any, asked: Settings) -> Generator:
    """A Generator from a stock AutoEncoder in eval mode.

    Its prior is standard normal noise, a number for each number of the latents of all groups; the temperature
    multiplies each group's standard deviation, as ``AutoEncoder.sample`` has it. Images are the mean of what the
    decoder says: of a Bernoulli, or of a mixture of logistics in RGB, from which evaluate.py draws.

    Raises:
        UsageError: a temperature that isn't positive, or another setting.
    """
    asked.check_only(("temperature",), "NVAE", "leave it out, or use temperature=0.7")
    temperature = TEMPERATURE if asked.temperature is None else float(asked.temperature)
    if not temperature > 0:
        raise UsageError(
            f"temperature: got {temperature:g}, expected a positive temperature", "use such as temperature=0.7"
        )
    prior = NoisePrior.of(group_shapes(network))
    decode: Callable[[Tensor], Tensor] = partial(images_of, network, prior.groups, temperature)
    return Generator(
        plugin=NAME,
        version=version("polarprior-nvae"),
        prior=prior,
        synthesize=lambda noise, label: decode(noise),
        fingerprint=weights_fingerprint(_decoder(network)),
        settings=Settings(temperature=temperature),
        domains=DOMAINS,
        spaces=(ENCODER,),
        network=network,
    )


def _decoder(network: Any) -> nn.Module:
    """What sampling uses of a network: its weights are those that count for a bank."""
    decoder = nn.Module()
    for name in ("prior_ftr0", "dec_tower", "dec_sampler", "stem_decoder", "post_process", "image_conditional"):
        if hasattr(network, name):
            setattr(decoder, name, getattr(network, name))
    return decoder


def images_of(network: Any, shapes: Shapes, temperature: float, noise: Tensor) -> Tensor:
    """Images [n, C, H, W] in [-1, 1] of noise [n, K]: the mean of what the decoder says."""
    normal = sys.modules[type(network).__module__].Normal
    logits = logits_of(network, groups_of(noise, shapes), normal, temperature)
    if network.dataset in BINARY:
        return 2 * torch.sigmoid(logits) - 1
    decoded = network.decoder_output(logits)
    if hasattr(decoded, "dist"):  # a single normal, which the stock code clips
        return decoded.dist.mu.clamp(-1, 1)
    return 2 * decoded.mean() - 1
