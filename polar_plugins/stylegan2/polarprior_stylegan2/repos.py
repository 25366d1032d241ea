"""The stock repositories of StyleGAN2 and StyleGAN3: by what they are known, and what their scripts do."""

from __future__ import annotations

from polarprior.plugin import StockRepo

_AVERAGES = "it averages styles over thousands of latents, and the average must stay the model's own"
_TRAINS = "it trains, and training needs the model's own prior"

STYLEGAN2_ADA = StockRepo(
    name="NVlabs/stylegan2-ada-pytorch",
    markers=("legacy.py", "generate.py", "style_mixing.py", "training/networks.py", "torch_utils/persistence.py"),
    scripts=("generate.py", "style_mixing.py", "calc_metrics.py"),
    connect="polarprior_stylegan2.seam:connect",
    refusals={"projector.py": _AVERAGES, "train.py": _TRAINS},
    imports={"requests": "requests"},
)
STYLEGAN3 = StockRepo(
    name="NVlabs/stylegan3",
    markers=(
        "legacy.py",
        "gen_images.py",
        "gen_video.py",
        "avg_spectra.py",
        "training/networks_stylegan3.py",
        "torch_utils/persistence.py",
    ),
    scripts=("gen_images.py", "gen_video.py", "calc_metrics.py"),
    connect="polarprior_stylegan2.seam:connect",
    refusals={
        "avg_spectra.py": "its spectra are statistics of the model's own prior",
        "visualizer.py": "it shows single latents, chosen by hand",
        "train.py": _TRAINS,
    },
    imports={"imageio": "imageio imageio-ffmpeg", "requests": "requests"},
)
