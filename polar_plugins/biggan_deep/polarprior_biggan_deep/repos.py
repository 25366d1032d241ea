"""The stock repository of BigGAN: by what it is known, and what its scripts do."""

from __future__ import annotations

from polarprior.plugin import StockRepo

BIGGAN_PYTORCH = StockRepo(
    name="ajbrock/BigGAN-PyTorch",
    markers=("BigGANdeep.py", "sample.py", "utils.py", "layers.py", "inception_utils.py"),
    scripts=("sample.py",),
    connect="polarprior_biggan_deep.seam:connect",
    refusals={"train.py": "it trains, and training needs the model's own prior"},
)
