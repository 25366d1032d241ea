"""One bar for all workers."""

from __future__ import annotations

from collections.abc import Sequence

from tqdm import tqdm

from polarprior.building.plan import Unit


def bar(units: Sequence[Unit], missing: Sequence[Unit], progress: bool) -> tqdm:
    """A bar in latents, those that are audited counted once more, with a rate and a time left; on stderr."""
    total, left = (sum(len(unit) for unit in each) for each in (units, missing))
    return tqdm(total=total, initial=total - left, unit="latent", desc="bank", disable=not progress)
