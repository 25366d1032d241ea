"""What the numbers of a law mean, in words for somebody who meets them for the first time."""

from __future__ import annotations

from polarprior.law.diagnostics import Diagnostics
from polarprior.law.psis import TRUSTED_K_HAT

BEYOND = (
    "Draw beyond the limits: few latents take most of the draws there, so that you see these few, again and again, "
    "and not what the polarity would ask for."
)


def trust(found: Diagnostics) -> list[tuple[str, str, str]]:
    """Name, number and meaning of what says how far draws can be trusted."""
    inside = "the bank supports this polarity" if found.within_limits else "the bank is too small for this polarity"
    light = "no few latents decide" if found.k_hat < TRUSTED_K_HAT else "a few latents decide; don't trust it"
    return [
        ("tilt", f"{found.tilt:+.2f}", "the strength: standard deviations of log-volume; comparable between models"),
        ("effective sample size", f"{found.ess:,.0f} of {found.rows:,}", f"latents that carry the law; {inside}"),
        ("k-hat", f"{found.k_hat:.2f}", f"weight of the tail, below {TRUSTED_K_HAT:g} is good; {light}"),
        (
            "different pictures",
            f"about {found.distinct:,.0f} in {found.draws:,}",
            "a bank is finite, and gives the same latent to several seeds",
        ),
    ]
