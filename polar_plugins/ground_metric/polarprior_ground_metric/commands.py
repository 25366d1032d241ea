"""``polarprior ground-metric fit`` and ``evaluate``: a metric of a user's own signatures."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click
from polarprior.plugin import say

from polarprior_ground_metric.command import tell_accuracy

if TYPE_CHECKING:
    from polarprior_ground_metric.signature_files import Labelled

PATH = click.Path(path_type=Path, readable=False)
device_option = click.option("--device", default="cpu", show_default=True, help="Torch device, such as cuda.")


@click.group("ground-metric", short_help="A metric of your own sets of points, learnt.")
def ground_metric() -> None:
    """Learn a Wasserstein ground metric from your own signatures, and judge it.

    A signature is a weighted set of points, such as the patches of an image or the frames of a video.
    """


@ground_metric.command()
@click.argument("data", type=PATH)
@click.option("--out", required=True, type=PATH, help="The metric's file, to write.")
@click.option(
    "--points",
    "described",
    type=click.Choice(("patches", "stripes")),
    help="How a picture becomes a signature; pictures need it. patches: its 12 patches of 3 x 3 pixels with most ink "
    "(grey drawings on black); stripes: colours of 6 stripes from top to bottom (persons).",
)
@click.option(
    "--new-classes",
    is_flag=True,
    help="Learn for classes that DATA does not have, such as other persons: no class gets a matrix of its own.",
)
@click.option(
    "--neighbours", default=3, type=click.IntRange(1), show_default=True, help="Nearest signatures that vote."
)
@click.option(
    "--smoothing",
    default=0.05,
    type=float,
    show_default=True,
    help="Weight of the entropy, as a share of the mean squared distance of points; more is faster and blurs.",
)
@click.option(
    "--seed", default=0, type=click.IntRange(0, 2**32 - 1), show_default=True, help="Draws what is held out."
)
@device_option
def fit(
    data: Path,
    out: Path,
    described: str | None,
    new_classes: bool,
    neighbours: int,
    smoothing: float,
    seed: int,
    device: str,
) -> None:
    """Learn a metric in which signatures of a class are near each other.

    DATA is an .npz with arrays points [n, m, d] and labels [n], and weights [n, m] where points differ in weight.
    Where signatures differ in size, points are [p, d], one after the other, with sizes [n], labels [n] and weights
    [p]. Or DATA is a folder of pictures with a folder a class, and --points says how one becomes a signature.
    """
    from polarprior_training.described_file import file_to_write

    from polarprior_ground_metric.metric import MultiLevelMetric
    from polarprior_ground_metric.metric_file import MetricFile
    from polarprior_ground_metric.signature_files import read_signatures

    out = file_to_write(out, "metric")
    given = read_signatures(data, described or "")
    metric = MultiLevelMetric(
        neighbours,
        rho_0=(1.0, 100.0),
        new_classes=new_classes,
        smoothing=smoothing,
        seed=seed,
        device=device,
        progress=True,
    )
    MetricFile(metric.fit(given.signatures, given.labels), described=described or "").save(out)
    tell_accuracy(metric, out)
    protocol = "cmc" if new_classes else "knn"
    say(f"next: polarprior ground-metric evaluate {quote(str(out))} OTHERS --protocol {protocol}")


@ground_metric.command()
@click.argument("metric", type=PATH)
@click.argument("data", type=PATH)
@click.option(
    "--protocol",
    required=True,
    type=click.Choice(("knn", "cmc", "eer")),
    help="knn: accuracy of nearest neighbours. cmc: share of probes whose match is among the r nearest, "
    "and PUR. eer: equal error rate of telling pairs of one label from pairs of two.",
)
@click.option(
    "--gallery",
    type=PATH,
    help="What DATA is compared with, of DATA's kind; without it the signatures that METRIC was learnt from, or DATA "
    "itself with --protocol eer.",
)
@click.option(
    "--neighbours",
    default=3,
    type=click.IntRange(1),
    show_default=True,
    help="Nearest signatures that vote, for knn.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@device_option
def evaluate(
    metric: Path, data: Path, protocol: str, gallery: Path | None, neighbours: int, as_json: bool, device: str
) -> None:
    """Judge a metric on signatures that it has not seen, beside the same distances without it (M = I).

    METRIC is a file of `ground-metric fit`; DATA and --gallery are what that takes.
    """
    from polarprior.plugin import UsageError

    from polarprior_ground_metric.evaluating import evaluated
    from polarprior_ground_metric.metric_file import MetricFile
    from polarprior_ground_metric.signature_files import read_signatures

    opened = MetricFile.open(metric)
    for path in (data, gallery):
        if path is not None and path.suffix != ".npz" and not opened.described:
            raise UsageError(f"data: got {path}, but {metric} was learnt from an .npz", "give signatures in an .npz")

    def read(path: Path) -> Labelled:
        return read_signatures(path, "" if path.suffix == ".npz" else opened.described)

    probes, compared = read(data), None if gallery is None else read(gallery)
    figures = evaluated(opened.metric.moved(device), protocol, probes, compared, neighbours)
    if as_json:
        return say(json.dumps({"protocol": protocol, "signatures": len(probes.labels), "figures": figures}, indent=1))
    for name, row in figures.items():
        told = ", ".join(f"{what} {value:.6g}" for what, value in row.items())
        say(f"{name}: {told}")
    return None
