"""Draws of a polarity prior for stock seeds, with all that ``samples.json`` says of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from polarprior.bank.bank import Bank
from polarprior.errors import UsageError, warn
from polarprior.files import write_atomically
from polarprior.generator import Generator, Latents, Seeds, as_seeds
from polarprior.hashing import latent_hash
from polarprior.host import Host
from polarprior.images.npz import save_npz
from polarprior.images.pictures import save_png, to_uint8
from polarprior.law.diagnostics import Diagnostics
from polarprior.samplers.contract import Explained, SamplerOptions

BATCH = 16
EVERY = "all"
"""In place of a class: all of them, in turn."""


@dataclass(frozen=True, eq=False)
class Samples:
    """What stock seeds become under a polarity prior.

    Attributes:
        generator: the model.
        seeds: the stock seeds, [n].
        latents: what they become, n of them; ``generator(samples.latents)`` gives the pictures.
        became: the seeds of these latents, [n]; None where a latent is no seed's, or nobody knows whose.
        bank: the bank that was drawn from, or None.
        options: how it was drawn.
        label: the class, ``all`` of them in turn, or None; of a joint law what the stock latents had.
        diagnostics: how far the draws can be trusted; None for the model's own prior.
        described: the law, as its sampler describes it, see `polarprior.plugin.Explained`.
    """

    generator: Generator
    seeds: list[int]
    latents: Latents
    became: list[int | None]
    bank: Bank | None = None
    options: SamplerOptions = field(default_factory=SamplerOptions)
    label: int | str | None = None
    diagnostics: Diagnostics | None = None
    described: dict[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The model, as the command line names it where it can."""
        return self.generator.source or self.generator.plugin

    @property
    def title(self) -> str:
        """What was drawn, for the titles that pictures carry."""
        found = self.diagnostics
        if found is None:
            return self.model
        return f"{self.model}, sampler {self.options.sampler}, rho {found.rho:g}, k {found.k}, {found.target}"

    def to_dict(self) -> dict[str, Any]:
        """What ``samples.json`` holds."""
        return {
            "model": self.model,
            "bank": None if self.bank is None else self.bank.info.digest,
            "sampler": self.options.sampler,
            "class": self.label,
            "diagnostics": None if self.diagnostics is None else self.diagnostics.to_dict(),
            "drawn": dict(zip(map(str, self.seeds), self.became, strict=True)),
            **self._classes(),
            **self.described,
        }

    def _classes(self) -> dict[str, Any]:
        """The class that each stock seed became, for metadata, where the law is a joint one."""
        if not self.options.joint or self.latents.label is None:
            return {}
        return {"classes": dict(zip(map(str, self.seeds), self.latents.label.tolist(), strict=True))}

    def outside(self) -> int:
        """How many of the seeds are no rows of the bank: the bank sampler draws these from it at any rho."""
        if self.options.sampler != "bank" or self.bank is None:
            return 0
        stock = self.generator.prior.draw(self.seeds, _labels(self.generator, self.bank, self.label, self.seeds))
        labels = np.zeros(len(stock), np.int64) if stock.label is None else stock.label.numpy()
        return int((self.bank.rows_by_hash(latent_hash(stock.z), labels) < 0).sum())

    def pictures(self) -> Iterator[np.ndarray]:
        """The pictures, uint8 [m, H, W, C] at a time, with a bar on stderr."""
        with tqdm(total=len(self.latents), unit="image", desc="sample") as bar:
            for start in range(0, len(self.latents), BATCH):
                images = to_uint8(self.generator(self.latents[start : start + BATCH]))
                yield images
                bar.update(len(images))

    def save(self, out: Path) -> None:
        """Write OUT/seed0000.png and on, one a seed, and, for a polarity prior, OUT/samples.json.

        What OUT/samples.json said of other pictures goes first; other pictures stay, and a warning names them.
        """
        (out / "samples.json").unlink(missing_ok=True)
        names = {f"seed{seed:04d}.png" for seed in self.seeds}
        others = sum(path.name not in names for path in out.glob("seed*.png"))
        if others:
            warn(f"out: {out} holds {others} pictures of other draws")
        numbers = iter(self.seeds)
        for images in self.pictures():
            for pixels in images:
                seed = next(numbers)
                save_png(out / f"seed{seed:04d}.png", pixels, f"{self.title}, seed {seed}")
        self._say(out / "samples.json")

    def save_npz(self, path: Path) -> None:
        """Write FILE.npz for the guided-diffusion evaluator, and, for a polarity prior, FILE.json."""
        path.with_suffix(".json").unlink(missing_ok=True)
        labels = None if self.latents.label is None else self.latents.label.numpy()
        save_npz(path, self.pictures(), len(self.latents), labels)
        self._say(path.with_suffix(".json"))

    def _say(self, path: Path) -> None:
        if self.diagnostics is not None:
            write_atomically(path, json.dumps(self.to_dict(), indent=1, sort_keys=True).encode())


def draw_samples(
    host: Host,
    generator: Generator,
    bank: Bank | None,
    rho: float | None,
    seeds: Seeds,
    label: int | str | None,
    options: SamplerOptions,
) -> Samples:
    """Draw what `seeds` become; see `polarprior.sample`."""
    numbers: list[int] = as_seeds(seeds).tolist()
    if options.joint and label is None and generator.num_classes is not None:
        label = EVERY
    labels = _labels(generator, bank, label, numbers)
    stock = generator.prior.draw(numbers, labels)
    if rho is None:
        return Samples(generator, numbers, stock, [*numbers], label=label)
    one = None if isinstance(labels, list) else labels
    apart = len(set(labels)) if isinstance(labels, list) and not options.joint else 1
    options = replace(options, draws=len(numbers) // apart, label=one)
    sampler = host.latent_sampler(generator, bank, rho, **vars(options))
    latents = sampler.redraw(stock.z, stock.label)
    known: list[int | None] = [None] * len(latents)
    described: dict[str, Any] = {}
    if isinstance(sampler, Explained):
        known, described = sampler.seeds_of(latents), sampler.described()
    own = dict(zip(latent_hash(stock.z).tolist(), numbers, strict=True))
    became = [own.get(key, seed) for key, seed in zip(latent_hash(latents.z).tolist(), known, strict=True)]
    named = EVERY if label == EVERY else one
    return Samples(generator, numbers, latents, became, bank, options, named, sampler.diagnostics, described)


def _labels(
    generator: Generator, bank: Bank | None, label: int | str | None, seeds: Sequence[int]
) -> int | list[int] | None:
    """The class of each seed, in turn as `build_bank` has them, or of all of them; None where the model has none."""
    if not isinstance(label, str):
        generator.check(generator.prior.draw([0], label))
        return label
    if label != EVERY:
        return generator.class_index(label)
    if generator.num_classes is None:
        raise UsageError(f"label: {generator.plugin} has no classes", "leave the class out")
    known = range(generator.num_classes) if bank is None or bank.labels is None else sorted(set(bank.labels.tolist()))
    return [known[seed % len(known)] for seed in seeds]
