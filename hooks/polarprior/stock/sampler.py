"""The draws of a stock script: a sampler that can travel inside a network's hooks."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from polarprior.errors import ending_the_script
from polarprior.host import default_host
from polarprior.samplers.contract import Explained
from polarprior.stock.polarity import Polarity

if TYPE_CHECKING:
    from torch import Tensor

    from polarprior.generator import Generator, Latents
    from polarprior.law.diagnostics import Diagnostics
    from polarprior.samplers.contract import LatentSampler

RECORDED = 100_000
"""Draws whose seeds are remembered, at most."""


class StockSampler:
    """Latents of the polarity prior for a stock script's own.

    Stock scripts copy their networks, and send them to processes that they spawn. What sits in a network's hooks goes
    along: a copy is the same sampler, and in another process it opens its bank again.

    Args:
        polarity: what is asked for.
        generator: of the network; its images are not needed.
        label: the one class that is drawn, or None.
        draws: how many latents will be drawn; 0 where that is not known.
    """

    def __init__(self, polarity: Polarity, generator: Generator, label: int | None, draws: int):
        self._polarity = polarity
        self._generator = replace(generator, synthesize=_no_images, network=None, discriminator=None, encode=None)
        self._label = label
        self._draws = draws
        self._drawn: list[tuple[int | None, int | None]] = []

    def redraw(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """The script's latents z [n, *shape], with their classes int64 [n] where there are any, to those that take
        their place, in the same dtype, on the same device."""
        return self.redraw_both(z, label).z

    def redraw_both(self, z: Tensor, label: Tensor | None = None) -> Latents:
        """The same with their classes, int64 [n] on their device: a joint law draws these as well."""
        from polarprior.generator import Latents

        with ending_the_script():
            drawn = self._sampler.redraw(z, label)
            if isinstance(self._sampler, Explained) and len(self._drawn) + len(z) <= RECORDED:
                stock, found = (self._sampler.seeds_of(each) for each in (Latents(z, label), drawn))
                self._drawn += zip(stock, found, strict=True)
            return drawn

    def record(self) -> dict[str, Any]:
        """The law, and what was drawn from it in this process so far: a pair of seeds a latent, that of the script's
        own and that of the one in its place, None where it is no row of the bank. JSON."""
        described = self._sampler.described() if isinstance(self._sampler, Explained) else {}
        return {"diagnostics": self.diagnostics.to_dict(), "drawn": self._drawn, **described}

    @property
    def diagnostics(self) -> Diagnostics:
        """How far the draws can be trusted."""
        return self._sampler.diagnostics

    @cached_property
    def _sampler(self) -> LatentSampler:
        from polarprior.bank.bank import Bank

        polarity = self._polarity
        return default_host().latent_sampler(
            self._generator,
            Bank.open(polarity.bank),
            polarity.rho,
            label=self._label,
            draws=self._draws,
            force=polarity.force,
            joint=polarity.joint,
            tilt=polarity.tilt,
        )

    def __deepcopy__(self, memo: Any) -> StockSampler:
        return self  # draws depend on the stock latent alone: there is no state to copy

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_sampler"} | {"_drawn": []}


def _no_images(z: Tensor, label: Tensor | None) -> Tensor:
    raise NotImplementedError("a stock script makes its own images")
