"""The trained networks of `benchmarks/trained`, for the experiments of the paper that want one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from scene import Scene
from torch import Tensor

sys.path.append(str(Path(__file__).parents[1] / "trained"))


def trained_model(family: str) -> str:
    """A family's network of digits, as `polarprior.load` takes it; its checkpoint is built anew from a checkout."""
    from quality import model_of

    return model_of(family, "digits")


def trained_scene(family: str, **options: Any) -> Scene:
    """A scene of it, whose features are of the 28 x 28 pixels that MNIST has.

    Args:
        family: such as stylegan2_ada.
        options: of the `Scene`.
    """
    return Scene(trained_model(family), seen=digits_of, **options)


def digits_of(images: Tensor) -> Tensor:
    """Take of images [n, C, 32, 32] the 28 x 28 pixels that MNIST has, grey; others as they are."""
    from quality import seen

    return seen("digits")(images)
