"""The draws of a stock script: a sampler that can travel inside a network's hooks."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from polarprior.errors import ending_the_script
from polarprior.host import default_host
from polarprior.stock.polarity import Polarity

if TYPE_CHECKING:
    from torch import Tensor

    from polarprior.generator import Generator, Latents
    from polarprior.law.diagnostics import Diagnostics
    from polarprior.samplers.contract import LatentSampler


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

    def redraw(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """The script's latents z [n, *shape], with their classes int64 [n] where there are any, to those that take
        their place, in the same dtype, on the same device."""
        return self.redraw_both(z, label).z

    def redraw_both(self, z: Tensor, label: Tensor | None = None) -> Latents:
        """The same with their classes, int64 [n] on their device: a joint law draws these as well."""
        with ending_the_script():
            return self._sampler.redraw(z, label)

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
        )

    def __deepcopy__(self, memo: Any) -> StockSampler:
        return self  # draws depend on the stock latent alone: there is no state to copy

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_sampler"}


def _no_images(z: Tensor, label: Tensor | None) -> Tensor:
    raise NotImplementedError("a stock script makes its own images")
