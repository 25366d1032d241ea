"""`polarprior score`: log-volumes of given seeds or of real images, and where they lie among the prior's."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polarprior.cli.options import (
    NumberList,
    bank_option,
    class_option,
    k_option,
    label_of,
    loading_options,
    model_argument,
    open_model_and_bank,
    trunc_option,
)

if TYPE_CHECKING:
    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator


@click.command()
@model_argument
@click.argument("images", required=False)
@click.option("--seeds", "seed_list", type=NumberList(), help="Stock seeds, such as 0-99, in place of images.")
@bank_option
@class_option
@trunc_option
@k_option
@click.option("--space", help="Where volume is measured, without a bank; pixel if not given.")
@click.option("--most", type=click.IntRange(1), help="Of the images the first so many; all if not given.")
@click.option(
    "--sheet",
    type=click.Path(path_type=Path, readable=False),
    help="Draw the images of lowest, middle and highest log-volume there, as PNG.",
)
@loading_options
def score(
    model: str,
    images: str | None,
    seed_list: list[int] | None,
    bank_path: Path | None,
    class_name: str | None,
    trunc: float | None,
    k: int | None,
    space: str | None,
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
    from polarprior.errors import UsageError
    from polarprior.prior.scores import scores

    if (images is None) == (seed_list is None):
        raise UsageError("IMAGES, --seeds: expected one of them", "such as --seeds 0-99")
    if images is None and (most is not None or sheet is not None):
        raise UsageError(f"{'--most' if most is not None else '--sheet'}: given without IMAGES", "leave it out")
    if space is not None and bank_path is not None:
        raise UsageError(f"--space: got {space!r}, the bank says where volume is measured", "leave one of them out")
    generator, bank = _opened(model, bank_path, trunc, space, loading)
    label = label_of(generator, class_name)
    if images is not None:
        _score_images(model, generator, images, most, sheet, (label, bank, k, space or "pixel"))
        return
    assert seed_list is not None
    found = scores(generator, seed_list, label, bank, k, space or "pixel")
    lines = ((each.seed, each.label, f"{each.log_volume:.4f}", each.quantile) for each in found)
    _print("seed,class,log_volume,quantile", lines, len(seed_list), "seed")


def _opened(
    model: str, bank_path: Path | None, trunc: float | None, space: str | None, loading: dict[str, Any]
) -> tuple[Generator, Bank | None]:
    """The generator, and a bank where one is named, or the plugin brings one and no other space is asked for."""
    from polarprior.bank.bank import Bank
    from polarprior.host import default_host

    if bank_path is not None:
        return open_model_and_bank(model, bank_path, trunc, **loading)
    generator = default_host().load(model, trunc=trunc, **loading)
    if generator.default_bank is None or space is not None:
        return generator, None
    bank = Bank.open(generator.default_bank)
    bank.check_fits(generator)
    return generator, bank


def _score_images(
    model: str, generator: Generator, images: str, most: int | None, sheet: Path | None, ranked_by: tuple[Any, ...]
) -> None:
    from polarprior.cli.measuring import shape_of
    from polarprior.files import check_writable, write_atomically
    from polarprior.host import default_host
    from polarprior.measure.figures import png_bytes
    from polarprior.measure.placing import encoder_of, extremes_picture, placed
    from polarprior.measure.reference import open_reference
    from polarprior.prior.scores import Ranking

    encoder_of(generator)
    if sheet is not None:
        check_writable(sheet)
    reference = open_reference(images)
    count = min(most or len(reference), len(reference))
    logits = default_host().feature_map(generator, "classifier-logits") if "classifier" in generator.spaces else None
    rank = Ranking(generator, count, *ranked_by)
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
