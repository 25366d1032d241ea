"""`polarprior score`: log-volumes of given seeds or of real images, and where they lie among the prior's."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polarprior.cli.opening import Want, label_of, open_model
from polarprior.cli.options import (
    bank_option,
    class_option,
    k_option,
    loading_options,
    model_argument,
    settings_options,
)
from polarprior.cli.types import NameList, NumberList

if TYPE_CHECKING:
    from polarprior.generator import Generator


@click.command(short_help="Log-volumes of seeds, or of real images.")
@model_argument
@click.argument("reference", metavar="[IMAGES]", required=False)
@click.option("--seeds", type=NumberList(), help="Stock seeds, such as 0-99, in place of images.")
@bank_option
@class_option
@settings_options
@k_option
@click.option("--space", help="Where volume is measured, without a bank; pixel if not given.")
@click.option(
    "--with",
    "ranks",
    type=NameList(),
    default=(),
    help="Other numbers of a seed's spectrum, a column each: local-rank, the singular values of at least a tenth of "
    "the largest; effective-rank, the exponential of their entropy. None if not given.",
)
@click.option("--most", type=click.IntRange(1), help="Score so many of the images, the first ones; all if not given.")
@click.option(
    "--sheet",
    type=click.Path(path_type=Path, readable=False),
    help="Draw the images of lowest, middle and highest log-volume there, as PNG.",
)
@loading_options
def score(
    model: str,
    reference: str | None,
    seeds: list[int] | None,
    bank: Path | None,
    label: str | None,
    trunc: float | None,
    own: tuple[tuple[str, str], ...],
    k: int | None,
    space: str | None,
    ranks: tuple[str, ...],
    most: int | None,
    sheet: Path | None,
    **loading: Any,
) -> None:
    """Log-volumes as CSV: of stock seeds (seed, class, log_volume in nats, quantile), or of real IMAGES, where the
    model has an encoder (image, log_volume, quantile, rmse, agrees).

    IMAGES is a folder, a zip, an idx file or an .npz. The quantile is the share of the bank (of the class) with a
    lower log-volume: 0 is a mode, 1 an anti-mode. Rows of the bank are not solved again. Where there is no bank, or
    --space is given, the quantile is empty. An image's log-volume is that of its latent E(x): it is worth what the
    reconstruction is, whose rmse (pixels of 0 to 255) and class (1 if a classifier sees the same one) stand beside
    it.
    """
    from polarprior.api.draws import RANK
    from polarprior.errors import UsageError
    from polarprior.host import default_host
    from polarprior.sweeps.scores import scores

    for name in ranks:
        RANK.check("ranks", name)
    if ranks and reference is not None:
        raise UsageError("ranks: given with IMAGES", "leave it out, or name --seeds")
    if (reference is None) == (seeds is None):
        raise UsageError("IMAGES, --seeds: expected one of them", "such as --seeds 0-99")
    if reference is None and (most is not None or sheet is not None):
        raise UsageError(f"{'most' if most is not None else 'sheet'}: given without IMAGES", "leave it out")
    if space is not None and bank is not None:
        raise UsageError(f"space: got {space!r}, the bank says where volume is measured", "leave one of them out")
    want: Want = "welcome" if space is None else "none"
    generator, opened = open_model(model, bank, want, {"trunc": trunc, **dict(own)}, loading)
    host, of_class = default_host(), label_of(generator, label)
    ranked_by = (of_class, opened, k, space or "pixel")
    if reference is not None:
        _score_images(model, generator, reference, most, sheet, ranked_by)
        return
    assert seeds is not None
    found = scores(generator, seeds, *ranked_by, ranks, jacobian_of=host.jacobian_fn)
    lines = (
        (
            each.seed,
            each.label,
            f"{each.log_volume:.4f}",
            each.quantile,
            *(f"{each.ranks[name]:.4f}" for name in ranks),
        )
        for each in found
    )
    columns = [name.replace("-", "_") for name in ranks]
    _print(",".join(["seed,class,log_volume,quantile", *columns]), lines, len(seeds), "seed")


def _score_images(
    model: str, generator: Generator, images: str, most: int | None, sheet: Path | None, ranked_by: tuple[Any, ...]
) -> None:
    from polarprior.files import check_writable, write_atomically
    from polarprior.host import default_host
    from polarprior.images.pictures import png_bytes
    from polarprior.images.reference import open_reference
    from polarprior.sweeps.comparing import shape_of
    from polarprior.sweeps.placing import encoder_of, extremes_picture, placed
    from polarprior.sweeps.scores import Ranking

    encoder_of(generator)
    if sheet is not None:
        check_writable(sheet)
    reference = open_reference(images)
    count = min(most or len(reference), len(reference))
    host, space = default_host(), generator.classifier
    logits = None if space is None else host.feature_map(generator, f"{space}-logits")
    rank = Ranking(generator, count, *ranked_by, jacobian_of=host.jacobian_fn)
    found = []

    def lines() -> Iterable[tuple[object, ...]]:
        for each in placed(generator, reference, count, rank, shape_of(generator), logits):
            found.append(each)
            agrees = None if each.agrees is None else int(each.agrees)
            yield each.name, f"{each.log_volume:.4f}", each.quantile, f"{each.rmse:.2f}", agrees

    _print("image,log_volume,quantile,rmse,agrees", lines(), count, "image")
    if sheet is not None:
        agreeing = [each.agrees for each in found if each.agrees is not None]
        share = f", {sum(agreeing) / len(agreeing):.1%} keep their class" if agreeing else ""
        title = f"{model}: {count} images of {images} by the log-volume of E(x){share}"
        write_atomically(sheet, png_bytes(extremes_picture(found, title), title))


def _print(head: str, lines: Iterable[tuple[object, ...]], count: int, unit: str) -> None:
    """CSV on stdout; nothing is printed before something is known."""
    import csv

    from tqdm import tqdm

    out = csv.writer(sys.stdout, lineterminator="\n")
    for index, cells in enumerate(tqdm(lines, "score", total=count, unit=unit, disable=sys.stdout.isatty())):
        if index == 0:
            out.writerow(head.split(","))
        out.writerow(["" if cell is None else cell for cell in cells])
