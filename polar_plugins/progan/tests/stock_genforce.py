"""What synthesize.py of genforce draws, without it: CHECKOUT NAME WEIGHTS COUNT LATENTS OUT ROWS.

Writes OUT/000000.jpg and on, the script's own COUNT pictures, and ROWS/000000.jpg and on, those of the latents in the
npy file LATENTS. Nothing of the launcher or of a plugin is in between.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from polarprior.plugin import import_torchvision_without_operators


def main(checkout, name, weights, count, latents, out, rows):
    sys.path.insert(0, checkout)
    import_torchvision_without_operators()
    from models import MODEL_ZOO, build_generator
    from utils.visualizer import postprocess_image, save_image

    config = dict(MODEL_ZOO[name])
    config.pop("url")
    network = build_generator(**config)
    network.load_state_dict(torch.load(weights)["generator_smooth"])
    network.eval()

    def save(folder, code):
        Path(folder).mkdir()
        for i, row in enumerate(code):
            with torch.no_grad():
                image = network(row[None])["image"].numpy()
            save_image(f"{folder}/{i:06d}.jpg", postprocess_image(image)[0])

    torch.manual_seed(0)
    save(out, [torch.randn(1, network.z_space_dim)[0] for _ in range(int(count))])
    save(rows, torch.from_numpy(np.load(latents)))


if __name__ == "__main__":
    main(*sys.argv[1:])
