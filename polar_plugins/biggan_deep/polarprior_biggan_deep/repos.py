"""The stock repository of BigGAN: by what it is known, and what its scripts do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.stock.repo import StockRepo

if TYPE_CHECKING:
    from polarprior.stock.run import StockRun


def _connect(run: StockRun) -> None:
    from polarprior_biggan_deep.seam import connect

    connect(run)


BIGGAN_PYTORCH = StockRepo(
    name="ajbrock/BigGAN-PyTorch",
    markers=("BigGANdeep.py", "sample.py", "utils.py", "layers.py", "inception_utils.py"),
    scripts=("sample.py",),
    connect=_connect,
    refusals={"train.py": "it trains, and training needs the model's own prior"},
)
