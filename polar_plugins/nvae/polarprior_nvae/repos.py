"""The stock repository of NVAE: by what it is known, and what its scripts do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.stock.repo import StockRepo

if TYPE_CHECKING:
    from polarprior.stock.run import StockRun


def _connect(run: StockRun) -> None:
    from polarprior_nvae.seam import connect

    connect(run)


NVAE = StockRepo(
    name="NVlabs/NVAE",
    markers=("model.py", "distributions.py", "neural_ar_operations.py", "neural_operations.py", "evaluate.py"),
    scripts=("evaluate.py",),
    connect=_connect,
    refusals={"train.py": "it trains, and training needs the model's own prior"},
)
