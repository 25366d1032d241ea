"""How a PAGAN is trained. Importing it does not import torch: the command line shows its defaults."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from polarprior.plugin import UsageError

SIZES = (16, 32, 64)
PAIRS = ("width", "channel", "siamese")
RECONSTRUCTIONS = ("pairs", "l1")


@dataclass(frozen=True)
class Recipe:
    """How a PAGAN is trained. The defaults are for digits on a CPU; the paper's own settings are in brackets.

    Attributes:
        size, channels: of the images.
        latent_dim: K (128).
        width: the generator's channels at the bottom (512).
        judge_width: those of the encoder and the discriminators (512).
        deep: 3 x 3 convolutions between the strides of the encoder and the discriminators (yes).
        pairs: how the discriminator of pairs sees them, one of `PAIRS`.
        matching: one of `polarprior_pagan.matching.MATCHINGS`; ``wasserstein`` has gradient penalties in place of
            spectral norms.
        maker: what generator and encoder minimise, one of `polarprior_pagan.matching.MAKERS`.
        reconstruction: ``pairs``, judged; ``l1``, the mean absolute difference times `l1`.
        l1: that factor.
        augment: one of `polarprior_training.augmentations.AUGMENTATIONS`, or ``torch:MODULE:FUNCTION``.
        gain: spectral norm of each layer of the discriminators (1); 0 for none.
        penalty: weight of the gradient penalties of ``wasserstein``.
        independent: these draw a share for each of a pair, eq. 39, in place of one for both, eq. 38.
        judge_steps: steps of the discriminators an iteration (1; 10 for Wasserstein).
        iterations, batch: how many, and images in each (100,000 of 64).
        rate, beta_1, beta_2: of Adam (2e-4, 0 and 0.9).
        average: what an iteration leaves of the averaged weights, which are those that are kept.
        patience: end after so many iterations without a lower Frechet distance, and keep the weights that had the
            lowest; 0 for neither.
        seed: of all that is random.
    """

    size: int = 32
    channels: int = 1
    latent_dim: int = 16
    width: int = 64
    judge_width: int = 32
    deep: bool = False
    pairs: str = "width"
    matching: str = "gan"
    maker: str = "non-saturating"
    reconstruction: str = "pairs"
    l1: float = 10.0
    augment: str = "shift"
    gain: float = 2.0
    penalty: float = 10.0
    independent: bool = False
    judge_steps: int = 1
    iterations: int = 12_000
    batch: int = 64
    rate: float = 4e-4
    beta_1: float = 0.5
    beta_2: float = 0.999
    average: float = 0.999
    patience: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        from polarprior_pagan.matching import MAKERS, MATCHINGS

        for name, value, known in (
            ("size", self.size, SIZES),
            ("pairs", self.pairs, PAIRS),
            ("matching", self.matching, tuple(MATCHINGS)),
            ("maker", self.maker, MAKERS),
            ("reconstruction", self.reconstruction, RECONSTRUCTIONS),
        ):
            if value not in known:
                raise UsageError(
                    f"{name}: got {value!r}, expected one of {', '.join(map(str, known))}",
                    f"use {name}={known[0]}",
                )
        for name in ("latent_dim", "channels", "width", "judge_width"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}: got {getattr(self, name)}, expected 1 or more", "leave it out")
        if self.width % (self.size // 4) or self.judge_width % (self.size // 4):
            raise UsageError(
                f"width, judge_width: got {self.width} and {self.judge_width}, expected multiples of "
                f"{self.size // 4} for {self.size} pixels",
                "use such as width=128, judge_width=64",
            )
        for name, least in (("gain", "0 or more"), ("rate", "above 0"), ("l1", "above 0"), ("penalty", "above 0")):
            value = getattr(self, name)
            if not isfinite(value) or value < 0 or (value == 0 and least == "above 0"):
                raise UsageError(f"{name}: got {value}, expected a number {least}", "leave it out")
