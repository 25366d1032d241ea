"""genforce/genforce: its checkpoints, and where latents pass in synthesize.py."""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from typing import Any

from polarprior.plugin import Settings, StockRun, StockSampler, UsageError, ending_the_script, filled_network
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
    from models import MODEL_ZOO, build_generator  # of the checkout

    state = content["generator_smooth" if "generator_smooth" in content else "generator"]
    config = {key: value for key, value in MODEL_ZOO.get(name, _sizes(state)).items() if key != "url"}
    if config["gan_type"] != KIND:
        raise ValueError(f"{name} is a {config['gan_type']} there, expected a {KIND}")
    return filled_network(lambda: build_generator(**config), state)


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
