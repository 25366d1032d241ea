"""What sample.py of BigGAN-PyTorch draws, without it: CHECKOUT WEIGHTS OUT. Writes OUT, an npz of uint8 images.

``x`` and ``y`` are the first thirty samples in batches of ten, ``rows`` the images of the latents in ``z`` and
``labels``, where OUT.in.npz holds those. Nothing of the launcher or of a plugin is in between.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from polarprior.plugin import import_torchvision_without_operators
from torch import nn


def main(checkout, weights, out):
    sys.path.insert(0, checkout)
    import_torchvision_without_operators()
    import BigGANdeep
    import utils

    utils.Distribution.__torch_function__ = torch._C._disabled_torch_function_impl
    torch.serialization.add_safe_globals([nn.ReLU])
    config = torch.load(f"{weights}/state_dict.pth")["config"]
    utils.seed_rng(0)
    network = BigGANdeep.Generator(**{**config, "skip_init": True, "no_optim": True})
    network.load_state_dict(torch.load(f"{weights}/G_ema.pth"), strict=False)
    z, y = utils.prepare_z_y(10, network.dim_z, config["n_classes"], device="cpu", z_var=0.5)
    network.eval()
    images, labels = [], []
    with torch.no_grad():
        for _ in range(3):
            batch, drawn = utils.sample(network, z, y, {"parallel": False})
            images.append(to_uint8(batch))
            labels.append(drawn.numpy().copy())
        given = Path(f"{out}.in.npz")
        rows = []
        if given.exists():
            known = np.load(given)
            label = torch.from_numpy(known["labels"])
            rows = to_uint8(network(torch.from_numpy(known["z"]), network.shared(label)))
    np.savez(out, x=np.concatenate(images), y=np.concatenate(labels), rows=rows)


def to_uint8(images):
    return np.uint8(255 * (images.numpy() + 1) / 2.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
