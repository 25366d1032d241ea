"""What the page asks of a model and its banks: all of it is asked of the public functions."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import polarprior as pp
from polarprior.errors import PolarPriorError
from polarprior.samplers.bank_sampler import WeightedBank
from polarprior.studio import commands
from polarprior.studio.settings import Setting

AT_ONCE = 4
"""Fresh draws between two looks at whether somebody wants to stop."""
NEAREST, MOST_K = 5, 30
STEPS = 25
"""Polarities at which a bank is looked at, from twice one limit to twice the other."""


@dataclass(frozen=True, eq=False)
class Opened:
    """A model with one of its banks.

    Attributes:
        generator: the model, with the settings of the bank.
        bank: spectra of its latents; None where there is none yet.
        path: the bank's file, or its name on the Hub; None for the one that the model brings.
    """

    generator: pp.Generator
    bank: pp.Bank | None
    path: str | Path | None

    @property
    def name(self) -> str:
        """What the page calls it."""
        known = self.generator.settings.given()
        said = ", ".join(f"{name} {value}" for name, value in known.items())
        file = "no bank" if self.bank is None else Path(self.path).name if self.path else "the model's own bank"
        return f"{file} ({said})" if said else file


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of a grid.

    Attributes:
        seed: the stock seed.
        pixels: uint8 [H, W, C].
        became: the seed of the latent that it shows; None where it is no seed's.
        moved: True where the picture is of another latent than the seed's.
        quantile: the share of the bank's rows (of the class) with a lower log-volume; None for what is no row.
    """

    seed: int
    pixels: np.ndarray
    became: int | None
    moved: bool
    quantile: float | None

    @property
    def caption(self) -> str:
        """A line below it."""
        place = "" if self.quantile is None else f", {self.quantile:.0%}"
        return f"{self.seed}{' replaced' if self.moved else ''}{place}"


@dataclass(frozen=True, eq=False)
class Look:
    """One latent, looked at closely.

    Attributes:
        log_volume: l_k, nats.
        quantile: see `Picture`.
        log_sigma: its spectrum, float64 [k].
        mean, std: the bank's, float64 [k] each.
        nearest: seeds of the bank's rows whose spectra are nearest.
        pictures: theirs, uint8 [n, H, W, C].
    """

    log_volume: float
    quantile: float
    log_sigma: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    nearest: list[int]
    pictures: np.ndarray


