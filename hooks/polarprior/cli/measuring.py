"""What commands share that compare draws with real images: options, and opening what they name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from polarprior.cli.options import NameList
from polarprior.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from polarprior.generator import Generator
    from polarprior.measure.judging import Judge
    from polarprior.measure.reference import Reference

SPACE = "perceptual:efficientnet-lite0"
OWN = "prior"
"""``--reference prior``: pictures of the model's own prior, where there are no real ones."""
OWN_SEEDS = 1 << 31
"""The first seed of these: far from those of a bank."""

reference_option = click.option(
    "--reference",
    help="Real images: a folder, a zip, an idx file or an .npz; or 'prior', the model's own pictures.",
)


def metric_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--metrics``, ``--metric-space``, ``--samples`` and ``--sets``."""
    for option in (
        click.option(
            "--sets",
            type=int,
            default=3,
            show_default=True,
            help="Sets of draws, each from a part of the bank of its own, for error bars.",
        ),
        click.option("--samples", type=int, default=1000, show_default=True, help="Draws a set."),
        click.option(
            "--metric-space",
            "spaces",
            type=NameList(),
            default=SPACE,
            show_default=True,
            help="Where images are compared; of several, comma-separated, tune aims at the first.",
        ),
        click.option(
            "--metrics",
            type=NameList(),
            default="fid,pr",
            show_default=True,
            help="Some of fid, kid, pr (precision and recall), dc (density, coverage), transport (a debiased "
            "Wasserstein distance), and is (the Inception score, of the classifier SPACE-logits).",
        ),
    ):
        command = option(command)
    return command


def check_measured(reference: str | None, banks: tuple[Path, ...]) -> None:
    """Raise UsageError for `metric_options` without a reference, and for own pictures where models differ."""
    context = click.get_current_context()
    for name, option in {
        "metrics": "--metrics",
        "spaces": "--metric-space",
        "samples": "--samples",
        "sets": "--sets",
    }.items():
        if reference is None and context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            raise UsageError(f"{option}: given without --reference", "name real images, or --reference prior")
    if reference == OWN and len(banks) > 1:
        raise UsageError(
            f"--reference: got prior for {len(banks)} banks, whose models differ", "name real images, or one bank"
        )


def shape_of(generator: Generator) -> tuple[int, tuple[int, int]]:
    """Channels and (height, width) of a generator's pictures; UsageError where they are none."""
    from polarprior.measure.figures import to_uint8

    label = None if generator.num_classes is None else 0
    height, width, channels = to_uint8(generator(generator.prior.draw([0], label))).shape[1:]
    return channels, (height, width)


def open_judge(
    generator: Generator,
    reference: Reference | None,
    label: int | None,
    metrics: tuple[str, ...],
    spaces: tuple[str, ...],
    samples: int,
    sets: int,
) -> Judge:
    """The Judge of a generator's draws.

    Args:
        generator: whose draws are compared.
        reference: real images; the model's own pictures where None, as many as are drawn, at the settings of
            `generator`.
        label: the class of these.
        metrics, spaces, samples, sets: as in `metric_options`.

    Raises:
        UsageError: no such metric or space, or too few samples.
    """
    from tqdm import tqdm

    from polarprior.host import default_host
    from polarprior.measure.judging import SCORE, Judge, check_metrics

    check_metrics(metrics)
    for name, value, least in (("--samples", samples, 10), ("--sets", sets, 1)):
        if value < least:
            raise UsageError(f"{name}: got {value}, expected {least} or more", f"use {name} {least * 100}")
    if sets * samples > OWN_SEEDS:
        raise UsageError(f"--samples: got {samples} in {sets} sets, more than there are seeds", "ask for fewer")
    host = default_host()
    try:
        maps = {space: host.feature_map(generator, space) for space in spaces}
        logits = {space: host.feature_map(generator, f"{space}-logits") for space in spaces if SCORE in metrics}
    except UsageError as error:  # it speaks of a bank's option
        raise UsageError(
            *(part.replace("--space", "--metric-space") for part in (error.message, error.hint))
        ) from None
    count = samples * sets if reference is None else len(reference)

    def real() -> Iterator[Tensor]:
        batches = (
            own_pictures(generator, count, label) if reference is None else reference.batches(*shape_of(generator))
        )
        with tqdm(total=count, unit="image", desc="reference") as bar:
            for images in batches:
                yield images
                bar.update(len(images))

    return Judge(metrics, maps, real(), logits, generator.device)


def own_pictures(generator: Generator, count: int, label: int | None) -> Iterator[Tensor]:
    """Pictures [n, C, H, W] in [-1, 1] of the model's own prior, of seeds from `OWN_SEEDS` on, rounded to 8 bits."""
    from polarprior.measure.figures import to_uint8
    from polarprior.measure.reference import BATCH, scaled

    for start in range(0, count, BATCH):
        seeds = range(OWN_SEEDS + start, OWN_SEEDS + min(start + BATCH, count))
        yield scaled(to_uint8(generator(generator.prior.draw(seeds, label))))


def opened(reference: str | None) -> Reference | None:
    """Real images where `reference` names some; None for ``prior`` and for none."""
    from polarprior.measure.reference import open_reference

    return None if reference in (None, OWN) else open_reference(Path(str(reference)))
