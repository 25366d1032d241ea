"""The file of a learnt metric, with the signatures that it classifies by. Files of others are read with care."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from polarprior.training.described_file import file_to_write, read_described, save_described
from torch import Tensor

from polarprior_ground_metric.levels import Levels
from polarprior_ground_metric.metric import MultiLevelMetric, Tried
from polarprior_ground_metric.signatures import Signatures

FORMAT = "polarprior-ground-metric/1"
HINT = "make one: MetricFile(metric).save(path)"


@dataclass(frozen=True, eq=False)
class MetricFile:
    """A metric, and what its points are.

    Attributes:
        metric: after `fit`.
        space: of a generator's images, whose features the points are, such as ``perceptual:efficientnet-lite0``;
            empty where they are something else.
        reduction: [d, D], what took those features to the points; None where they are the points.
    """

    metric: MultiLevelMetric
    space: str = ""
    reduction: Tensor | None = None

    def save(self, path: Path) -> Path:
        """Write it, atomically; the same metric gives the same bytes.

        Returns:
            The file, with its suffix.
        """
        path, metric = file_to_write(path, "metric"), self.metric
        stored, classes = metric.stored()
        tensors = {
            "shared": metric.levels_.shared,
            "own": metric.levels_.own,
            "points": stored.points,
            "weights": stored.weights,
            "classes": classes,
        }
        about = {
            "settings": metric.get_params(),
            "labels": metric.classes_.tolist(),
            "scale": metric.scale_,
            "gamma": metric.gamma_,
            "tried": [astuple(each) for each in metric.tried_],
            "space": self.space,
        }
        save_described(
            path, FORMAT, about, tensors if self.reduction is None else tensors | {"reduction": self.reduction}
        )
        return path

    @classmethod
    def open(cls, path: Path) -> MetricFile:
        """Read one.

        Raises:
            PolarPriorError: no such file, or it holds no metric.
        """
        return read_described(path, FORMAT, "metric", "ground metric", HINT, _made)

    def linear(self, label: Any = None) -> Tensor:
        """L [r, D] of features of `space`, for a class or for all; see `MultiLevelMetric.linear`."""
        own = self.metric.linear(label)
        return own if self.reduction is None else own @ self.reduction


def _made(path: Path, about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> MetricFile:
    shared, own, points, weights, classes = (
        tensors[name] for name in ("shared", "own", "points", "weights", "classes")
    )
    (n, m), dim, labels = weights.shape, len(shared), np.asarray(about["labels"])
    shapes = [tuple(each.shape) for each in (shared, own, points, classes)]
    if shapes != [(dim, dim), (len(labels), dim, dim), (n, m, dim), (n,)] or labels.ndim != 1:
        raise ValueError(f"tensors of {shapes}, {len(labels)} labels")
    if not bool(((classes >= 0) & (classes < len(labels))).all()):
        raise ValueError(f"classes from {int(classes.min())} to {int(classes.max())} of {len(labels)}")
    if bool((weights < 0).any()) or float((weights.sum(1) - 1).abs().max()) > 1e-4:
        raise ValueError("weights that don't sum to 1")
    smallest = float(torch.linalg.eigvalsh(torch.cat([shared[None], own])).min())
    if smallest < -1e-4 * float(shared.abs().max()) or not min(float(about["scale"]), float(about["gamma"])) > 0:
        raise ValueError(f"an eigenvalue of {smallest:g}, scale {about['scale']}, gamma {about['gamma']}")
    settings = {name: tuple(each) if isinstance(each, list) else each for name, each in about["settings"].items()}
    reduction = tensors.get("reduction")
    if reduction is not None and (reduction.ndim != 2 or len(reduction) != dim):
        raise ValueError(f"a reduction of {tuple(reduction.shape)} to {dim} numbers")
    metric = MultiLevelMetric(**settings).given(
        labels,
        Levels(shared, own),
        float(about["scale"]),
        float(about["gamma"]),
        Signatures(points, weights),
        classes,
        [Tried(*each) for each in about["tried"]],
    )
    return MetricFile(metric, str(about["space"]), reduction)
