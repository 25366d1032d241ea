"""`polarprior modes`: what a model's modes and anti-modes look like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from polarprior.cli.opening import label_of, open_model_and_bank
from polarprior.cli.options import (
    bank_option,
    class_option,
    force_option,
    k_option,
    loading_options,
    model_argument,
    settings_options,
    tilt_option,
)
from polarprior.cli.types import NumberList
from polarprior.saying import say


@click.command(short_help="Pictures from the ends of a bank's log-volumes.")
@model_argument
@bank_option
@click.option("-n", "n", type=int, default=8, show_default=True, help="How many (a class).")
@click.option("--anti", is_flag=True, help="Anti-modes: the highest log-volumes.")
@click.option("--raw", is_flag=True, help="The ends of the bank alone, without those of a law that holds contrast.")
@click.option("--per-class", is_flag=True, help="Show each class of the bank, a row each.")
@click.option("--polarity", "rho", type=float, help="Draw at this rho instead, see --force.")
@tilt_option
@click.option("--seeds", type=NumberList(), help="With --polarity: stock seeds; 0 to N - 1 if not given.")
@click.option(
    "--reference", help="Real images: the nearest are shown beside each. A folder, a zip, an idx file or an .npz."
)
@click.option("--neighbours", type=int, default=5, show_default=True, help="Nearest real images.")
@click.option(
    "--out",
    default="modes",
    show_default=True,
    type=click.Path(path_type=Path, readable=False),
    help="Folder for modes.png and modes.json.",
)
@class_option
@settings_options
@k_option
@force_option
@loading_options
def modes(
    model: str,
    bank: Path | None,
    out: Path,
    label: str | None,
    trunc: float | None,
    own: tuple[tuple[str, str], ...],
    device: str | None,
    sha256: str | None,
    **given: Any,
) -> None:
    """What MODEL's modes look like: OUT/modes.png and modes.json.

    Two rows: what the lower limit of rho draws most often, with brightness and contrast held as the prior has them,
    and the latents of lowest log-volume in the bank, which lie further out than any law inside the limits draws.
    """
    from polarprior.api.draws import modes as look
    from polarprior.errors import UsageError
    from polarprior.files import check_writable, write_atomically
    from polarprior.images.pictures import png_bytes
    from polarprior.images.reference import open_reference
    from polarprior.sweeps.modes import ModesOptions

    check_writable(out / "modes.json")
    ModesOptions(**given).check()
    if given["per_class"] and label is not None:
        raise UsageError(f"label: got {label!r}, --per-class shows every class", "leave one out")
    if given["reference"] is not None:
        open_reference(given["reference"])  # or an error, before the model is loaded
    generator, opened = open_model_and_bank(model, bank, {"trunc": trunc, **dict(own)}, device=device, sha256=sha256)
    of_class = None if given["per_class"] else label_of(generator, label)
    found = look(generator, opened, ModesOptions(**given, label=of_class))
    write_atomically(out / "modes.png", png_bytes(found.picture()))
    write_atomically(out / "modes.json", json.dumps(found.to_dict(), indent=1, sort_keys=True).encode())
    say(f"{out / 'modes.png'}: {found.title}")
    for group in found.groups:
        say(f"seeds {','.join(map(str, group.seeds))}")
