"""What draws look like, uncurated, and modes with their nearest training images: Fig. 1, 4, 5, 12 and 16 to 18.

    python benchmarks/paper/pictures.py [--quick]

Seeds 0 to 15 of ``mnist:style`` at rho, and as truncated by psi. Modes and anti-modes of the first bank of
``mnist:wgan``, ``mnist:vae`` and ``mnist:coloured``, each with the 8 nearest training images by pixels.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polarprior as pp
import scene as shared
from data import coloured, grey
from polarprior.images.npz import save_npz
from polarprior.images.pictures import captioned_grid, png_bytes, to_uint8
from polarprior.images.reference import open_reference
from polarprior.sweeps.modes import EXTREMES, ModesOptions, NearestReal, modes, modes_picture
from scene import Scene, experiment
from telling import Results
from torch import Tensor

TILTS, PSIS, SEEDS = (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0), (0.5, 0.6, 0.7, 0.8, 0.9), range(16)
MODELS = ("mnist:wgan", "mnist:vae", "mnist:coloured")
PICTURES = Path(__file__).parents[2] / "docs" / "paper"


def run(quick: bool) -> dict[str, Any]:
    grids = {"samples": _samples()}
    for model in MODELS[::2] if quick else MODELS:
        training = coloured("train", "normal") if model == "mnist:coloured" else grey("train")
        grids[f"modes-{model.partition(':')[2]}"] = _modes(Scene(model), training[:500] if quick else training)
    for name, grid in grids.items():
        if not quick:
            (PICTURES / f"{name}.png").write_bytes(grid)
    return {"pictures": list(grids)}


def _samples() -> bytes:
    """Rows of rho above rows of psi."""
    scene = Scene("mnist:style")
    rows, captions = [], []
    for rho in map(scene.rho_of, TILTS):
        sampler = pp.latent_sampler(scene.generator, scene.bank(0), rho, k=scene.drawn_k, force=True)
        rows.append(to_uint8(scene.generator(sampler.sample(SEEDS))))
        beyond = "" if sampler.diagnostics.within_limits else "\nbeyond the limits"
        captions.append((f"rho {rho:g}", f"ESS {sampler.diagnostics.ess:.0f}{beyond}"))
    for psi in PSIS:
        generator = pp.load(scene.model, "cpu", trunc=psi)
        rows.append(to_uint8(generator(generator.prior.draw(SEEDS))))
        captions.append((f"psi {psi:g}", ""))
    about = f"mnist:style, pixel space, bank of {shared.ROWS} latents, uncurated: stock seeds 0 to 15"
    return png_bytes(captioned_grid(rows, captions, about, [str(s) for s in SEEDS], [np.zeros(16, bool)] * len(rows)))


def _modes(scene: Scene, training: Tensor) -> bytes:
    """Four modes and four anti-modes, each with its neighbours in a row."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.npz"
        save_npz(path, iter([to_uint8(training)]), len(training))
        _, channels, *size = training.shape
        near = NearestReal(open_reference(path), channels, (size[0], size[1]), 8)
        groups = [modes(scene.generator, scene.bank(0), ModesOptions(4, anti), near) for anti in (False, True)]
    about = f"{scene.model}, pixel space, bank of {shared.ROWS} latents: 4 modes, then 4 anti-modes, {EXTREMES}"
    return png_bytes(modes_picture(groups, f"{about}\nnearest of {len(training)} training images, l2 in pixels"))


def tell(results: Results, pictures: Path) -> str:
    """The pictures."""
    shown = "\n\n".join(f"![{name}](paper/{name}.png)" for name in results["pictures"])
    return f"nothing is measured here; look.\n\n{shown}"


if __name__ == "__main__":
    experiment("pictures", "Fig. 1, 4, 5, 12, 16-18", run)
