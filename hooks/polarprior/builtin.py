"""The host's own answers to its hooks. Its name as a model plugin is `torch`: any generator of the user's."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from polarprior.errors import BankError, PolarPriorError, UsageError
from polarprior.hookspecs import hookimpl

if TYPE_CHECKING:
    import torch

    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator
    from polarprior.jacobian.feature_map import FeatureMap
    from polarprior.jacobian.of_generator import JacobianFn
    from polarprior.prior.sampler import LatentSampler, SamplerOptions
    from polarprior.settings import Settings

NAME = "torch"
_EXAMPLE = "torch:my_module:make_generator, a function in my_module.py that returns pp.wrap(...)"


@hookimpl
def load_generator(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """``torch:MODULE:FUNCTION``: call a function of the user's that returns a Generator.

    It is given those settings that it has parameters for, such as ``make(trunc=1.0)``.
    """
    from polarprior.generator import Generator

    module_name, _, function_name = (source or "").partition(":")
    if not module_name or not function_name:
        raise UsageError(f"model: got torch:{source or ''}, expected torch:MODULE:FUNCTION", f"use {_EXAMPLE}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
        if not hasattr(module, function_name):
            raise PolarPriorError(f"model: {module_name} has no {function_name}", f"use {_EXAMPLE}")
        function = getattr(module, function_name)
        taken = inspect.signature(function).parameters
        generator = function(**{name: value for name, value in settings.given().items() if name in taken})
    except PolarPriorError:
        raise
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise PolarPriorError(
            f"model: torch:{source} raised {reason}", "polarprior --debug shows where; use " + _EXAMPLE
        ) from error
    if not isinstance(generator, Generator):
        raise PolarPriorError(
            f"model: torch:{source} returned {type(generator).__name__}, expected a Generator",
            "return pp.wrap(module, latent_dim=..., prior='normal')",
        )
    for name, value in settings.given().items():
        own = getattr(generator.settings, name)
        if own != value:
            raise UsageError(
                f"settings: got {name} {value}, torch:{source} gave a generator with {own}",
                f"let {function_name} take it, {function_name}({name}=...), and say so: pp.wrap(..., settings=...)",
            )
    return generator.on(device)


@hookimpl
def get_feature_map(space: str) -> FeatureMap | None:
    """`pixel`: the images themselves."""
    from polarprior.jacobian.feature_map import PIXEL

    return PIXEL if space == PIXEL.space else None


@hookimpl
def jacobian_fn(generator: Generator, space: str, domain: str) -> JacobianFn | None:
    """Automatic differentiation of the images in z."""
    from polarprior.jacobian.feature_map import PIXEL
    from polarprior.jacobian.of_generator import pixel_jacobian_fn

    return pixel_jacobian_fn(generator) if (space, domain) == (PIXEL.space, "z") else None


@hookimpl
def get_latent_sampler(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions
) -> LatentSampler | None:
    """The samplers `bank`, `online` and `paper-online`."""
    from polarprior.prior.bank_sampler import BankSampler
    from polarprior.prior.online_sampler import OnlineSampler
    from polarprior.prior.paper_online_sampler import PaperOnlineSampler

    samplers: dict[str, Callable[[Generator, Bank, float, SamplerOptions], LatentSampler]]
    samplers = {"bank": BankSampler, "online": OnlineSampler, "paper-online": PaperOnlineSampler}
    if options.sampler not in samplers:
        return None
    if bank is None:
        raise BankError(f"bank: the {options.sampler} sampler needs one, got none", "add --bank BANK")
    return samplers[options.sampler](generator, bank, rho, options)
