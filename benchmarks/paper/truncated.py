"""rho > 0 on truncated models, the paper's largest gain: C.3 of its supplement.

    python benchmarks/paper/truncated.py [--quick]

``mnist:style`` at psi 0.9, 0.7 and 0.5, with banks of each; tilts of 0 to 2 in pixel space and in the classifier's.
"""

from __future__ import annotations

from typing import Any

from pareto import told
from scene import Real, Scene, experiment, polarity_row

PSIS = (0.9, 0.7, 0.5)
TILTS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)


def run(quick: bool) -> dict[str, Any]:
    rows = []
    for space in ("pixel", "mnist:classifier"):
        for psi in PSIS[:1] if quick else PSIS:
            scene = Scene("mnist:style", space, trunc=psi)
            real = Real.test_digits(scene)
            for tilt in TILTS[::3] if quick else TILTS:
                rows.append(polarity_row(scene, real, scene.rho_of(tilt)))
                print(f"psi {psi:g}, {told(rows[-1])}", flush=True)
    return {"rows": rows}


if __name__ == "__main__":
    experiment("truncated", "C.3", run)
