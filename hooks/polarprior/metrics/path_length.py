"""Perceptual path length: how fast features change where latents move."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from polarprior.errors import UsageError
from polarprior.generator import Generator, Latents
from polarprior.jacobian.feature_map import FeatureMap
from polarprior.jacobian.of_generator import on_sphere

STEP = 1e-4
"""A step of an interpolation, as in Karras et al. 2019."""


def path_lengths(
    generator: Generator,
    phi: FeatureMap,
    ends: tuple[Latents, Latents],
    stream: torch.Generator,
    step: float = STEP,
    *,
    styles: bool = False,
) -> Tensor:
    """|phi(G(z_t)) - phi(G(z_{t + step}))|^2 / step^2 at a random t between two latents, or between their styles.

    Karras et al. 2019, *A style-based generator architecture*, section 4.1, and the polarity paper's section 5.2,
    which draws the ends from a polarity prior. Between normalised latents the way is an arc, else a straight line;
    between styles it is a straight line, as in ``ppl2_wfull`` of StyleGAN2's repository.

    Args:
        generator: the model.
        phi: to the space where lengths are measured.
        ends: latents z [n, *shape] each, of the same labels.
        stream: draws t.
        step: of t.
        styles: go between the styles w of both ends.

    Returns:
        float64 [n], squared units of the features.

    Raises:
        UsageError: `styles`, and the model has none.
    """
    t = torch.rand(len(ends[0]), generator=stream, dtype=torch.float64) * (1 - step)
    before, after = (_styled if styles else _drawn)(generator, ends, t, step)
    return _squares(phi, before, after) / step**2


def _drawn(generator: Generator, ends: tuple[Latents, Latents], t: Tensor, step: float) -> Iterator[Tensor]:
    """Images at t and at t + step between latents."""
    first, second = (each.z.double() for each in ends)
    between = _arc if generator.normalizes_latent else _line
    for at in (t, t + step):
        yield generator(Latents(between(first, second, at).to(ends[0].z), ends[0].label))


def _styled(generator: Generator, ends: tuple[Latents, Latents], t: Tensor, step: float) -> Iterator[Tensor]:
    """Images at t and at t + step between styles."""
    found = generator.styles
    if found is None:
        raise UsageError(f"styles: {generator.called} has no mapping network, and so no styles", "leave them out")
    there = [each.to(generator.device, generator.dtype) for each in ends]
    with torch.no_grad():
        first, second = (found.of(each.z, each.label) for each in there)
        for at in (t, t + step):
            yield found.images(torch.lerp(first, second, at.to(first)[:, None]))


def shift_lengths(
    generator: Generator, phi: FeatureMap, latents: Latents, stream: torch.Generator, length: float = 0.3
) -> Tensor:
    """|phi(G(z + length u)) - phi(G(z))|^2 / length^2 for random unit vectors u: the polarity supplement, C.5.

    Args:
        generator, phi: as in `path_lengths`.
        latents: z [n, *shape].
        stream: draws u.
        length: of the shift, in units of z.

    Returns:
        float64 [n], squared units of the features.
    """
    direction = torch.randn(latents.z.shape, generator=stream, dtype=torch.float64)
    direction /= direction.flatten(1).norm(dim=1).reshape(-1, *[1] * (latents.z.ndim - 1))
    moved = Latents((latents.z.double() + length * direction).to(latents.z), latents.label)
    return _squares(phi, generator(latents), generator(moved)) / length**2


def _squares(phi: FeatureMap, before: Tensor, after: Tensor) -> Tensor:
    """Squared distances of images, pair by pair, in the space of phi: float64 [n]."""
    with torch.no_grad():
        return (phi(after).cpu().double() - phi(before).cpu().double()).square().sum(1)


def _line(first: Tensor, second: Tensor, t: Tensor) -> Tensor:
    return first + (second - first) * t.reshape(-1, *[1] * (first.ndim - 1))


def _arc(first: Tensor, second: Tensor, t: Tensor) -> Tensor:
    """Spherical interpolation of rows on the sphere of radius sqrt(K)."""
    first, second = on_sphere(first), on_sphere(second)
    t = t.reshape(-1, *[1] * (first.ndim - 1))
    cosine = (first * second).flatten(1).mean(1).clamp(-1, 1).reshape(t.shape)
    rest = second - cosine * first
    across = rest / rest.square().flatten(1).mean(1).sqrt().clamp_min(1e-12).reshape(t.shape)  # 0 between equal ends
    angle = cosine.arccos() * t
    return angle.cos() * first + angle.sin() * across
