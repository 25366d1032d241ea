"""What NVAE's encoder says of images, without the plugin: CHECKOUT CHECKPOINT IMAGES OUT. Writes OUT, an npz.

``group0`` and on are the means of the groups' posteriors in the stock AutoEncoder's own forward pass, for each image
of the npy file IMAGES, [n, C, H, W] in [0, 1], alone; nothing is drawn: every group goes on with its mean.
"""

import sys

import numpy as np
import torch
from polarprior.plugin import import_torchvision_without_operators
from torch.nn import functional


def main(checkout, checkpoint, images, out):
    sys.path.insert(0, checkout)
    import_torchvision_without_operators()
    torch.Tensor.cuda = lambda self: self
    import distributions
    import model
    from thirdparty.inplaced_sync_batchnorm import SyncBatchNormSwish
    from utils import get_arch_cells

    def forward(layer, x):
        x = functional.batch_norm(
            x, layer.running_mean, layer.running_var, layer.weight, layer.bias, False, 0.0, layer.eps
        )
        return x * torch.sigmoid(x)

    SyncBatchNormSwish.forward = forward
    content = torch.load(checkpoint, weights_only=False)
    network = model.AutoEncoder(content["args"], None, get_arch_cells(content["args"].arch_instance))
    network.load_state_dict(content["state_dict"], strict=False)
    network.eval()
    means = []

    def no_noise(mu, sigma):
        means.append(mu)  # the forward pass draws from posteriors alone
        return mu, 0 * mu

    distributions.sample_normal_jit = no_noise
    found = []
    with torch.no_grad():
        for image in torch.from_numpy(np.load(images)).split(1):
            means.clear()
            network(image)
            found.append([mean.numpy() for mean in means])
    np.savez(out, **{f"group{i}": np.concatenate(each) for i, each in enumerate(zip(*found, strict=True))})


if __name__ == "__main__":
    main(*sys.argv[1:])
