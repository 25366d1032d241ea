"""``polarprior train ground-metric``."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click
from polarprior.plugin import UsageError, loading_options, say

from polarprior_ground_metric import NAME

if TYPE_CHECKING:
    import numpy as np
    import torch
    from polarprior.plugin import Generator, Reference

    from polarprior_ground_metric.metric import MultiLevelMetric

OWN_SEEDS = 1 << 30
"""The first seed of a model's own images: far from those of a bank."""
FEWEST = 3
"""Images of a class."""
FEWEST_ORIGINALS = 4
"""Images that are a class each, with their copies: some are held out."""


@click.command("ground-metric")
@click.argument("model")
@click.option("--space", required=True, help="Whose features are compared, such as perceptual:efficientnet-lite0.")
@click.option("--out", required=True, type=click.Path(path_type=Path, readable=False), help="The metric's file.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, readable=False),
    help="Images: a folder or a zip with a sub-folder a class, an idx file; without classes, or without --data the "
    "model's own, each image is a class with its copies.",
)
@click.option(
    "--images", "most", default=600, type=click.IntRange(12), show_default=True, help="At most, copies among them."
)
@click.option(
    "--copies",
    default=6,
    type=click.IntRange(2),
    show_default=True,
    help="Copies made of an image without a class: mirrored, shifted, with another contrast.",
)
@click.option(
    "--components",
    default=16,
    type=click.IntRange(1),
    show_default=True,
    help="Components that PCA leaves of the features.",
)
@click.option("--clusters", default=8, type=click.IntRange(1), show_default=True, help="Points of an image.")
@click.option("--seed", default=0, type=click.IntRange(0, 2**32 - 1), show_default=True)
@loading_options
def ground_metric(
    model: str,
    space: str,
    out: Path,
    data: Path | None,
    most: int,
    copies: int,
    components: int,
    clusters: int,
    seed: int,
    device: str | None,
    sha256: str | None,
) -> None:
    """A space in which images of a class are near each other, learnt from features of another space.

    Measure volume there with --space ground-metric:OUT: in `polarprior bank build MODEL`, in score, in metrics.
    """
    import polarprior as pp
    from polarprior_training.described_file import file_to_write

    from polarprior_ground_metric.of_images import learnt

    out = file_to_write(out, "metric")
    if space.startswith(f"{NAME}:"):
        raise UsageError(f"space: got {space!r}, expected features that no metric has changed", "use its own --space")
    generator = pp.load(model, device, sha256=sha256)
    phi = pp.feature_map(generator, space)
    pictures, labels, new_classes = _examples(generator, data, most, copies, seed)
    found = learnt(
        phi,
        pictures,
        labels,
        new_classes=new_classes,
        device=generator.device,
        components=components,
        clusters=clusters,
        seed=seed,
        progress=True,
    )
    found.save(out)
    tell_accuracy(found.metric, out)
    k, bank = min(10, len(found.metric.linear()), generator.rank_bound), f"{out.with_suffix('')}-bank"
    say(
        f"next: polarprior bank build {quote(model)} -n 2000 -k {k} --space {quote(f'{NAME}:{out}')} "
        f"--out {quote(bank)}"
    )


def tell_accuracy(metric: MultiLevelMetric, out: Path) -> None:
    """Print how well the metric at `out` judges what was held out, beside plain distances."""
    plain, best = metric.tried_[0].accuracy, metric.chosen_.accuracy
    judged = "R-precision" if metric.new_classes else "accuracy of neighbours"
    say(
        f"{out}: rank {len(metric.linear())}; {judged} on what was held out: {plain:.3f} with M = I, "
        f"{best:.3f} learnt (chosen on it)"
    )


def _examples(
    generator: Generator, data: Path | None, most: int, copies: int, seed: int
) -> tuple[torch.Tensor, np.ndarray, bool]:
    """Choose what the metric learns from: pictures, their classes, and whether classes at its use are new ones."""
    import torch
    from polarprior.plugin import open_reference

    from polarprior_ground_metric.of_images import with_copies

    reference = None if data is None else open_reference(data)
    labels = None if reference is None else reference.labels()
    if reference is not None and labels is not None:
        rows = _drawn(labels, most, seed)
        return _pictures(reference, rows, generator), labels[rows], False
    if most // copies < FEWEST_ORIGINALS:
        raise UsageError(
            f"most: got {most} with {copies} copies each, expected {FEWEST_ORIGINALS * copies} or more",
            f"use most={FEWEST_ORIGINALS * copies}",
        )
    few = _originals(reference, generator, most // copies, seed)
    pictures, labels = with_copies(few, copies, torch.Generator().manual_seed(seed))
    return pictures, labels, True


def _drawn(labels: np.ndarray, most: int, seed: int) -> list[int]:
    """As many images of each class as `most` leaves room for, or all it has; UsageError where it has too few."""
    import numpy as np

    noise = np.random.default_rng(seed)
    names, counts = np.unique(labels, return_counts=True)
    share = most // len(names)
    if len(names) < 2:
        raise UsageError(f"data: one class, {names[0]}, expected two or more", "give a folder with a folder a class")
    if counts.min() < FEWEST:
        raise UsageError(
            f"data: {counts.min()} images of {names[counts.argmin()]}, expected {FEWEST} or more of each class",
            "add some, or leave that class out",
        )
    if share < FEWEST:
        raise UsageError(
            f"most: got {most} for {len(names)} classes, expected {FEWEST} or more of each",
            f"use most={FEWEST * len(names)}",
        )
    rows = [noise.permutation((labels == name).nonzero()[0])[:share] for name in names]
    return sorted(np.concatenate(rows).tolist())


def _originals(reference: Reference | None, generator: Generator, count: int, seed: int) -> torch.Tensor:
    """Real images, drawn at random, or the generator's own."""
    import numpy as np

    if reference is not None:
        if len(reference) < FEWEST_ORIGINALS:
            raise UsageError(
                f"data: got {len(reference)} images, expected {FEWEST_ORIGINALS} or more", "give others, or none"
            )
        rows = np.random.default_rng(seed).permutation(len(reference))[:count]
        return _pictures(reference, sorted(rows.tolist()), generator)
    seeds = np.arange(OWN_SEEDS, OWN_SEEDS + count)
    labels = None if generator.num_classes is None else seeds % generator.num_classes
    return generator(generator.prior.draw(seeds, labels)).cpu()


def _pictures(reference: Reference, rows: list[int], generator: Generator) -> torch.Tensor:
    from polarprior.plugin import from_uint8, shape_of

    return from_uint8(reference.pixels(rows, *shape_of(generator)))
