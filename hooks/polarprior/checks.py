"""What a plugin returned is checked here, and the error blames the plugin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from polarprior.bank.bank import Bank
from polarprior.errors import YOURS, PluginError, blaming, failure
from polarprior.generator import Generator, Latents
from polarprior.jacobian.feature_map import FeatureMap
from polarprior.jacobian.linear_map import LinearMap, Products
from polarprior.jacobian.of_generator import JacobianFn
from polarprior.samplers.contract import LatentSampler, SamplerOptions
from polarprior.samplers.reweighting import OWN


def checked_generator(answer: Any, name: str, plugin: str) -> Generator:
    """`answer` if it is a Generator of the plugin `name` whose prior and images keep their contract on two seeds."""
    hook = "load_generator"
    if not isinstance(answer, Generator):
        raise _broken(plugin, hook, f"returned {type(answer).__name__}, expected a Generator")
    if answer.plugin != name:
        raise _broken(plugin, hook, f"its generator says that its plugin is {answer.plugin!r}")
    with blaming(plugin, hook):
        latents = _two_latents(answer)
    if tuple(latents.z.shape) != (2, *answer.prior.shape) or not latents.z.is_floating_point():
        got = f"{latents.z.dtype} {list(latents.z.shape)}"
        wanted = f"floats {[2, *answer.prior.shape]}"
        raise _broken(plugin, hook, f"prior.draw of 2 seeds gave {got}, expected {wanted}")
    _check_finite(latents.z, plugin, hook, "prior.draw")
    with blaming(plugin, hook):
        images = answer(latents)
    if len(images) != 2 or not images.is_floating_point():
        raise _broken(plugin, hook, f"images of 2 latents are {images.dtype} {list(images.shape)}")
    _check_finite(images, plugin, hook, "an image")
    return answer


def checked_feature_map(answer: Any, generator: Generator, plugin: str) -> FeatureMap:
    """`answer` if it is a FeatureMap that gives finite features [n, D]."""
    hook = "get_feature_map"
    if not isinstance(answer, FeatureMap):
        raise _broken(plugin, hook, f"returned {type(answer).__name__}, expected a FeatureMap")
    images = generator(_two_latents(generator))
    with torch.no_grad(), blaming(plugin, hook):
        features = answer(images)
    if features.ndim != 2 or len(features) != 2:
        raise _broken(plugin, hook, f"features of 2 images are {list(features.shape)}")
    _check_finite(features, plugin, hook, "a feature")
    return answer


def checked_jacobian_fn(answer: Any, generator: Generator, plugin: str) -> JacobianFn:
    """`answer`, wrapped so that each LinearMap it returns, and each product with it, is checked."""
    hook = "jacobian_fn"
    if not callable(answer):
        raise _broken(plugin, hook, f"returned {type(answer).__name__}, expected a function")

    def jacobian(latents: Latents | Tensor) -> LinearMap:
        with blaming(plugin, hook):
            linear_map = answer(latents)
        if not isinstance(linear_map, LinearMap):
            kind = type(linear_map).__name__
            raise _broken(plugin, hook, f"its function returned {kind}, expected a LinearMap")
        if len(linear_map) != len(latents):
            raise _broken(plugin, hook, f"{len(linear_map)} Jacobians for {len(latents)} latents")
        _check_finite(linear_map.value, plugin, hook, "the generator's output")
        return checked_map(linear_map)

    def checked_map(linear_map: LinearMap) -> LinearMap:
        n, inputs, outputs = len(linear_map), linear_map.input_dim, linear_map.output_dim
        half = linear_map.bfloat16
        return replace(
            linear_map,
            jvp=checked_products("jvp", linear_map.jvp, (n, inputs), (n, outputs)),
            vjp=checked_products("vjp", linear_map.vjp, (n, outputs), (n, inputs)),
            bfloat16=half and (lambda: checked_map(half())),
        )

    def checked_products(name: str, products: Products, takes: tuple[int, int], gives: tuple[int, int]) -> Products:
        def checked(directions: Tensor) -> Tensor:
            if directions.ndim != 3 or tuple(directions.shape[:2]) != takes:
                raise ValueError(f"{name}: got {list(directions.shape)}, expected [{takes[0]}, {takes[1]}, m]")
            with blaming(plugin, hook):
                result = products(directions)
            if tuple(result.shape) != (*gives, directions.shape[2]):
                wanted = [*gives, directions.shape[2]]
                raise _broken(plugin, hook, f"{name} gave {list(result.shape)}, expected {wanted}")
            return result

        return checked

    return jacobian


def checked_sampler(
    answer: Any, generator: Generator, bank: Bank | None, options: SamplerOptions, plugin: str
) -> LatentSampler:
    """`answer` if it has what a LatentSampler has, and redraws one latent to one of the same shape and class.

    The host's own samplers are let through, whoever answers with them: a test draw of one may cost Jacobians.
    """
    hook = "get_latent_sampler"
    if type(answer) in OWN:
        own: LatentSampler = answer
        return own
    for name in ("redraw", "sample", "diagnostics"):
        if not hasattr(answer, name):
            raise _broken(plugin, hook, f"{type(answer).__name__} has no {name}")
    label = options.label
    if label is None and generator.num_classes is not None:
        label = 0 if bank is None or bank.labels is None else int(bank.labels[0])
    stock = generator.prior.draw([0], label)
    with blaming(plugin, hook):
        drawn = answer.redraw(stock.z, stock.label)
    if not isinstance(drawn, Latents) or drawn.z.shape != stock.z.shape or drawn.z.dtype != stock.z.dtype:
        raise _broken(plugin, hook, "redraw did not give Latents of the shape and dtype that it was given")
    _check_finite(drawn.z, plugin, hook, "redraw")
    kept = stock.label is None or (drawn.label is not None and torch.equal(drawn.label, stock.label))
    if not kept and not options.joint:
        raise _broken(plugin, hook, "redraw changed the class")
    return answer


def check_behaves(generator: Generator) -> None:
    """Raise PluginError if `generator` draws noise inside, lets the latents of a batch see each other, or has a
    prior whose latents depend on more than their seeds.

    Any of these would make a bank wrong without a word. Two latents are drawn twice, and one alone.
    """
    latents = _two_latents(generator)
    again, alone = _two_latents(generator).z, generator.prior.draw([1]).z
    if not (torch.equal(latents.z, again) and torch.equal(latents.z[1:], alone)):
        raise PluginError(
            f"{generator.called}: its prior drew different latents for the same seed",
            "row i must depend on seeds[i] alone: make a random generator from each seed",
        )
    images = generator(latents)
    scale = float(images.abs().max()) or 1.0
    if float((generator(latents) - images).abs().max()) > 1e-3 * scale:
        raise PluginError(
            f"{generator.called}: the same latent gave two different outputs: the model draws noise inside",
            "fix its noise (a noise mode of const or none), and put it in eval mode",
        )
    if float((generator(latents[:1]) - images[:1]).abs().max()) > 1e-3 * scale:
        raise PluginError(
            f"{generator.called}: an output depends on what else is in its batch",
            "put the model in eval mode: batch norm must use its stored statistics",
        )


def check_differentiates(linear_map: LinearMap, plugin: str) -> None:
    """Raise PluginError if a Jacobian can't be taken, holds NaN, is zero, or has another matrix for its adjoint.

    One random tangent and one random cotangent, before a build that may take days.
    """
    stream = torch.Generator().manual_seed(0)
    n, value = len(linear_map), linear_map.value
    tangent = torch.randn(n, linear_map.input_dim, 1, generator=stream).to(value)
    cotangent = torch.randn(n, linear_map.output_dim, 1, generator=stream).to(value)
    pushed = linear_map.jvp(tangent)
    if not bool(pushed.any()):
        raise PluginError(
            f"{plugin}: the first Jacobians are zero: the output does not depend on the latent",
            "look for .detach(), inference_mode or a step function in the model",
        )
    pulled = linear_map.vjp(cotangent)
    if not bool(pushed.isfinite().all() and pulled.isfinite().all()):
        raise PluginError(
            f"{plugin}: the first Jacobians hold NaN or infinity, though the output is finite",
            "look for sqrt, log or a norm at zero in the model, or for half precision",
        )
    there, back = (pushed.double() * cotangent).sum(), (pulled.double() * tangent).sum()
    if bool((there - back).abs() > 1e-3 * pushed.double().norm() * cotangent.double().norm()):
        raise PluginError(
            f"{plugin}: its vjp is not the adjoint of its jvp: <Jt, c> is {there:.6g}, <t, J'c> {back:.6g}",
            "one of them differentiates something else; leave jacobian_fn out to use torch's own",
        )


def _two_latents(generator: Generator) -> Latents:
    return generator.prior.draw([0, 1], None if generator.num_classes is None else 0)


def _check_finite(values: Tensor, plugin: str, hook: str, what: str) -> None:
    if not bool(torch.isfinite(values).all()):
        raise _broken(plugin, hook, f"{what} holds NaN or infinity")


def _broken(plugin: str, hook: str, what: str) -> PluginError:
    if plugin == YOURS:
        return failure(plugin, f"does not do: {what}")
    return PluginError(
        f"plugin {plugin} breaks the contract of {hook}: {what}",
        "polarprior.testing is the suite it must pass; where the plugin isn't yours, report it to its authors",
    )
