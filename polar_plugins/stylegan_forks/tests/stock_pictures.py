"""Stock pictures without the stock script: CHECKOUT NETWORK SEEDS PSI CLASS FOLDER. Writes FOLDER/seedNNNN.png.

What ``gen_images.py`` of the three repositories does for a seed, by the repository's own functions where it has some,
with nothing of the launcher or of a plugin in between but modules that Python no longer has. CLASS may be empty.
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from polarprior.plugin import use_checkout
from polarprior_stylegan_forks.repos import PROJECTED_GAN, R3GAN, STYLEGAN_XL


def main(checkout, network, seeds, psi, label, folder):
    os.environ["POLARPRIOR_VENDOR"] = checkout
    use_checkout([PROJECTED_GAN, STYLEGAN_XL, R3GAN])
    import legacy

    with open(network, "rb") as file:
        generator = legacy.load_network_pkl(file)["G_ema"].requires_grad_(False)
    Path(folder).mkdir(exist_ok=True)
    for seed in map(int, seeds.split(",")):
        if Path(checkout, "torch_utils/gen_utils.py").is_file():
            pixels = of_stylegan_xl(generator, seed, float(psi), int(label) if label else None)
        else:
            pixels = of_others(generator, seed, float(psi), label)
        Image.fromarray(pixels).save(f"{folder}/seed{seed:04d}.png")


def of_stylegan_xl(generator, seed, psi, label):
    from torch_utils import gen_utils

    w = gen_utils.get_w_from_seed(generator, 1, "cpu", psi, seed=seed, class_idx=label)
    return gen_utils.w_to_img(generator, w)[0]


def of_others(generator, seed, psi, label):
    """R3GAN gives its network float64, and neither truncation nor noise."""
    c = torch.zeros([1, generator.c_dim])
    if label:
        c[:, int(label)] = 1
    z = torch.from_numpy(np.random.RandomState(seed).randn(1, generator.z_dim))
    if hasattr(generator, "mapping"):
        image = generator(z.float(), c, truncation_psi=psi, noise_mode="const")
    else:
        image = generator(z, c)
    return (image.permute(0, 2, 3, 1) * 127.5 + 128).clamp(0, 255).to(torch.uint8)[0].numpy()


if __name__ == "__main__":
    main(*sys.argv[1:])
