"""What eval.py of pytorch_GAN_zoo draws, without it: CHECKOUT MODELS NAME COUNT LATENTS OUT ROWS.

Writes OUT/gen_0.jpg and on, the script's own COUNT pictures, and ROWS/0.jpg and on, those of the latents in the npy
file LATENTS. Nothing of the launcher or of a plugin is in between.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from polarprior.plugin import import_torchvision_without_operators


def main(checkout, models, name, count, latents, out, rows):
    sys.path.insert(0, checkout)
    import_torchvision_without_operators()
    torch.manual_seed(0)
    adam = torch.optim.Adam
    torch.optim.Adam = lambda params, betas, lr: adam(params, lr, (float(betas[0]), float(betas[1])))
    from models.gan_visualizer import GANVisualizer
    from models.progressive_gan import ProgressiveGAN
    from models.utils.config import BaseConfig
    from visualization import np_visualizer

    torch.serialization.add_safe_globals([BaseConfig])
    folder = f"{models}/{name}/{name}"
    visualizer = GANVisualizer(f"{folder}_s2_i100.pt", f"{folder}_train_config.json", ProgressiveGAN, np_visualizer)
    visualizer.exportVisualization(f"{folder}_fullavg.jpg", 32 * 8)  # as many as eval.py shows at that scale
    visualizer.exportDB(out, int(count))
    Path(rows).mkdir()
    for i, row in enumerate(np.load(latents)):
        image = visualizer.model.test(torch.from_numpy(row)[None], getAvG=True)
        np_visualizer.saveTensor(image, visualizer.model.getSize(), f"{rows}/{i}.jpg")


if __name__ == "__main__":
    main(*sys.argv[1:])
