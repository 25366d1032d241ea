"""genforce/genforce: its checkpoints, and where latents pass in synthesize.py."""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from typing import Any

from polarprior.plugin import (
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

WEIGHTS = {"generator_smooth", "generator"}
KIND = "pggan"


def network_of(content: Mapping[str, Any], name: str) -> nn.Module:
    """The averaged generator (the plain one where there is none) of a checkpoint, by the classes of a checkout.

    Args:
        content: what the file holds.
        name: of the model, as the checkout's ``models/model_zoo.py`` may know it; where it does not, sizes are those
            of the weights, and the rest is as the class has it.

    Raises:
        ValueError: that name is one of another kind of model.
    """
    from models import build_generator  # of the checkout

    config = _configuration(content, name)
    if config["gan_type"] != KIND:
        raise ValueError(f"{name} is a {config['gan_type']} there, expected a {KIND}")
    return filled_network(lambda: build_generator(**config), _generator_state(content))


def discriminator_of(content: Mapping[str, Any], name: str) -> Discriminator | None:
    """The discriminator of a checkpoint of `network_of`; None where it holds none. The file doesn't say what it was
    trained by: the official ones by WGAN-GP, the repository's own training by a logistic loss."""
    from models import build_discriminator  # of the checkout

    state = content.get("discriminator")
    if not state:
        return None
    options = {key: value for key, value in _configuration(content, name).items() if key != "z_space_dim"}
    options["minibatch_std_group_size"] = 16 if _sees_minibatch(state) else 0

    def filled() -> nn.Module:
        with refusing("model: its discriminator can't be loaded", "name another checkpoint"):
            return filled_network(lambda: build_discriminator(**options), state)

    return Discriminator(filled, lambda network, image, label: network(image), _logit_layer)


def _configuration(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the checkout's model zoo, or where it doesn't know the name the weights, say of a model."""
    from models import MODEL_ZOO  # of the checkout

    config = MODEL_ZOO.get(name) or _sizes(_generator_state(content))
    return {key: value for key, value in config.items() if key != "url"}


def _generator_state(content: Mapping[str, Any]) -> Mapping[str, Tensor]:
    return content["generator_smooth" if "generator_smooth" in content else "generator"]


def _logit_layer(network: nn.Module) -> nn.Module:
    layers = dict(network.named_children())
    return layers[max((name for name in layers if name.startswith("layer")), key=lambda name: int(name[5:]))]


def _sees_minibatch(state: Mapping[str, Tensor]) -> bool:
    """Whether the last convolution takes a channel more than it gives: the minibatch's standard deviation."""
    convolutions = [key for key in state if key.startswith("layer") and state[key].dim() == 4]
    out, taken = state[max(convolutions, key=lambda key: int(key[5:].split(".")[0]))].shape[:2]
    return taken == out + 1


def _sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """What the shapes of the weights say of a model."""
    blocks = sum(key.startswith("output") and key.endswith(".weight") for key in state)
    resolution, first, last = 4 * 2 ** (blocks - 1), state["layer0.weight"], state[f"layer{2 * blocks - 1}.weight"]
    return {
        "gan_type": KIND,
        "resolution": resolution,
        "z_space_dim": first.shape[1],
        "image_channels": len(state["output0.weight"]),
        "fmaps_max": len(first),
        "fmaps_base": len(last) * resolution,
    }


def connect(run: StockRun) -> None:
    """Hook every generator that synthesize.py builds."""
    if run.polarity is not None:
        run.after_import("models", lambda models: _hook(models, run))


def _hook(models: Any, run: StockRun) -> None:
    original = models.build_generator

    @wraps(original)
    def build_generator(gan_type: str, *args: Any, **kwargs: Any) -> Any:
        network = original(gan_type, *args, **kwargs)
        if gan_type != KIND:
            with ending_the_script():
                raise UsageError(f"rho: expected a {KIND}, got a {gan_type}", "leave it out")
        network.register_forward_pre_hook(_Redraw(run))
        return network

    models.build_generator = build_generator


class _Redraw:
    """A forward pre-hook: z [n, K] becomes latents of the polarity prior, once the network has its weights."""

    def __init__(self, run: StockRun):
        self._run = run
        self._sampler: StockSampler | None = None

    def __call__(self, network: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        if self._sampler is None:
            generator = generator_of(network, Settings(), normalises=True)
            self._sampler = self._run.sampler(generator, None, self._run.values()["num"])
        return (self._sampler.redraw(args[0]), *args[1:])
