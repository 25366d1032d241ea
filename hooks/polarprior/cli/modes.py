"""`polarprior modes`: what a model's modes and anti-modes look like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from polarprior.cli.options import (
    NumberList,
    bank_option,
    class_option,
    force_option,
    k_option,
    label_of,
    loading_options,
    model_argument,
    open_model_and_bank,
    trunc_option,
)


@click.command()
@model_argument
@bank_option
@click.option("-n", "n", type=int, default=8, show_default=True, help="How many (a class).")
@click.option("--anti", is_flag=True, help="Anti-modes: the highest log-volumes.")
@click.option("--per-class", is_flag=True, help="Of each class of the bank.")
@click.option("--polarity", "rho", type=float, help="Draw at this rho instead, see --force.")
@click.option(
    "--seeds", "seed_list", type=NumberList(), help="With --polarity: stock seeds; 0 to N - 1 if not given."
)
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
@trunc_option
@k_option
@force_option
@loading_options
def modes(
    model: str,
    bank_path: Path | None,
    n: int,
    anti: bool,
    per_class: bool,
    rho: float | None,
    seed_list: list[int] | None,
    reference: str | None,
    neighbours: int,
    out: Path,
    class_name: str | None,
    trunc: float | None,
    k: int | None,
    force: bool,
    **loading: Any,
) -> None:
    """The latents of lowest log-volume in the bank of MODEL as pictures: OUT/modes.png and modes.json.

    They are the extremes of this bank: the law at a rho that would draw nothing else is beyond what a bank can show.
    """
    from polarprior.cli.measuring import opened, shape_of
    from polarprior.errors import UsageError
    from polarprior.files import check_writable, write_atomically
    from polarprior.measure import modes as measure
    from polarprior.measure.figures import png_bytes

    check_writable(out / "modes.json")
    if rho is None and (force or seed_list):
        raise UsageError(f"{'--force' if force else '--seeds'}: given without --polarity", "add --polarity=-5")
    if rho is not None and (anti or per_class):
        raise UsageError(f"{'--anti' if anti else '--per-class'}: not with --polarity", "leave one out")
    if per_class and class_name is not None:
        raise UsageError(f"--class: got {class_name!r}, --per-class shows every class", "leave one out")
    real = opened(reference)
    generator, bank = open_model_and_bank(model, bank_path, trunc, **loading)
    label = None if per_class else label_of(generator, class_name)
    if per_class and bank.labels is None:
        raise UsageError("--per-class: the bank has no classes", "leave it out")
    near = measure.NearestReal(real, *shape_of(generator), neighbours) if real else None
    if rho is not None:
        seeds = seed_list or list(range(n))
        groups = [measure.drawn(generator, bank, seeds, rho, label=label, k=k, force=force, reference=near)]
    else:
        labels = sorted(set(bank.labels.tolist())) if per_class and bank.labels is not None else [label]
        groups = [measure.modes(generator, bank, n, anti=anti, label=each, k=k, reference=near) for each in labels]
    about = f"{model}: bank of {len(bank)} latents, k = {bank.info.k if k is None else k}, space {bank.info.space}"
    what = (
        groups[0].title
        if len(groups) == 1
        else f"{'anti-modes' if anti else 'modes'}, a class a row: {measure.EXTREMES}"
    )
    compared = f"\nnearest of {len(real)} images of {reference}, l2 in pixels at 32 x 32 or less" if real else ""
    picture = measure.modes_picture(groups, f"{about}\n{what}{compared}")
    write_atomically(out / "modes.png", png_bytes(picture))
    document = {"model": model, "bank": bank.info.digest, "groups": [group.to_dict() for group in groups]}
    write_atomically(out / "modes.json", json.dumps(document, indent=1, sort_keys=True).encode())
    click.echo(f"{out / 'modes.png'}: {what}")
    for group in groups:
        click.echo(f"seeds {','.join(map(str, group.seeds))}")
