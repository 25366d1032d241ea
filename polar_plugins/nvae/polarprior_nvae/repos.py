"""The stock repository of NVAE: by what it is known, and what its scripts do."""

from __future__ import annotations

from polarprior.plugin import StockRepo

NVAE = StockRepo(
    name="NVlabs/NVAE",
    markers=("model.py", "distributions.py", "neural_ar_operations.py", "neural_operations.py", "evaluate.py"),
    scripts=("evaluate.py",),
    connect="polarprior_nvae.seam:connect",
    refusals={"train.py": "it trains, and training needs the model's own prior"},
    imports={name: name for name in ("lmdb", "matplotlib", "tensorboardX", "torchvision")},
)
