"""What a latent sampler is: the answer to `get_latent_sampler`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypedDict, runtime_checkable

from polarprior.arguments import (
    LABEL,
    TILT,
    Domain,
    K,
    check_fields,
    either,
    flag,
    function,
    named_fields,
    several,
    text,
    whole,
)

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from polarprior.generator import Generator, Labels, Latents, Seeds
    from polarprior.law.diagnostics import Diagnostics
    from polarprior.law.image_statistics import Statistic

    Hold = str | Statistic | tuple[str | Statistic, ...]

SAMPLERS = ("bank", "online", "paper-online")
"""The host's own."""
HELD = either(text(), function("images"))


@named_fields
@dataclass(frozen=True)
class SamplerOptions:
    """How a sampler is asked to draw.

    Attributes:
        sampler: its name: one of `SAMPLERS`, or ``PLUGIN`` or ``PLUGIN:NAME``.
        k: singular values in the log-volume; None for all that the bank holds.
        draws: how many latents will be drawn, for the diagnostics; 0 where that is not known.
        label: the class that will be drawn, for the limits and diagnostics; all classes of the bank where None.
        support: the target, ``prior``, ``shell`` or ``clamp``, see `polarprior.law.support`.
        hold: statistics of the image whose distribution must not move: names of
            `polarprior.law.image_statistics`, or functions of images [n, C, H, W] to [n]; one alone as well.
        force: go beyond the limits of rho, with a warning.
        joint: draw classes with the latents, by p(z, c) exp(rho · l) with p(c) the same for all classes of the bank;
            otherwise each latent keeps its class, and weights are within it.
        tilt: in place of rho, which is then tilt / std(l_k) of the class, see `polarprior.law.tilt.rho_at`.
    """

    DOMAINS: ClassVar[dict[str, Domain]] = {
        "sampler": text("use sampler='bank'"),
        "k": K.or_none(),
        "draws": whole(0, 2**40),
        "label": LABEL.or_none(),
        "support": text("use support='prior'"),
        "hold": either(several(HELD, use="use such as hold='brightness'"), HELD),
        "force": flag(),
        "joint": flag(),
        "tilt": TILT.or_none(),
    }

    sampler: str = "bank"
    k: int | None = None
    draws: int = 0
    label: int | None = None
    support: str = "prior"
    hold: Hold = ()
    force: bool = False
    joint: bool = False
    tilt: float | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def held(self) -> tuple[str | Statistic, ...]:
        """`hold`, as several."""
        return (self.hold,) if isinstance(self.hold, str) or callable(self.hold) else tuple(self.hold)


class LawKeywords(TypedDict, total=False):
    """The fields of `SamplerOptions` that say which law is drawn, for functions that take them by name."""

    sampler: str
    k: int | None
    support: str
    hold: Hold
    force: bool
    joint: bool
    tilt: float | None


class SamplerKeywords(LawKeywords, total=False):
    """All fields of `SamplerOptions`, for functions that take them by name."""

    draws: int
    label: int | None


OF_THE_LAW = tuple(LawKeywords.__annotations__)


class LatentSampler(Protocol):
    """Draws from a polarity prior; each draw depends on the stock latent and its label alone."""

    @property
    def diagnostics(self) -> Diagnostics:
        """How far the draws can be trusted."""
        ...

    def redraw(self, z: Tensor, label: Tensor | None = None) -> Latents:
        """z ``[n, *shape]`` from the stock prior (with its labels int64 [n]) to latents of the polarity prior."""
        ...

    def sample(self, seeds: Seeds, label: Labels = None) -> Latents:
        """``redraw(prior.draw(seeds, label))``: n latents."""
        ...


class Redrawing(ABC):
    """A sampler whose `sample` is its `redraw` of stock latents, as the host's own are."""

    _generator: Generator

    @abstractmethod
    def redraw(self, z: Tensor, label: Tensor | None = None) -> Latents:
        """Give latents of the polarity prior for stock latents.

        Args:
            z: ``[n, *shape]``, drawn from the model's own prior.
            label: int64 [n], exactly where the model has classes; it comes back unchanged, unless the law is a joint
                one, ``options.joint``.

        Returns:
            Latents on the device and in the dtype of z.

        Raises:
            UsageError: latents of another shape, or a class that the sampler was not made for.
        """

    def sample(self, seeds: Seeds, label: Labels = None) -> Latents:
        """The latents that stock seeds become, n for n seeds; `label` int or [n] where there are classes."""
        stock = self._generator.prior.draw(seeds, label)
        return self.redraw(stock.z, stock.label)


@runtime_checkable
class Weighted(Protocol):
    """What a LatentSampler that draws rows of a bank may answer besides: how its law weighs them.

    A sweep then draws each of its sets from a part of the bank of its own, and gives it a control: the same
    repetitions without polarity.
    """

    def weighted(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The law on some rows of the bank, as if they were all of it.

        Args:
            rows: int64 [m], ascending, of the class that the sampler was asked for.

        Returns:
            Those of the rows that are in the law's support, int64 [n], and their weights, float64 [n], summing to 1.
        """
        ...


@runtime_checkable
class Explained(Protocol):
    """What a LatentSampler may answer besides: where its draws come from."""

    def seeds_of(self, latents: Latents) -> list[int | None]:
        """The seed of each draw, [n]; None where it is not known, or there is none."""
        ...

    def described(self) -> dict[str, Any]:
        """The law that is drawn, for metadata: JSON."""
        ...
