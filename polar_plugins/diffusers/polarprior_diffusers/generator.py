"""A Generator from a pipeline: latents, as ``latents=`` takes them, to pictures."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import torch
from polarprior.plugin import Generator, JacobianFn, Settings, UsageError, prepare, refusing, weights_fingerprint
from torch import Tensor

from polarprior_diffusers.jacobian import PipelineJacobian
from polarprior_diffusers.noise import noise_prior
from polarprior_diffusers.recording import record_noise
from polarprior_diffusers.running import Runner, denoiser_of, parameters_of
from polarprior_diffusers.settings import arguments_of, in_force

NAME = "diffusers"


@dataclass(frozen=True, eq=False)
class PipelineGenerator(Generator):
    """A Generator that knows its pipeline, with the arguments that this is called with, and their Jacobian."""

    runner: Runner | None = field(default=None, repr=False)
    jacobian: PipelineJacobian | None = field(default=None, repr=False)


def generator_of(pipe: Any, asked: Settings, revision: str = "") -> PipelineGenerator:
    """A Generator from a pipeline, where that is.

    Args:
        pipe: of diffusers; it is left as it is.
        asked: settings; the pipeline's own where they aren't there.
        revision: its commit on the Hub, if it is from there.

    Raises:
        UsageError: settings that the pipeline doesn't take, a pipeline that takes no latents, or one that adds noise
            on the way.
        PolarPriorError: it fails with these settings.
    """
    _check_takes_latents(pipe)
    settings = in_force(pipe, asked, revision)
    runner = Runner(pipe, arguments_of(settings))
    complaint = f"model: {type(pipe).__name__} can't be run as it is asked for"
    with refusing(complaint, "try other settings, such as steps=4"):
        prior = noise_prior(runner, dict(settings.own).get("seeds") == "comfyui")
        evaluations = _passes(runner, prior.shape)
    parts = {name: part for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)}
    networks = torch.nn.ModuleDict(parts)
    return PipelineGenerator(
        plugin=NAME,
        version=version("polarprior-diffusers"),
        prior=prior,
        synthesize=lambda z, label: runner.pictures(z.to(runner.like), label).to(z),
        fingerprint=_fingerprint(pipe, networks),
        device=runner.like.device,
        settings=settings,
        num_classes=runner.num_classes,
        network=networks,
        evaluations=evaluations,
        runner=runner,
        jacobian=PipelineJacobian(runner, prior.shape),
    )


def pipeline_jacobian_fn(generator: Generator) -> JacobianFn:
    """The Jacobian of a pipeline's pictures in its latents, traced once a generator."""
    assert isinstance(generator, PipelineGenerator)
    assert generator.jacobian is not None
    products = generator.jacobian
    return lambda latents: products.at(prepare(generator, latents))


def _check_takes_latents(pipe: Any) -> None:
    takes = parameters_of(pipe)
    missing = [name for name in ("latents", "output_type", "generator") if name not in takes]
    if missing or denoiser_of(pipe) is None or not {"prompt", "batch_size"} & {*takes}:
        what = f"its __call__ has no {missing[0]}=" if missing else "it has no unet and no transformer to follow"
        raise UsageError(
            f"model: {type(pipe).__name__} makes no pictures of given latents: {what}",
            "use a pipeline such as StableDiffusionPipeline, FluxPipeline or ConsistencyModelPipeline",
        )


def _passes(runner: Runner, shape: tuple[int, ...]) -> int:
    """How often a picture goes through the network; UsageError where noise is added on the way.

    The loop is run twice from the same latents, with generators of other seeds, and with a network that gives the
    same numbers each time: what differs then is noise.
    """

    def run(seed: int) -> list[Tensor]:
        generators = [torch.Generator().manual_seed(seed)]
        with torch.random.fork_rng():
            torch.manual_seed(seed)  # inside fork_rng: for schedulers that leave the generator aside
            found = record_noise(runner, shape, generator=generators)[1]
        return [*(call.shown for call in found.calls), found.result]

    one, other = run(1), run(2)
    if not all(map(torch.equal, one, other)):
        name = type(runner.pipe.scheduler).__name__
        raise UsageError(
            f"steps: {name} adds noise on the way, so that a latent has no picture of its own",
            "use another scheduler, such as EulerDiscreteScheduler or DDIMScheduler, or steps=1 where that is enough",
        )
    return sum(len(shown) for shown in one[:-1])


def _fingerprint(pipe: Any, networks: torch.nn.Module) -> str:
    """sha256 of the weights, of the pipeline's class and of its scheduler."""
    config = {name: str(value) for name, value in sorted(pipe.scheduler.config.items()) if not name.startswith("_")}
    text = json.dumps([type(pipe).__name__, type(pipe.scheduler).__name__, config])
    return hashlib.sha256((weights_fingerprint(networks) + text).encode()).hexdigest()
