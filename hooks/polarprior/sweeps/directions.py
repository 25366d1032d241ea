"""Walks from a latent along the directions in which its picture changes most."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypedDict

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save
from torch import Tensor
from tqdm import tqdm

from polarprior.arguments import LABEL, SEEDS_OF_A_DRAW, SPACE, Domain, K, check_fields, flag, number, text, whole
from polarprior.errors import PolarPriorError, UsageError
from polarprior.files import write_atomically
from polarprior.generator import Generator, Latents, Seeds, as_seeds
from polarprior.host import Host
from polarprior.images.pictures import captioned_grid, png_bytes, to_uint8
from polarprior.jacobian.of_generator import prepare
from polarprior.sweeps.samples import clear
from polarprior.volume.directions import top_directions

FILE = "directions.safetensors"
MOST_STEPS = 99
STYLES = 256
"""Latents of the prior by which the spread of styles is taken."""


@dataclass(frozen=True)
class DirectionsOptions:
    """Where the walks begin, and how far they go.

    Attributes:
        seeds: stock seeds.
        k: directions of a latent.
        space: where change is measured.
        domain: where the walks are: ``z``, or ``w``, the styles of a model that has them.
        label: the class, where the model has classes.
        span: how far a strip goes, to both sides, in standard deviations of the prior's numbers (of w, of the styles
            of the prior's latents).
        steps: pictures of a strip, odd; the middle one is of the seed itself.
        progress: show a bar on stderr.
    """

    DOMAINS: ClassVar[dict[str, Domain]] = {
        "seeds": SEEDS_OF_A_DRAW,
        "k": K,
        "space": SPACE,
        "domain": text("use domain='z'"),
        "label": LABEL.or_none(),
        "span": number(above=0, use="use such as span=2"),
        "steps": whole(3, MOST_STEPS, "use such as steps=7"),
        "progress": flag(),
    }

    seeds: Seeds = (0,)
    k: int = 6
    space: str = "pixel"
    domain: str = "z"
    label: int | None = None
    span: float = 2.0
    steps: int = 7
    progress: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        if self.steps % 2 == 0:
            raise UsageError(
                f"steps: got {self.steps}, expected an odd number, with the seed in the middle",
                f"use steps={self.steps + 1}",
            )


class DirectionsKeywords(TypedDict, total=False):
    """The fields of `DirectionsOptions`, as keywords."""

    seeds: Seeds
    k: int
    space: str
    domain: str
    label: int | None
    span: float
    steps: int
    progress: bool


@dataclass(frozen=True, eq=False)
class Directions:
    """Latents, and the directions in which their pictures change most.

    Attributes:
        generator: the model.
        options: what was asked for.
        seeds: the stock seeds, n of them.
        latents: theirs, as the Jacobian takes them: on the sphere where the model normalises.
        points: where the walks begin: z ``[n, *shape]``, or styles w [n, w_dim].
        log_sigma: log of the singular values, descending, float64 [n, k].
        vectors: the directions, unit vectors, float32 ``[n, k, *shape of a point]``.
        scale: a standard deviation of a point's numbers: the unit of a walk.
    """

    generator: Generator
    options: DirectionsOptions
    seeds: list[int]
    latents: Latents
    points: Tensor
    log_sigma: Tensor
    vectors: Tensor
    scale: float

    def walk(self, row: int, direction: int, at: Sequence[float]) -> Tensor:
        """Points along one direction: ``[len(at), *shape]``; see `moved`.

        Args:
            row: which of the seeds, from 0.
            direction: which of its directions, from 0.
            at: how far, in standard deviations (see `scale`); 0 is the seed itself.
        """
        amounts = np.zeros((len(at), len(self.vectors[row])))
        amounts[:, direction] = at
        return self.moved(row, amounts)

    def moved(self, row: int, amounts: np.ndarray | Sequence[Sequence[float]]) -> Tensor:
        """Points beside a latent, some way along all of its directions: ``[n, *shape]``.

        In z they keep the length of the latent they began from, where the prior has a shell: a normal prior in many
        dimensions gives nothing beside it.

        Args:
            row: which of the seeds, from 0.
            amounts: how far along each direction, in standard deviations, [n, k].
        """
        point, vectors = self.points[row].double(), self.vectors[row].double()
        steps = torch.as_tensor(np.asarray(amounts, np.float64)) * self.scale
        walked = point + torch.tensordot(steps, vectors, 1)
        if self.options.domain == "z" and (self.generator.prior.name == "normal" or self.generator.normalizes_latent):
            lengths = walked.flatten(1).norm(dim=1).reshape(-1, *[1] * point.ndim)
            walked = walked * point.norm() / lengths
        return walked.to(self.points)

    def images(self, row: int, points: Tensor) -> np.ndarray:
        """The pictures of such points, uint8 [n, H, W, C]; UsageError for a generator that makes none."""
        generator = self.generator
        if self.options.domain == "z":
            label = None if self.latents.label is None else self.latents.label[row].expand(len(points))
            return to_uint8(generator(Latents(points, label)))
        assert generator.styles is not None
        with torch.no_grad():
            return to_uint8(generator.styles.images(points.to(generator.device, generator.dtype)))

    @cached_property
    def places(self) -> list[float]:
        """How far the pictures of a strip are from the seed, in standard deviations."""
        return [float(each) for each in np.linspace(-self.options.span, self.options.span, self.options.steps)]

    def sheet(self, row: int) -> Image.Image:
        """A strip a direction: the seed in the middle."""
        options = self.options
        sigma = self.log_sigma[row].exp().tolist()
        strips = [self.images(row, self.walk(row, direction, self.places)) for direction in range(len(sigma))]
        captions = [(f"{i}", f"sigma {value:.3g}") for i, value in enumerate(sigma)]
        heads = [f"{place:+.2g}" if place else f"seed {self.seeds[row]}" for place in self.places]
        title = f"{self.generator.model}: the directions in which seed {self.seeds[row]} changes most, in "
        title += f"{options.domain}\nAbove each column how far, in standard deviations of {options.domain}."
        return captioned_grid(strips, captions, title, heads, [np.zeros(len(self.places), bool)] * len(strips))

    def to_dict(self) -> dict[str, Any]:
        """What ``directions.json`` and the metadata of ``directions.safetensors`` hold."""
        options = self.options
        return {
            "model": self.generator.model,
            "fingerprint": self.generator.fingerprint,
            "settings": self.generator.settings.to_dict(),
            "space": options.space,
            "domain": options.domain,
            "class": options.label,
            "seeds": self.seeds,
            "scale": self.scale,
            "sigma": self.log_sigma.exp().tolist(),
        }

    def save(self, out: Path | str) -> None:
        """Write OUT/seed0003.png and on, a strip a direction, OUT/directions.safetensors and OUT/directions.json.

        The file holds ``points`` and ``vectors``, float32, ``log_sigma``, float64, and ``seeds``, int64; in its
        metadata, under ``polarprior``, what the JSON file has.
        """
        out = Path(out)
        clear(out, (FILE, "directions.json"), self.seeds)
        for row, seed in enumerate(self.seeds):
            picture = self.sheet(row)
            write_atomically(out / f"seed{seed:04d}.png", png_bytes(picture, f"{self.generator.model}, seed {seed}"))
        about = json.dumps(self.to_dict(), indent=1, sort_keys=True)
        tensors = {
            "points": self.points.float().cpu().contiguous(),
            "vectors": self.vectors.contiguous(),
            "log_sigma": self.log_sigma,
            "seeds": torch.tensor(self.seeds),
        }
        write_atomically(out / FILE, save(tensors, {"polarprior": about}))
        write_atomically(out / "directions.json", about.encode())


def found_directions(host: Host, generator: Generator, options: DirectionsOptions) -> Directions:
    """Find the directions of latents; see `polarprior.directions`."""
    seeds: list[int] = as_seeds(options.seeds).tolist()
    drawn = generator.prior.draw(seeds, options.label)
    generator.check(drawn)
    jacobian_fn = host.jacobian_fn(generator, options.space, options.domain)
    latents = prepare(generator, drawn)
    if options.domain != "z" and generator.styles is None:
        raise UsageError(f"domain: {generator.called} can't be walked in {options.domain}", "use domain=z")
    log_sigma, vectors = [], []
    for row in tqdm(range(len(seeds)), "directions", unit="latent", disable=not options.progress):
        found = top_directions(jacobian_fn(latents[row : row + 1]), options.k)
        if bool(found.log_sigma.isnan().any()):
            raise PolarPriorError(
                f"model: its Jacobian at seed {seeds[row]} is not finite", "use another seed, or dtype float32"
            )
        log_sigma.append(found.log_sigma)
        vectors.append(found.vectors.mT)
    points, scale = _points(generator, latents, options)
    return Directions(
        generator=generator,
        options=options,
        seeds=seeds,
        latents=latents,
        points=points,
        log_sigma=torch.cat(log_sigma),
        vectors=torch.cat(vectors).float().reshape(len(seeds), options.k, *points.shape[1:]),
        scale=scale,
    )


def _points(generator: Generator, latents: Latents, options: DirectionsOptions) -> tuple[Tensor, float]:
    """Where walks begin, on the CPU, and the standard deviation of their numbers."""
    if options.domain == "z":
        return latents.z.cpu(), 1.0
    assert generator.styles is not None
    others = generator.prior.draw(range(STYLES), options.label).to(generator.device, generator.dtype)
    with torch.no_grad():
        points = generator.styles.of(latents.z, latents.label).cpu()
        spread = generator.styles.of(others.z, others.label)
    return points, float(spread.std(0).square().mean().sqrt())
