"""Pipelines of diffusers as a polarprior plugin. Importing it imports neither torch nor diffusers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from polarprior.plugin import hookimpl

if TYPE_CHECKING:
    import torch
    from polarprior.plugin import (
        AskingHost,
        Bank,
        Generator,
        JacobianFn,
        LatentSampler,
        OwnSetting,
        SamplerOptions,
        Settings,
    )


def __getattr__(name: str) -> Any:
    if name == "latents":
        from polarprior_diffusers.drawing import latents

        return latents
    raise AttributeError(name)


@hookimpl
def load_generator(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """``diffusers:FOLDER`` or ``diffusers:USER/NAME[@REVISION]``."""
    from polarprior_diffusers.generator import generator_of
    from polarprior_diffusers.opening import open_pipeline

    opened = open_pipeline(source, str(dict(settings.own).get("revision", "")))
    opened.pipe.to(device)
    return generator_of(opened.pipe, settings, opened.revision)


@hookimpl
def own_settings() -> Mapping[str, OwnSetting]:
    """The prompt, the steps, guidance, the size, and whose seeds are meant."""
    from polarprior_diffusers.settings import OWN

    return OWN


@hookimpl
def get_latent_sampler(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
) -> LatentSampler | None:
    """Standard normal noise, in whatever dtype it is drawn."""
    from polarprior.plugin import Geometry, reweighting_sampler

    return reweighting_sampler(generator, bank, rho, options, host.jacobian_fn, Geometry.normal())


@hookimpl
def jacobian_fn(generator: Generator, space: str, domain: str) -> JacobianFn | None:
    """Pictures from the latents, through all steps and the decoder."""
    from polarprior_diffusers.generator import pipeline_jacobian_fn

    return pipeline_jacobian_fn(generator) if (space, domain) == ("pixel", "z") else None
