"""The stock repositories of ProGAN: by what they are known, and what their scripts do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.stock.repo import StockRepo

if TYPE_CHECKING:
    from polarprior.stock.run import StockRun


def _connect_zoo(run: StockRun) -> None:
    from polarprior_progan.zoo import connect

    connect(run)


def _connect_genforce(run: StockRun) -> None:
    from polarprior_progan.genforce import connect

    connect(run)


_TRAINS = "it trains, and training needs the model's own prior"

GAN_ZOO = StockRepo(
    name="facebookresearch/pytorch_GAN_zoo",
    markers=("models/progressive_gan.py", "models/base_GAN.py", "models/gan_visualizer.py", "eval.py", "hubconf.py"),
    scripts=("eval.py",),
    connect=_connect_zoo,
    refusals={"train.py": _TRAINS},
)
GENFORCE = StockRepo(
    name="genforce/genforce",
    markers=("models/pggan_generator.py", "models/model_zoo.py", "synthesize.py", "convert_model.py"),
    scripts=("synthesize.py",),
    connect=_connect_genforce,
    refusals={"train.py": _TRAINS, "test.py": "its metrics are those of the model's own prior"},
)
