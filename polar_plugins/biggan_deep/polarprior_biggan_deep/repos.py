"""The stock repository and the package of BigGAN: by what they are known, and what their scripts do."""

from __future__ import annotations

from polarprior.plugin import StockRepo

BIGGAN_PYTORCH = StockRepo(
    name="ajbrock/BigGAN-PyTorch",
    markers=("BigGANdeep.py", "sample.py", "utils.py", "layers.py", "inception_utils.py"),
    scripts=("sample.py",),
    connect="polarprior_biggan_deep.seam:connect",
    refusals={"train.py": "it trains, and training needs the model's own prior"},
    imports={"h5py": "h5py", "torchvision": "torchvision"},
)
PACKAGE = StockRepo(
    name="huggingface/pytorch-pretrained-BigGAN",
    package="pytorch_pretrained_biggan",
    connect="polarprior_biggan_deep.package_seam:connect",
)
