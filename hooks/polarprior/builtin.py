"""The host's own answers to its hooks. Its name as a model plugin is `torch`: any generator of the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.errors import PolarPriorError, UsageError
from polarprior.hookspecs import AskingHost, hookimpl
from polarprior.user_functions import NAME, made_by_the_user, parameters_of

if TYPE_CHECKING:
    import torch

    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator
    from polarprior.jacobian.feature_map import FeatureMap
    from polarprior.jacobian.of_generator import JacobianFn
    from polarprior.samplers.contract import LatentSampler, SamplerOptions
    from polarprior.settings import OwnSetting, Settings

_EXAMPLE = "torch:my_module:make_generator, a function in my_module.py that returns pp.wrap(...)"
_SPACE_EXAMPLE = "torch:my_module:make_features, a function in my_module.py that returns a torch module"


@hookimpl
def load_generator(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """``torch:MODULE:FUNCTION``: call a function of the user's that returns a Generator.

    It is given those settings that it has parameters for, such as ``make(trunc=1.0)``.
    """
    from polarprior.generator import Generator

    generator, function_name = made_by_the_user("model", source or "", _EXAMPLE, settings.given())
    if not isinstance(generator, Generator):
        raise PolarPriorError(
            f"model: torch:{source} returned {type(generator).__name__}, expected a Generator",
            "return pp.wrap(module, latent_dim=..., prior='normal')",
        )
    for name, value in settings.given().items():
        own = generator.settings.get(name)
        if own != value:
            raise UsageError(
                f"settings: got {name} {value}, torch:{source} gave a generator with {own}",
                f"let {function_name} take it, {function_name}({name}=...), and say so: {_said(name)}",
            )
    return generator.on(device)


def _said(name: str) -> str:
    """How a user's function says that it has a setting."""
    from polarprior.settings import NAMES

    given = f"{name}={name}" if name in NAMES else f"own={{'{name}': {name}}}"
    return f"pp.wrap(..., settings=pp.Settings({given}))"


@hookimpl
def own_settings(source: str | None) -> dict[str, OwnSetting]:
    """The parameters of a user's function that have a default: numbers, texts, and what is True or False."""
    return parameters_of("model", source or "", _EXAMPLE)


@hookimpl
def get_feature_map(generator: Generator, space: str) -> FeatureMap | None:
    """`pixel`: the images themselves; ``torch:MODULE:FUNCTION``: what a function of the user's returns, a module or
    another function of images."""
    from torch import nn

    from polarprior.jacobian.feature_map import PIXEL, FeatureMap

    if ":" not in space:
        return PIXEL if space == PIXEL.space else None
    function, name = made_by_the_user("space", space, _SPACE_EXAMPLE, {})
    if isinstance(function, FeatureMap):
        return function
    if not callable(function):
        raise PolarPriorError(
            f"space: torch:{space} returned {type(function).__name__}, expected a module or function",
            f"let {name} return what takes images [n, C, H, W] in [-1, 1] to features [n, D]",
        )
    if isinstance(function, nn.Module):
        function = function.eval().requires_grad_(False).to(generator.device)
    return FeatureMap(f"{NAME}:{space}", function)


@hookimpl
def jacobian_fn(generator: Generator, space: str, domain: str) -> JacobianFn | None:
    """Automatic differentiation of the images in z."""
    from polarprior.jacobian.feature_map import PIXEL
    from polarprior.jacobian.of_generator import pixel_jacobian_fn

    return pixel_jacobian_fn(generator) if (space, domain) == (PIXEL.space, "z") else None


@hookimpl
def get_latent_sampler(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
) -> LatentSampler | None:
    """The samplers `bank`, `online` and `paper-online`, on a sphere where the generator says that it normalises."""
    from polarprior.samplers.reweighting import reweighting_sampler

    return reweighting_sampler(generator, bank, rho, options, host.jacobian_fn)
