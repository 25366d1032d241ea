"""The stock repositories of ProGAN: by what they are known, and what their scripts do."""

from __future__ import annotations

from polarprior.plugin import StockRepo

_TRAINS = "it trains, and training needs the model's own prior"

GAN_ZOO = StockRepo(
    name="facebookresearch/pytorch_GAN_zoo",
    markers=("models/progressive_gan.py", "models/base_GAN.py", "models/gan_visualizer.py", "eval.py", "hubconf.py"),
    scripts=("eval.py",),
    connect="polarprior_progan.zoo:connect",
    refusals={"train.py": _TRAINS},
    imports={name: name for name in ("h5py", "imageio", "torchvision")},
)
GENFORCE = StockRepo(
    name="genforce/genforce",
    markers=("models/pggan_generator.py", "models/model_zoo.py", "synthesize.py", "convert_model.py"),
    scripts=("synthesize.py",),
    connect="polarprior_progan.genforce:connect",
    refusals={"train.py": _TRAINS, "test.py": "its metrics are those of the model's own prior"},
    imports={
        "bs4": "beautifulsoup4",
        "cv2": "opencv-python-headless",
        "easydict": "easydict",
        "torchvision": "torchvision",
    },
)
