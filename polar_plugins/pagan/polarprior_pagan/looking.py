"""What a PAGAN is like, on held-out images: metrics of its samples and reconstructions, and a sheet of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from polarprior.plugin import (
    PARTS,
    Moments,
    captioned_grid,
    frechet_distance,
    from_uint8,
    inception_score,
    reconstruction_dissimilarity,
    to_uint8,
)
from polarprior_training.augmentations import Augmentation
from torch import Tensor, nn

from polarprior_pagan.data import Images

BATCH = 250
SEED = 1 << 40
"""The seed of the latents and shifts that all looks share: none of a training's."""
COLUMNS = 12

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Judge:
    """Who looks at images [n, C, H, W] in [-1, 1].

    Attributes:
        features: to [n, D], for Frechet distances.
        logits: to [n, classes], where there is a classifier: for Inception scores, RID and agreement.
    """

    features: Map
    logits: Map | None = None


class Looks:
    """Looks at one PAGAN after the other, on the same images and latents.

    Args:
        held: images that no training has seen.
        judge: who looks at them.
        augment: the augmentation whose reconstruction metrics are the `floor`.
        latent_dim: K.
        device: of the networks.

    Attributes:
        floor: RID, agreement and RMSE of a(x) in place of a reconstruction: the paper's row AUG.
    """

    def __init__(
        self,
        held: Images,
        judge: Judge,
        augment: Augmentation,
        latent_dim: int,
        device: torch.device | str = "cpu",
    ):
        self._judge, self._device = judge, device
        self._real = from_uint8(held.pixels)
        noise = torch.Generator().manual_seed(SEED)
        self._z = torch.randn(len(held), latent_dim, generator=noise)
        with torch.no_grad():
            self._moments = Moments.of(self._all(judge.features, self._real))
            self._logits = None if judge.logits is None else self._all(judge.logits, self._real)
            self.floor = self.of_reconstructions(augment(self._real, noise))

    def __call__(self, generator: nn.Module, encoder: nn.Module) -> dict[str, float]:
        """fid and is of samples; rid, rid_deviation, agreement and rmse (pixels of 0 to 255) of the reconstructions
        G(mean of E(x)); those of them that need no classifier where there is none."""
        with torch.no_grad():
            samples = self._all(generator, self._z)
            found = {"fid": frechet_distance(self._moments, self._all(self._judge.features, samples))}
            if self._judge.logits is not None:
                found["is"] = inception_score(self._all(self._judge.logits, samples))
            return found | self.of_reconstructions(self._all(lambda x: generator(encoder(x)[0]), self._real))

    def sheet(self, generator: nn.Module, encoder: nn.Module, title: str) -> Image.Image:
        """Samples; and held-out images above their reconstructions."""
        x, z = self._real[: 2 * COLUMNS], self._z[: 2 * COLUMNS]
        with torch.no_grad():
            seen = x, self._all(lambda each: generator(encoder(each)[0]), x), self._all(generator, z)
        real, again, samples = (to_uint8(each) for each in seen)
        rows = [samples[:COLUMNS], samples[COLUMNS:]]
        captions = [("samples", "of the prior"), ("", "")]
        for part in (slice(COLUMNS), slice(COLUMNS, None)):
            rows += [real[part], again[part]]
            captions += [("images", "held out"), ("again", "G(E(x))")]
        return captioned_grid(rows, captions, title, [""] * COLUMNS, [np.zeros(len(row), bool) for row in rows])

    def _all(self, function: Map, rows: Tensor) -> Tensor:
        return torch.cat([function(part.to(self._device)).cpu() for part in rows.split(BATCH)])

    def of_reconstructions(self, again: Tensor) -> dict[str, float]:
        """rmse, rid, rid_deviation and agreement of images [n, C, H, W] that stand for the held-out ones."""
        found = {"rmse": float(((again - self._real).double() * 127.5).square().mean().sqrt())}
        if self._judge.logits is not None and self._logits is not None and len(again) >= PARTS:
            of_content = reconstruction_dissimilarity(self._logits, self._all(self._judge.logits, again))
            found |= {
                "rid": of_content.dissimilarity,
                "rid_deviation": of_content.deviation,
                "agreement": of_content.agreement,
            }
        return found


def told(metrics: dict[str, float]) -> str:
    """Metrics in a few words, for a progress bar."""
    return ", ".join(f"{name} {value:.3g}" for name, value in metrics.items() if name != "rid_deviation")
