"""`polarprior pick`: some of a handful of seeds, by their log-volume, without a bank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from polarprior.cli.opening import label_of, open_model
from polarprior.cli.options import class_option, loading_options, model_argument, set_option, tilt_option
from polarprior.cli.types import NumberList
from polarprior.saying import say


@click.command(short_help="Some of a handful of seeds, picked without a bank.")
@model_argument
@click.option(
    "--from", "seeds", type=NumberList(), default="0-63", show_default=True, help="The candidates: stock seeds."
)
@click.option("--keep", type=int, default=8, show_default=True, help="How many of them are kept.")
@click.option("--polarity", "rho", type=float, help="rho: below 0 low log-volumes, above 0 high ones.")
@tilt_option
@click.option(
    "--best", is_flag=True, help="Keep the candidates of lowest log-volume (of highest above 0) rather than draw."
)
@click.option(
    "--by",
    default="log-volume",
    show_default=True,
    help="What rho acts on: log-volume, local-rank (singular values of at least a tenth of the largest) or "
    "effective-rank.",
)
@click.option(
    "--out",
    default="picked",
    show_default=True,
    type=click.Path(path_type=Path, readable=False),
    help="Folder for the pictures and pick.json.",
)
@click.option("-k", "k", type=int, help="Singular values a latent; 30 if not given, as far as the model has them.")
@click.option(
    "--tol",
    type=float,
    help="Largest error of the difference between two log-volumes that is accepted, in nats; a quarter of the "
    "candidates' standard deviation if not given.",
)
@click.option("--space", default="pixel", show_default=True, help="Where volume is measured.")
@class_option
@click.option("--trunc", type=float, help="Truncation; the model's default if not given.")
@set_option("the model's default")
@click.option("--force", is_flag=True, help="Go on where the candidates are too few for that rho.")
@loading_options
def pick(
    model: str,
    out: Path,
    label: str | None,
    trunc: float | None,
    own: tuple[tuple[str, str], ...],
    device: str | None,
    sha256: str | None,
    **given: Any,
) -> None:
    """Pick some of MODEL's stock seeds by their log-volume: OUT/seed0000.png and on, and OUT/pick.json.

    The seeds are printed, for a stock script. They are drawn from the candidates without replacement, one after
    another. That is not the polarity prior of a bank: where all candidates are kept it is the model's own. It is for
    models of which a bank would be too dear, such as one for each prompt. What was solved is kept: another --polarity
    or another --keep costs nothing.
    """
    from polarprior.api.draws import pick as pick_seeds
    from polarprior.files import check_writable
    from polarprior.sweeps.picks import PickOptions

    check_writable(out / "pick.json")
    options = PickOptions(**given, progress=True)
    loading = {"device": device, "sha256": sha256}
    generator, _ = open_model(model, None, "none", {"trunc": trunc, **dict(own)}, loading)
    found = pick_seeds(generator, options, label=label_of(generator, label))
    found.save(out)
    say(",".join(map(str, found.seeds)))
    say(found.summary(), err=True)
    say(f"{out}: {len(found.seeds)} pictures, pick.png and pick.json", err=True)
