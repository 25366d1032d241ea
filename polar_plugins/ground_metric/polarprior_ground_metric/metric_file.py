"""The file of a learnt metric, with the signatures that it classifies by. Files of others are read with care."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from polarprior_training.described_file import file_to_write, read_described, save_described
from torch import Tensor

from polarprior_ground_metric.levels import Levels
from polarprior_ground_metric.metric import MultiLevelMetric, Tried
from polarprior_ground_metric.parameters import check_parameters
from polarprior_ground_metric.signatures import Signatures

FORMAT = "polarprior-ground-metric/1"
HINT = "make one: polarprior train ground-metric MODEL --space SPACE --out FILE"
SMALLEST = 1e-12
"""A scale or a gamma is above it, and below its inverse."""
OF_RUNS = ("device", "progress")
"""Parameters that say how something is computed, and nothing of what was learnt."""
CLOSE = 1e-4
"""Shares of the largest number that matrices may be off by."""


@dataclass(frozen=True, eq=False)
class MetricFile:
    """A metric, and what its points are.

    Attributes:
        metric: after `fit`.
        space: of a generator's images, whose features the points are, such as ``perceptual:efficientnet-lite0``;
            empty where they are something else.
        reduction: [d, D], what took those features to the points; None where they are the points.
        described: how a picture becomes a signature, one of `signature_files.OF_PICTURES`; empty where the signatures
            are something else.
    """

    metric: MultiLevelMetric
    space: str = ""
    reduction: Tensor | None = None
    described: str = ""

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
            "settings": {name: _plain(value) for name, value in metric.get_params().items() if name not in OF_RUNS},
            "labels": metric.classes_.tolist(),
            "scale": metric.scale_,
            "gamma": metric.gamma_,
            "tried": [astuple(each) for each in metric.tried_],
            "chosen": metric.tried_.index(metric.chosen_),
            "unsolved": None if math.isnan(metric.unsolved_) else metric.unsolved_,
            "space": self.space,
            "described": self.described,
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


def _plain(value: Any) -> Any:
    """For JSON, where numpy's numbers have no place."""
    return np.asarray(value).tolist()


def _made(path: Path, about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> MetricFile:
    classes, floats = tensors["classes"], {name: each for name, each in tensors.items() if name != "classes"}
    dtypes = {each.dtype for each in floats.values()}
    if dtypes not in ({torch.float32}, {torch.float64}) or classes.dtype != torch.int64:
        raise ValueError(f"tensors of {sorted(map(str, dtypes))}, classes of {classes.dtype}")
    shared, own, points, weights = (floats[name] for name in ("shared", "own", "points", "weights"))
    labels, reduction = _labels(about["labels"]), floats.get("reduction")
    (n, m), dim = weights.shape, len(shared)
    shapes = [tuple(each.shape) for each in (shared, own, points, classes)]
    if shapes != [(dim, dim), (len(labels), dim, dim), (n, m, dim), (n,)]:
        raise ValueError(f"tensors of {shapes}, {len(labels)} labels")
    if reduction is not None and (reduction.ndim != 2 or len(reduction) != dim):
        raise ValueError(f"a reduction of {tuple(reduction.shape)} to {dim} numbers")
    if not bool(((classes >= 0) & (classes < len(labels))).all()):
        raise ValueError(f"classes from {int(classes.min())} to {int(classes.max())} of {len(labels)}")
    _check_matrices(shared, own)
    scale, gamma = float(about["scale"]), float(about["gamma"])
    if not all(SMALLEST < each < 1 / SMALLEST for each in (scale, gamma)):
        raise ValueError(f"scale {scale}, gamma {gamma}")
    settings: dict[str, Any] = {
        name: tuple(each) if isinstance(each, list) else each
        for name, each in about["settings"].items()
        if name not in OF_RUNS
    }
    check_parameters(settings)
    tried = [
        Tried(None if rho_0 is None else float(rho_0), None if rho_t is None else float(rho_t), float(accuracy))
        for rho_0, rho_t, accuracy in about["tried"]
    ]
    metric = MultiLevelMetric(**settings).given(
        labels,
        Levels(shared, own),
        scale,
        gamma,
        Signatures.of(Signatures(points, weights)),
        classes,
        tried,
        tried[int(about["chosen"])],
        math.nan if about.get("unsolved") is None else float(about["unsolved"]),
    )
    return MetricFile(metric, str(about["space"]), reduction, str(about.get("described", "")))


def _labels(given: Any) -> np.ndarray:
    """As in `MultiLevelMetric.classes_`: numbers or words, sorted, each once."""
    labels = np.asarray(given)
    if labels.ndim != 1 or labels.dtype.kind not in "bifU" or len(np.unique(labels)) != len(labels):
        raise ValueError(f"labels {str(given)[:60]}")
    return labels


def _check_matrices(shared: Tensor, own: Tensor) -> None:
    every = torch.cat([shared[None], own])
    largest = float(every.abs().max())
    if largest == 0 or float((every - every.mT).abs().max()) > CLOSE * largest:
        raise ValueError("matrices that are 0 or not symmetric")
    smallest = float(torch.linalg.eigvalsh(every).min())
    if smallest < -CLOSE * largest or not bool(shared.any()):
        raise ValueError(f"an eigenvalue of {smallest:g}")
