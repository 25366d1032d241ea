"""Draws among a handful of candidates: seeds picked by their log-volume, for models that no bank is worth."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypedDict

import numpy as np
from PIL import Image

from polarprior.arguments import LABEL, SEEDS_OF_A_DRAW, SPACE, Domain, K, check_fields, flag, number, whole
from polarprior.errors import PolarPriorError, UsageError, warn
from polarprior.files import write_atomically
from polarprior.generator import Generator, Latents, Seeds, as_seeds
from polarprior.hashing import latent_hash
from polarprior.host import Host
from polarprior.images.pictures import captioned_grid, png_bytes, save_png, stacked, to_uint8
from polarprior.law.limits import floor_to
from polarprior.law.plackett_luce import drawn_order
from polarprior.law.weights import polarity_weights
from polarprior.strength import check_strength
from polarprior.sweeps.candidates import Candidates, CandidateSpectra
from polarprior.sweeps.samples import clear
from polarprior.sweeps.scores import RANKS
from polarprior.sweeps.scores import K as K_IF_ANY
from polarprior.volume.spectrum import check_k

BY = ("log-volume", *RANKS)
COLUMNS = 8
EXPLAINED = "Beside each seed the share of the other candidates with a lower score."
HALVINGS = 40
STRONGEST = 20.0
"""Standard deviations of a score, as a tilt: beyond that one candidate takes all."""


@dataclass(frozen=True)
class PickOptions:
    """What is picked, and from what.

    Attributes:
        seeds: the candidates, M stock seeds.
        keep: how many are kept.
        rho: the polarity: below 0 low scores, above 0 high ones.
        tilt: in place of rho: rho times the standard deviation of the candidates' scores.
        best: keep the candidates of lowest score (of highest where rho or tilt is above 0) rather than draw.
        by: the score: ``log-volume``, ``local-rank`` or ``effective-rank``.
        k: singular values; 30 if None, as far as the model has them.
        tol: error of a difference between two log-volumes that is accepted, nats; a quarter of their standard
            deviation if None.
        space: where volume is measured.
        label: the class, where the model has classes.
        force: go on where the candidates are too few for that rho.
        progress: show a bar on stderr.
    """

    DOMAINS: ClassVar[dict[str, Domain]] = {
        "seeds": SEEDS_OF_A_DRAW,
        "keep": whole(1, 1_000_000, "use such as keep=8"),
        "rho": number(use="use such as rho=-0.5").or_none(),
        "tilt": number(use="use such as tilt=-0.5").or_none(),
        "best": flag(),
        "by": Domain(", ".join(BY), lambda value: isinstance(value, str) and value in BY, "use by='log-volume'"),
        "k": K.or_none(),
        "tol": number(above=0, use="use such as tol=0.3").or_none(),
        "space": SPACE,
        "label": LABEL.or_none(),
        "force": flag(),
        "progress": flag(),
    }

    seeds: Seeds = field(default_factory=lambda: range(64))
    keep: int = 8
    rho: float | None = None
    tilt: float | None = None
    best: bool = False
    by: str = "log-volume"
    k: int | None = None
    tol: float | None = None
    space: str = "pixel"
    label: int | None = None
    force: bool = False
    progress: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        check_strength(self.rho, self.tilt)
        if self.rho is None and self.tilt is None:
            raise UsageError("rho: got none, and no tilt either", "add such as tilt=-0.5")
        seeds = as_seeds(self.seeds)
        if len(np.unique(seeds)) < len(seeds):
            raise UsageError("seeds: a candidate stands there twice", "name each once, such as seeds=range(64)")
        if self.keep > len(seeds):
            raise UsageError(
                f"keep: got {self.keep}, there are {len(seeds)} candidates", f"use keep={len(seeds) // 4 or 1}"
            )


class PickKeywords(TypedDict, total=False):
    """The fields of `PickOptions`, as keywords."""

    seeds: Seeds
    keep: int
    rho: float | None
    tilt: float | None
    best: bool
    by: str
    k: int | None
    tol: float | None
    space: str
    label: int | None
    force: bool
    progress: bool


@dataclass(frozen=True, eq=False)
class Pick:
    """Candidates, and those of them that were kept.

    Attributes:
        generator: the model.
        options: what was asked for.
        candidates: the stock seeds, M of them.
        spectra: theirs.
        scores: what rho acts on, float64 [M].
        rho: the polarity.
        order: places in `candidates`, the first kept first; all of them.
        ess: effective sample size of the weights among the candidates, 1 to M.
        limits: the lowest and the highest rho at which the ESS is at least twice what is kept.
    """

    generator: Generator
    options: PickOptions
    candidates: list[int]
    spectra: CandidateSpectra
    scores: np.ndarray
    rho: float
    order: list[int]
    ess: float
    limits: tuple[float, float]

    @property
    def seeds(self) -> list[int]:
        """The seeds that were kept, in the order in which they were drawn."""
        return [self.candidates[place] for place in self.order[: self.options.keep]]

    @cached_property
    def latents(self) -> Latents:
        """Theirs."""
        return self.generator.prior.draw(self.seeds, self.options.label)

    @cached_property
    def images(self) -> np.ndarray:
        """Their pictures, uint8 [keep, H, W, C]; UsageError for a generator that makes none."""
        return to_uint8(self.generator(self.latents))

    @property
    def model(self) -> str:
        """The model, as the command line names it where it can."""
        return self.generator.model

    def to_dict(self) -> dict[str, Any]:
        """What ``pick.json`` holds."""
        options, found = self.options, self.spectra
        places = self.order[: options.keep]
        return {
            "model": self.model,
            "fingerprint": self.generator.fingerprint,
            "settings": self.generator.settings.to_dict(),
            "space": options.space,
            "k": found.log_sigma.shape[1],
            "class": options.label,
            "rho": self.rho,
            "tilt": self.rho * float(self.scores.std()),
            "by": options.by,
            "best": options.best,
            "kept": [
                {"seed": self.candidates[place], "score": self.scores[place], "quantile": self.quantile(place)}
                for place in places
            ],
            "candidates": self.candidates,
            "log_volumes": [value if np.isfinite(value) else None for value in found.log_volume.tolist()],
            "scores": [value if np.isfinite(value) else None for value in self.scores.tolist()],
            "ess": self.ess,
            "limits": list(self.limits),
            "estimator": found.estimator,
            "error": found.error,
            "passes": found.passes,
        }

    def quantile(self, place: int) -> float:
        """The share of the other candidates with a lower score."""
        return float((self.scores < self.scores[place]).sum()) / max(1, len(self.scores) - 1)

    @property
    def title(self) -> str:
        """What was picked and how, in a line."""
        options = self.options
        how = "the extremes" if options.best else "drawn"
        lower, upper = (floor_to(limit) for limit in self.limits)
        reach = "" if options.best else f"; with {options.keep} kept these carry rho {lower:g} to {upper:g}"
        return (
            f"{options.keep} of {len(self.candidates)} candidates, {how} at rho {self.rho:.3g} by {options.by}; "
            f"ESS {self.ess:.0f}{reach}"
        )

    def summary(self) -> str:
        """The title, and what it has cost."""
        found = self.spectra
        return f"{self.title}; {found.estimator}, {found.passes:,} passes, {found.solved} solved now"

    def sheet(self) -> Image.Image:
        """The pictures that were kept, in their order, with their scores."""
        rows = []
        for start in range(0, self.options.keep, COLUMNS):
            places = self.order[start : min(start + COLUMNS, self.options.keep)]
            heads = [f"seed {self.candidates[place]}: {self.quantile(place):.0%}" for place in places]
            captions = [("kept", self.options.by)]
            title = f"{self.model}: {self.title}\n{EXPLAINED}" if not start else ""
            images = [self.images[start : start + len(places)]]
            rows.append(captioned_grid(images, captions, title, heads, [np.zeros(len(places), bool)]))
        return stacked(rows)

    def save(self, out: Path | str) -> None:
        """Write OUT/seed0000.png and on, OUT/pick.png with all of them, and OUT/pick.json."""
        out = Path(out)
        clear(out, ("pick.json", "pick.png"), self.seeds)
        for seed, pixels in zip(self.seeds, self.images, strict=True):
            save_png(out / f"seed{seed:04d}.png", pixels, f"{self.model}, seed {seed}")
        write_atomically(out / "pick.png", png_bytes(self.sheet(), self.model))
        write_atomically(out / "pick.json", json.dumps(self.to_dict(), indent=1, sort_keys=True).encode())


def picked(host: Host, generator: Generator, options: PickOptions) -> Pick:
    """Pick among candidates; see `polarprior.pick`."""
    seeds: list[int] = as_seeds(options.seeds).tolist()
    latents = generator.prior.draw(seeds, options.label)
    generator.check(latents)
    k = min(K_IF_ANY, generator.rank_bound) if options.k is None else options.k
    check_k(k, generator.rank_bound)
    jacobian_fn = host.jacobian_fn(generator, options.space)
    spectra = Candidates(generator, jacobian_fn, options.space, k, options.tol, options.progress)(latents)
    scores = _scores(spectra, options.by)
    known = scores[np.isfinite(scores)]
    if len(known) < options.keep:
        raise PolarPriorError(
            f"keep: got {options.keep}, and {len(known)} of {len(seeds)} candidates have {k} nonzero singular values",
            f"use a smaller one, such as k={max(1, k // 2)}",
        )
    spread = float(known.std())
    rho = options.rho if options.tilt is None else options.tilt / spread if spread else 0.0
    assert rho is not None  # one of both was asked for
    weights = polarity_weights(scores, rho)
    if options.best:
        order = np.argsort(
            -np.sign(rho) * np.where(np.isfinite(scores), scores, -np.sign(rho) * np.inf), kind="stable"
        )
    else:
        order = drawn_order(weights.log, latent_hash(latents.z))
    found = Pick(
        generator=generator,
        options=options,
        candidates=seeds,
        spectra=spectra,
        scores=scores,
        rho=rho,
        order=order.tolist(),
        ess=weights.ess,
        limits=(_reach(scores, -1, options.keep, spread), _reach(scores, 1, options.keep, spread)),
    )
    _refuse_or_warn(found)
    return found


def _scores(spectra: CandidateSpectra, by: str) -> np.ndarray:
    if by == "log-volume":
        return spectra.log_volume
    return RANKS[by](spectra.log_sigma)


def _reach(scores: np.ndarray, sign: int, keep: int, spread: float) -> float:
    """The rho of a sign, furthest from 0, at which the ESS is still twice what is kept; 0 where it never is."""
    known = scores[np.isfinite(scores)]
    if not spread or len(known) < 2 * keep:
        return 0.0
    near, far = 0.0, STRONGEST / spread
    if polarity_weights(known, sign * far).ess >= 2 * keep:
        return sign * far
    for _ in range(HALVINGS):
        middle = (near + far) / 2
        near, far = (middle, far) if polarity_weights(known, sign * middle).ess >= 2 * keep else (near, middle)
    return sign * near


def _refuse_or_warn(found: Pick) -> None:
    """PolarPriorError where more is kept than half of the effective candidates, or with force a warning."""
    options = found.options
    if options.best or options.keep <= found.ess / 2:
        return
    name, unit = ("rho", 1.0) if options.tilt is None else ("tilt", float(found.scores.std()))
    got = found.rho * unit
    end = floor_to((found.limits[0] if found.rho < 0 else found.limits[1]) * unit)
    what = (
        f"{name}: got {got:g}, at which {len(found.candidates)} candidates are worth {found.ess:.1f}, "
        f"expected twice the {options.keep} that are kept: they would hardly be the polarity's"
    )
    if not options.force:
        nearer = f"use {name}={end:g}, " if end else ""
        raise PolarPriorError(what, f"{nearer}name more candidates, keep fewer, or go on with force=True")
    warn(what)