class Studio:
    """A model and its banks.

    Args:
        opened: the model with each bank.
    """

    def __init__(self, opened: Sequence[Opened]):
        self.opened = list(opened)

    def diagnostics(self, opened: Opened, setting: Setting, rho: float) -> pp.Diagnostics:
        """How far draws at rho can be trusted, with all else as in the setting; the limits are part of it."""
        return self._law(opened, setting, rho).diagnostics

    def _law(self, opened: Opened, setting: Setting, rho: float) -> WeightedBank:
        """The law that the bank sampler draws from, whatever its limits say."""
        assert opened.bank is not None
        options = replace(setting.options, force=True, sampler="bank", label=setting.label, draws=len(setting.seeds))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the page says it in words of its own
            return WeightedBank(opened.bank, rho, options, opened.generator)

    def draw(self, opened: Opened, setting: Setting) -> Iterator[tuple[list[Picture], pp.Diagnostics | None]]:
        """The pictures of a setting, and again whenever there are more: a draw depends on its seed alone.

        Raises:
            PolarPriorError: rho is beyond the limits, or the model fails.
        """
        step = len(setting.seeds) if setting.sampler == "bank" else AT_ONCE
        found: list[Picture] = []
        for start in range(0, len(setting.seeds), step):
            samples = self.samples(opened, replace(setting, seeds=setting.seeds[start : start + step]))
            found += self._pictures(opened, setting, samples)
            yield list(found), samples.diagnostics

    def samples(self, opened: Opened, setting: Setting) -> pp.Samples:
        """What `polarprior.sample` gives for a setting."""
        options = None if setting.rho is None else setting.options
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pp.sample(
                opened.generator, opened.bank, setting.rho, setting.seeds, label=setting.label, options=options
            )

    def _pictures(self, opened: Opened, setting: Setting, samples: pp.Samples) -> Iterator[Picture]:
        places = self._quantiles(opened, setting)
        for seed, pixels, became, moved in zip(
            samples.seeds, samples.images, samples.became, samples.moved, strict=True
        ):
            yield Picture(seed, pixels, became, bool(moved), places.get(seed if became is None else became))

    def _quantiles(self, opened: Opened, setting: Setting) -> dict[int, float]:
        """The quantile of each row of the bank (of the class), by its seed."""
        if opened.bank is None:
            return {}
        rows = opened.bank.rows_of(setting.label)
        volumes = opened.bank.log_volume(setting.k)[rows]
        ranks = np.searchsorted(np.sort(volumes), volumes) / max(1, len(rows) - 1)
        return dict(zip(opened.bank.seeds[rows].tolist(), ranks.tolist(), strict=True))

    def look(self, opened: Opened, setting: Setting, seed: int) -> Look:
        """The latent of a seed: a row of the bank is not solved again."""
        bank, generator = opened.bank, opened.generator
        assert bank is not None
        rows = bank.rows_of(setting.label)
        known, seeds = bank.log_singular_values[rows, : setting.k].astype(np.float64), bank.seeds[rows]
        place = np.flatnonzero(seeds == seed)
        if place.size:
            own = known[place[0]]
        else:
            jacobian_fn = pp.jacobian_fn(generator, bank.info.space, bank.info.domain)
            latents = generator.prior.draw([seed], setting.label)
            own = pp.top_singular_values(jacobian_fn(latents), setting.k).log_sigma[0].numpy()
        away = np.where(np.isfinite(known), known - own, np.inf)
        order = [int(seeds[row]) for row in np.square(away).sum(1).argsort()[: NEAREST + 1] if seeds[row] != seed]
        volumes = bank.log_volume(setting.k)[rows]
        finite = known[np.isfinite(known).all(1)]
        return Look(
            log_volume=float(own.sum()),
            quantile=float((volumes < own.sum()).mean()),
            log_sigma=own,
            mean=finite.mean(0),
            std=finite.std(0),
            nearest=order[:NEAREST],
            pictures=self.pictures(opened, setting, order[:NEAREST]),
        )

    def pictures(self, opened: Opened, setting: Setting, seeds: Sequence[int]) -> np.ndarray:
        """The model's own pictures of seeds, uint8 [n, H, W, C]."""
        return pp.sample(opened.generator, seeds=list(seeds), label=setting.label).images

    def directions(self, opened: Opened, setting: Setting, seed: int, k: int) -> pp.Directions:
        """Where the picture of a seed changes most."""
        space = "pixel" if opened.bank is None else opened.bank.info.space
        return pp.directions(opened.generator, seeds=[seed], k=k, label=setting.label, space=space)

    def over_rho(self, opened: Opened, setting: Setting) -> list[pp.Diagnostics]:
        """The state of a bank at several polarities, from twice one limit to twice the other."""
        limits = self.diagnostics(opened, setting, 0.0).limits
        ends = [end if np.isfinite(end) else 1.0 for end in (abs(limits.lower), limits.upper)]
        places = np.unique(np.concatenate([np.linspace(-2 * ends[0], 0, STEPS), np.linspace(0, 2 * ends[1], STEPS)]))
        return [self.diagnostics(opened, setting, float(rho)) for rho in places]

    def volumes(self, opened: Opened, setting: Setting) -> tuple[np.ndarray, np.ndarray]:
        """Log-volumes of a bank's rows (of the class), nats, and what they weigh at the setting's rho."""
        bank = opened.bank
        assert bank is not None
        rows = bank.rows_of(setting.label)
        kept, weights = self._law(opened, setting, setting.rho or 0.0).on(rows)
        return bank.log_volume(setting.k)[kept], weights

    def cost(self, opened: Opened, label: int | None) -> float:
        """Seconds that a latent of a bank takes, as two of them do after a first one."""
        pp.score(opened.generator, [0], label=label)
        began = time.perf_counter()
        pp.score(opened.generator, [1, 2], label=label)
        return (time.perf_counter() - began) / 2

    def build(self, opened: Opened, rows: int) -> Iterator[str]:
        """Build a bank in a process of its own, and tell what it says; whoever stops listening ends it. What has been
        solved is kept, so that the same call goes on.

        Raises:
            PolarPriorError: it fails.
        """
        k = min(MOST_K, opened.generator.rank_bound)
        words = commands.build(opened.generator, rows, k, self._bank_of(opened))
        words = [sys.executable, "-m", "polarprior", *words]
        building = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        last = ""
        try:
            assert building.stderr is not None
            for line in building.stderr:
                last = line.strip() or last
                yield last
            if building.wait():
                raise PolarPriorError(f"bank: {last}", "the terminal has more")
        finally:
            building.terminate()
            building.wait()

    def with_bank(self, opened: Opened) -> Opened:
        """The same with the bank that `build` has made."""
        path = self._bank_of(opened)
        return replace(opened, bank=pp.Bank.open(path), path=path)

    def _bank_of(self, opened: Opened) -> Path:
        """In the folder where the page was started."""
        return Path(f"{opened.generator.plugin}-{opened.generator.fingerprint[:8]}.safetensors")


def zipped(samples: pp.Samples) -> Path:
    """A zip file of what `polarprior sample` writes."""
    folder = Path(tempfile.mkdtemp(prefix="polarprior-studio-"))
    samples.save(folder / "drawn")
    return Path(shutil.make_archive(str(folder / "drawn"), "zip", folder, "drawn"))
