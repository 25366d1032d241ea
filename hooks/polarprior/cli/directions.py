"""`polarprior directions`: where a picture changes most, as strips and as vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from polarprior.cli.opening import label_of, open_model
from polarprior.cli.options import class_option, loading_options, model_argument, settings_options
from polarprior.cli.types import NumberList
from polarprior.saying import say


@click.command(short_help="The directions in which pictures change most.")
@model_argument
@click.option("--seeds", type=NumberList(), default="0", show_default=True, help="Stock seeds, such as 3 or 0-4.")
@click.option("-k", "k", type=int, default=6, show_default=True, help="Directions of a seed.")
@click.option("--space", default="pixel", show_default=True, help="Where change is measured.")
@click.option("--domain", default="z", show_default=True, help="Where to walk: z, or w, the styles of a StyleGAN.")
@click.option(
    "--span",
    default=2.0,
    show_default=True,
    help="How far a strip goes to both sides, in standard deviations of the prior's numbers.",
)
@click.option("--steps", default=7, show_default=True, help="Pictures of a strip, an odd number.")
@click.option(
    "--out",
    default="directions",
    show_default=True,
    type=click.Path(path_type=Path, readable=False),
    help="Folder for the strips and the vectors.",
)
@class_option
@settings_options
@loading_options
def directions(
    model: str,
    out: Path,
    label: str | None,
    trunc: float | None,
    own: tuple[tuple[str, str], ...],
    device: str | None,
    sha256: str | None,
    **given: Any,
) -> None:
    """Find the directions in which the pictures of MODEL's stock seeds change most.

    OUT/seed0000.png has a strip a direction, the seed in the middle; OUT/directions.safetensors the vectors, to walk
    along them yourself. They are the right singular vectors of the Jacobian: no other step of the same length moves
    the picture more than one along the first.
    """
    from polarprior.api.draws import directions as find
    from polarprior.files import check_writable
    from polarprior.sweeps.directions import DirectionsOptions

    check_writable(out / "directions.json")
    options = DirectionsOptions(**given, progress=True)
    loading = {"device": device, "sha256": sha256}
    generator, _ = open_model(model, None, "none", {"trunc": trunc, **dict(own)}, loading)
    found = find(generator, options, label=label_of(generator, label))
    found.save(out)
    for seed, sigma in zip(found.seeds, found.log_sigma.exp().tolist(), strict=True):
        say(f"seed {seed}: sigma {' '.join(f'{value:.4g}' for value in sigma)}")
    say(f"{out}: {len(found.seeds)} sheets, directions.safetensors and directions.json", err=True)
