"""The same seeds at several polarities: a row of pictures and a line of diagnostics each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from polarprior.bank.bank import Bank
from polarprior.errors import UsageError
from polarprior.generator import Generator
from polarprior.host import default_host
from polarprior.law.diagnostics import Diagnostics
from polarprior.law.limits import floor_to
from polarprior.measure.figures import captioned_grid, to_uint8


@dataclass(frozen=True, eq=False)
class SweepRow:
    """One polarity of a sweep.

    Attributes:
        diagnostics: of this polarity on the bank.
        images: uint8 [seeds, H, W, C].
        moved: bool [seeds], where the draw is another latent than the seed's own.
    """

    diagnostics: Diagnostics
    images: np.ndarray
    moved: np.ndarray


def automatic_polarities(generator: Generator, bank: Bank, **options: Any) -> list[float]:
    """Five polarities: the limits, half of each, and 0; `options` as in `Host.latent_sampler`.

    Raises:
        UsageError: the log-volume is the same everywhere, so that polarity changes nothing.
    """
    lower, upper = default_host().latent_sampler(generator, bank, 0.0, **options).diagnostics.limits
    if not np.isfinite([lower, upper]).all():
        raise UsageError(
            "--polarity: none given, and the log-volume is the same everywhere: polarity changes nothing here",
            "measure volume in another --space, or with another -k",
        )
    values = {floor_to(rho) for rho in (lower, lower / 2, 0.0, upper / 2, upper)}
    return sorted(values)


def sweep(
    generator: Generator,
    bank: Bank,
    polarities: Sequence[float],
    seeds: Sequence[int],
    *,
    label: int | None = None,
    **options: Any,
) -> Iterator[SweepRow]:
    """Pictures of `seeds` at each polarity, with the diagnostics; `options` as in `Host.latent_sampler`."""
    stock = generator.prior.draw(seeds, label)
    for rho in polarities:
        sampler = default_host().latent_sampler(generator, bank, rho, label=label, **options)
        drawn = sampler.redraw(stock.z, stock.label)
        moved = (drawn.z != stock.z).flatten(1).any(1).numpy()
        yield SweepRow(sampler.diagnostics, to_uint8(generator(drawn)), moved)


def sweep_picture(rows: Sequence[SweepRow], seeds: Sequence[int], name: str, sampler: str = "bank") -> Image.Image:
    """One row a polarity, one column a seed; the title says which law was drawn, and by which `sampler`."""
    first = rows[0].diagnostics
    title = (
        f"{name}: sampler {sampler}, bank of {first.rows} latents, k = {first.k}, {first.target}, "
        f"limits of rho {first.limits}.\nA bar marks a seed whose own latent the polarity has replaced."
    )
    return captioned_grid(
        rows=[row.images for row in rows],
        captions=[(f"rho {row.diagnostics.rho:g}", _detail(row.diagnostics)) for row in rows],
        title=title,
        heads=[f"seed {seed}" for seed in seeds],
        marked=[row.moved for row in rows],
    )


def _detail(diagnostics: Diagnostics) -> str:
    return f"|rho|·std {diagnostics.tilt:.2f}\nmean log-volume {diagnostics.mean_log_volume:.1f}"
