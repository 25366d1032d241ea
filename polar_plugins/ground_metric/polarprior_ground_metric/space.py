"""``ground-metric:FILE`` and ``ground-metric:FILE@LABEL``: volume in L phi(x), where M = L'L is a learnt metric."""

from __future__ import annotations

from pathlib import Path

from polarprior.plugin import AskingHost, FeatureMap, Generator, UsageError
from polarprior_training.described_file import SUFFIX

from polarprior_ground_metric import NAME
from polarprior_ground_metric.metric_file import MetricFile


def feature_map(generator: Generator, named: str, host: AskingHost) -> FeatureMap:
    """phi is the map to the space of the file, M its M_0, or M_0 + M_t for the class t that stands behind an @.

    The matrix has as many rows as M has rank. Scales of two classes have nothing to do with each other: compare
    log-volumes within a class.

    Raises:
        PolarPriorError: no such file, it holds no metric, or names code that would have to be run.
        UsageError: its points are no features of images, or of others than this generator's; no such class.
    """
    path, label = _path_and_label(named)
    found = MetricFile.open(Path(path))
    if not found.space or found.space.startswith(f"{NAME}:"):
        raise UsageError(
            f"space: the points of {path} are no features of images (space {found.space!r})",
            "save one with MetricFile(metric, space)",
        )
    labels = {str(each): each for each in found.metric.classes_.tolist()}
    if label is not None and label not in labels:
        raise UsageError(f"space: got class {label!r}, expected one of {', '.join(labels)}", f"use {NAME}:{path}")
    phi = host.feature_map(generator, found.space)
    features = phi(generator(generator.prior.draw([0], 0 if generator.num_classes else None)))
    linear = found.linear(None if label is None else labels[label]).to(features)
    wide = features.shape[1]
    if wide != linear.shape[1]:
        raise UsageError(
            f"space: {path} is of {linear.shape[1]} features, {found.space} of {generator.plugin} has {wide}",
            f"learn one on images of {generator.plugin}",
        )
    return FeatureMap(f"{NAME}:{named}", lambda images: phi(images) @ linear.T)


def _path_and_label(named: str) -> tuple[str, str | None]:
    """FILE and LABEL, each of which may have an @: the longest FILE that there is."""
    for cut in [len(named), *(i for i in reversed(range(len(named))) if named[i] == "@")]:
        if any(Path(named[:cut] + suffix).is_file() for suffix in ("", SUFFIX)):
            return named[:cut], named[cut + 1 :] if cut < len(named) else None
    path, _, label = named.partition("@")
    return path, label or None
