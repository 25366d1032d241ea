"""Draws of a polarity prior for stock seeds, with all that ``samples.json`` says of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from polarprior.bank.bank import Bank
from polarprior.errors import UsageError, warn
from polarprior.files import write_atomically
from polarprior.generator import Generator, Latents, Seeds, as_seeds
from polarprior.hashing import latent_hash
from polarprior.host import Host
from polarprior.images.npz import save_npz
from polarprior.images.pictures import captioned_grid, png_bytes, save_png, stacked, to_uint8
from polarprior.law.diagnostics import Diagnostics
from polarprior.law.limits import floor_to
from polarprior.samplers.contract import Explained, SamplerOptions

BATCH = 16
EVERY = "all"
"""In place of a class: all of them, in turn."""
HARDLY, FEW, MANY, ENOUGH = 0.25, 0.05, 0.95, 4
"""A tilt below `HARDLY` that replaces a share of `FEW` at most changes nearly nothing; one that replaces a share of
`MANY`, of `ENOUGH` seeds at least, nearly everything."""
COLUMNS, SHOWN, LISTED = 8, 64, 10
EXPLAINED = "Above what each seed gives, below what it becomes; a bar marks what the polarity has replaced."


@dataclass(frozen=True, eq=False)
class Samples:
    """What stock seeds become under a polarity prior.

    Attributes:
        generator: the model.
        seeds: the stock seeds, [n].
        latents: what they become, n of them.
        stock: what they are without polarity, n of them.
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
    stock: Latents
    became: list[int | None]
    bank: Bank | None = None
    options: SamplerOptions = field(default_factory=SamplerOptions)
    label: int | str | None = None
    diagnostics: Diagnostics | None = None
    described: dict[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The model, as the command line names it where it can."""
        return self.generator.model

    @property
    def title(self) -> str:
        """What was drawn, for the titles that pictures carry."""
        found = self.diagnostics
        if found is None:
            return self.model
        strength = f"rho {found.rho:.3g}, tilt {found.tilt:.2f}"
        return f"{self.model}, sampler {self.options.sampler}, {strength}, k {found.k}, {found.target}"

    def to_dict(self) -> dict[str, Any]:
        """What ``samples.json`` holds."""
        return {
            "model": self.model,
            **({"bank": None} if self.bank is None else self.bank.stored()),
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

    @cached_property
    def moved(self) -> np.ndarray:
        """Whether the polarity has replaced the latent of a seed, bool [n]."""
        changed: np.ndarray = (self.latents.z != self.stock.z).flatten(1).any(1).numpy()
        return changed

    @cached_property
    def outside(self) -> list[int]:
        """The seeds that are no rows of the bank: the bank sampler replaces these at any rho."""
        if self.options.sampler != "bank" or self.bank is None:
            return []
        labels = np.zeros(len(self.stock), np.int64) if self.stock.label is None else self.stock.label.numpy()
        rows = self.bank.rows_by_hash(latent_hash(self.stock.z), labels)
        return [seed for seed, row in zip(self.seeds, rows.tolist(), strict=True) if row < 0]

    def summary(self) -> str:
        """What happened, in a line; of the model's own prior that nothing did."""
        n, found = len(self.seeds), self.diagnostics
        if found is None:
            return f"{n} pictures of the model's own prior"
        replaced = [seed for seed, moved in zip(self.seeds, self.moved.tolist(), strict=True) if moved]
        which = f": {_listed(replaced)}" if replaced and len(replaced) < n else ""
        said = f"{len(replaced)} of {n} seeds replaced{which}"
        if found.rows < 2:  # a plugin's own law has no weights
            return said
        trusted = "fine" if found.within_limits else "beyond what the bank can show"
        return f"{said}; ESS {found.ess:.0f} of {found.rows}: {trusted}"

    def advice(self) -> list[str]:
        """What a user may want to know who has drawn these: a line each."""
        found = self.diagnostics
        said: list[str] = []
        if found is None or found.rows < 2:
            return said
        if self.outside:
            what = "is no row" if len(self.outside) == 1 else "are no rows"
            said.append(f"warning: {_listed(self.outside)} {what} of this bank: such a seed is replaced at any rho")
        inside = [seed not in set(self.outside) for seed in self.seeds]
        share = float(self.moved[inside].mean()) if any(inside) else 0.5
        lower, upper = found.tilt_limits
        if 0 < abs(found.tilt) < HARDLY and share <= FEW:
            end = floor_to(lower if found.tilt < 0 else upper)
            said.append(f"nearly nothing changes at a tilt of {found.tilt:.2g}: it may be as strong as {end:g} here")
        elif share >= MANY and sum(inside) >= ENOUGH:
            said.append(
                f"nearly every picture is another: a tilt nearer to 0 than {found.tilt:.2g} keeps more of them"
            )
        return said

    def sheet(self, drawn: np.ndarray | None = None) -> Image.Image:
        """The stock pictures above those that they become, the first `SHOWN` of them.

        Args:
            drawn: the pictures, uint8 [n, H, W, C], so many at least; drawn anew where None.

        Raises:
            UsageError: the generator makes no pictures.
        """
        drawn = to_uint8(self.generator(self.latents[:SHOWN])) if drawn is None else drawn[:SHOWN]
        moved, own = self.moved[:SHOWN], drawn.copy()
        if moved.any():
            own[moved] = to_uint8(self.generator(self.stock[:SHOWN][torch.from_numpy(moved)]))
        found = self.diagnostics
        law = ("the same", "") if found is None else (f"rho {found.rho:.3g}", f"tilt {found.tilt:.2f}")
        sheets = []
        for start in range(0, len(drawn), COLUMNS):
            picked = slice(start, min(start + COLUMNS, len(drawn)))
            title = f"{self.title}\n{EXPLAINED}" if start == 0 else ""
            heads = [f"seed {seed}" for seed in self.seeds[picked]]
            marks = [np.zeros(len(heads), bool), moved[picked]]
            rows = [own[picked], drawn[picked]]
            sheets.append(captioned_grid(rows, [("stock", ""), law], title, heads, marks))
        return stacked(sheets)

    @cached_property
    def images(self) -> np.ndarray:
        """The pictures, uint8 [n, H, W, C]."""
        return np.concatenate([to_uint8(self.generator(batch)) for batch in self._batches()])

    def _batches(self) -> Iterator[Latents]:
        return (self.latents[start : start + BATCH] for start in range(0, len(self.latents), BATCH))

    def pictures(self) -> Iterator[np.ndarray]:
        """The pictures, uint8 [m, H, W, C] at a time, with a bar on stderr."""
        with tqdm(total=len(self.latents), unit="image", desc="sample") as bar:
            for batch in self._batches():
                images = to_uint8(self.generator(batch))
                yield images
                bar.update(len(images))

    def save(self, out: Path | str) -> None:
        """Write OUT/seed0000.png and on, one a seed, and, for a polarity prior, OUT/samples.png, which `sheet` gives,
        and OUT/samples.json.

        What OUT/samples.json said of other pictures goes first; other pictures stay, and a warning names them.
        """
        out = Path(out)
        clear(out, ("samples.json", "samples.png"), self.seeds)
        numbers = iter(self.seeds)
        first: list[np.ndarray] = []
        for images in self.pictures():
            first += list(images[: SHOWN - len(first)])
            for pixels in images:
                seed = next(numbers)
                save_png(out / f"seed{seed:04d}.png", pixels, f"{self.title}, seed {seed}")
        if self.diagnostics is not None:
            write_atomically(out / "samples.png", png_bytes(self.sheet(np.stack(first)), self.title))
        self._say(out / "samples.json")

    def save_npz(self, path: Path | str) -> None:
        """Write FILE.npz for the guided-diffusion evaluator, and, for a polarity prior, FILE.json."""
        path = Path(path)
        path.with_suffix(".json").unlink(missing_ok=True)
        labels = None if self.latents.label is None else self.latents.label.numpy()
        save_npz(path, self.pictures(), len(self.latents), labels)
        self._say(path.with_suffix(".json"))

    def _say(self, path: Path) -> None:
        if self.diagnostics is not None:
            write_atomically(path, json.dumps(self.to_dict(), indent=1, sort_keys=True).encode())


def clear(out: Path, names: Sequence[str], seeds: Sequence[int]) -> None:
    """Remove the files of these names from a folder, and warn of pictures there that are not of these seeds."""
    for name in names:
        (out / name).unlink(missing_ok=True)
    own = {f"seed{seed:04d}.png" for seed in seeds}
    others = sum(path.name not in own for path in out.glob("seed*.png"))
    if others:
        warn(f"out: {out} holds {others} pictures of other draws")


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
    if rho is None and options.tilt is None:
        return Samples(generator, numbers, stock, stock, [*numbers], label=label)
    one = None if isinstance(labels, list) else labels
    apart = len(set(labels)) if isinstance(labels, list) and not options.joint else 1
    options = replace(options, draws=len(numbers) // apart, label=one)
    sampler = host.latent_sampler(generator, bank, rho or 0.0, **vars(options))
    latents = sampler.redraw(stock.z, stock.label)
    known: list[int | None] = [None] * len(latents)
    described: dict[str, Any] = {}
    if isinstance(sampler, Explained):
        known, described = sampler.seeds_of(latents), sampler.described()
    own = dict(zip(latent_hash(stock.z).tolist(), numbers, strict=True))
    became = [own.get(key, seed) for key, seed in zip(latent_hash(latents.z).tolist(), known, strict=True)]
    named = EVERY if label == EVERY else one
    return Samples(generator, numbers, latents, stock, became, bank, options, named, sampler.diagnostics, described)


def _listed(seeds: Sequence[int]) -> str:
    more = f" and {len(seeds) - LISTED} more" if len(seeds) > LISTED else ""
    return f"{', '.join(map(str, seeds[:LISTED]))}{more}"


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
