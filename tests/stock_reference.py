"""Stock pictures without the stock script: CHECKOUT NETWORK SEEDS PSI CLASS FOLDER. Writes FOLDER/seedNNNN.png.

What the scripts of StyleGAN2-ADA and StyleGAN3 do for a seed, with nothing of the launcher or of a plugin in between.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from polarprior.stock.shims.modules import supply_missing_modules


def main(checkout, network, seeds, psi, label, folder):
    supply_missing_modules()
    sys.path.insert(0, checkout)
    import legacy

    with open(network, "rb") as file:
        generator = legacy.load_network_pkl(file)["G_ema"]
    classes = torch.zeros([1, generator.c_dim])
    if label:
        classes[:, int(label)] = 1
    Path(folder).mkdir(exist_ok=True)
    for seed in map(int, seeds.split(",")):
        z = torch.from_numpy(np.random.RandomState(seed).randn(1, generator.z_dim))
        image = generator(z, classes, truncation_psi=float(psi), noise_mode="const", force_fp32=True)
        pixels = (image.permute(0, 2, 3, 1) * 127.5 + 128).clamp(0, 255).to(torch.uint8)
        Image.fromarray(pixels[0].numpy()).save(f"{folder}/seed{seed:04d}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
