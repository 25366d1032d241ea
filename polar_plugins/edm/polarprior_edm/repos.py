"""The stock repositories of EDM and EDM2: by what they are known, and what their scripts do."""

from __future__ import annotations

from polarprior.plugin import StockRepo

_TRAINS = "it trains, and training needs the model's own prior"
_COMPARES = "it compares pictures that are there already, or draws its own to do so"

EDM = StockRepo(
    name="NVlabs/edm",
    markers=("generate.py", "example.py", "fid.py", "training/networks.py", "torch_utils/persistence.py"),
    scripts=("generate.py",),
    connect="polarprior_edm.seam:connect",
    refusals={
        "example.py": "it shows one grid, of seeds that stand in it",
        "fid.py": _COMPARES,
        "train.py": _TRAINS,
    },
    imports={"requests": "requests", "scipy": "scipy"},
)
EDM2 = StockRepo(
    name="NVlabs/edm2",
    markers=(
        "generate_images.py",
        "reconstruct_phema.py",
        "training/networks_edm2.py",
        "training/encoders.py",
        "torch_utils/persistence.py",
    ),
    scripts=("generate_images.py",),
    connect="polarprior_edm.seam:connect",
    refusals={
        "calculate_metrics.py": _COMPARES,
        "toy_example.py": "its points are no pictures",
        "train_edm2.py": _TRAINS,
    },
    imports={"requests": "requests"},
)
