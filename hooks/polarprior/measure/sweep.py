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
from polarprior.measure.figures import captioned_grid, to_uint8
from polarprior.prior.diagnostics import Diagnostics
from polarprior.prior.limits import floor_to, limits_on


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


def automatic_polarities(bank: Bank, k: int | None = None, label: int | None = None) -> list[float]:
    """Five polarities: the limits of the bank (of the class `label`), half of each, and 0.

    Raises:
        UsageError: the log-volume is the same everywhere, so that polarity changes nothing.
    """
    lower, upper = limits_on(bank, k, label)
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


def sweep_picture(rows: Sequence[SweepRow], seeds: Sequence[int], name: str) -> Image.Image:
    """One row a polarity, one column a seed."""
    first = rows[0].diagnostics
    title = (
        f"{name}: draws from a bank of {first.rows} latents, k = {first.k}, limits of rho {first.limits}.\n"
        "A bar marks a seed whose own latent the polarity has replaced."
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
