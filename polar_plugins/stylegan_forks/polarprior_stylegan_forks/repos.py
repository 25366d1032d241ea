"""The stock repositories: by what they are known, and what their scripts do."""

from __future__ import annotations

from polarprior.plugin import StockRepo

_TRAINS = "it trains, and training needs the model's own prior"
_VIDEO = "imageio imageio-ffmpeg"

PROJECTED_GAN = StockRepo(
    name="autonomousvision/projected-gan",
    markers=(
        "legacy.py",
        "gen_images.py",
        "gen_video.py",
        "pg_modules/networks_fastgan.py",
        "torch_utils/persistence.py",
    ),
    scripts=("gen_images.py", "gen_video.py", "calc_metrics.py"),
    connect="polarprior_stylegan_forks.seams:connect_projected_gan",
    refusals={"train.py": _TRAINS},
    imports={"dill": "dill", "imageio": _VIDEO, "requests": "requests", "timm": "timm"},
)
STYLEGAN_XL = StockRepo(
    name="autonomousvision/stylegan-xl",
    markers=(
        "legacy.py",
        "gen_images.py",
        "gen_video.py",
        "torch_utils/gen_utils.py",
        "training/networks_stylegan3_resetting.py",
        "torch_utils/persistence.py",
    ),
    scripts=("gen_images.py", "gen_video.py"),
    connect="polarprior_stylegan_forks.seams:connect_stylegan_xl",
    refusals={
        "calc_metrics.py": "it has not been tried: its metrics import networks that have to be downloaded",
        "gen_class_samplesheet.py": "it has not been tried: it imports all that training does",
        "run_inversion.py": "it averages styles, and looks for those of an image",
        "run_stylemc.py": "it looks for a direction among styles of the model's own prior",
        "visualizer.py": "it shows single latents, chosen by hand",
        "train.py": _TRAINS,
    },
    imports={
        "dill": "dill",
        "ftfy": "ftfy",
        "imageio": _VIDEO,
        "regex": "regex",
        "requests": "requests",
        "timm": "timm",
    },
)
R3GAN = StockRepo(
    name="brownvc/R3GAN",
    markers=("legacy.py", "gen_images.py", "R3GAN/Networks.py", "training/networks.py", "torch_utils/persistence.py"),
    scripts=("gen_images.py", "calc_metrics.py"),
    connect="polarprior_stylegan_forks.seams:connect_r3gan",
    refusals={"train.py": _TRAINS},
    imports={"requests": "requests"},
)
