"""`polarprior score`: the log-volume of given seeds, and where it lies among the prior's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

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


@click.command()
@model_argument
@click.option("--seeds", "seed_list", type=NumberList(), required=True, help="Stock seeds, such as 0-99.")
@bank_option
@class_option
@trunc_option
@k_option
@click.option("--space", help="Where volume is measured, without a bank; pixel if not given.")
@loading_options
def score(
    model: str,
    seed_list: list[int],
    bank_path: Path | None,
    class_name: str | None,
    trunc: float | None,
    k: int | None,
    space: str | None,
    **loading: Any,
) -> None:
    """Log-volume of stock seeds as CSV: seed, class, log_volume in nats, and its quantile in the bank.

    The quantile is the share of the bank (of the class) with a lower log-volume: 0 is a mode, 1 an anti-mode. Rows of
    the bank are not solved again. Where there is no bank, or --space is given, the quantile is empty.
    """
    from tqdm import tqdm

    from polarprior.bank.bank import Bank
    from polarprior.errors import UsageError
    from polarprior.host import default_host
    from polarprior.prior.scores import scores

    if space is not None and bank_path is not None:
        raise UsageError(f"--space: got {space!r}, the bank says where volume is measured", "leave one of them out")
    bank: Bank | None = None
    if bank_path is not None:
        generator, bank = open_model_and_bank(model, bank_path, trunc, **loading)
    else:
        generator = default_host().load(model, trunc=trunc, **loading)
        if generator.default_bank is not None and space is None:
            bank = Bank.open(generator.default_bank)
            bank.check_fits(generator)
    label = label_of(generator, class_name)
    lines = scores(generator, seed_list, label, bank, k, space or "pixel")
    head: str | None = "seed,class,log_volume,quantile"
    for line in tqdm(lines, "score", total=len(seed_list), unit="seed", disable=sys.stdout.isatty()):
        if head is not None:  # nothing is printed before something is known
            click.echo(head)
            head = None
        cells = (line.seed, line.label, f"{line.log_volume:.4f}", line.quantile)
        click.echo(",".join("" if cell is None else str(cell) for cell in cells))
