"""What evaluate.py of NVAE draws, without it: CHECKOUT CHECKPOINT TEMPERATURE NOISE OUT. Writes OUT, an npz.

``batch0`` and ``batch1`` are the decoder's means of the script's first two batches of a hundred, at TEMPERATURE, from
seed 0; ``seed5`` those of three samples from seed 5, at temperature 1; ``rows`` those of the noise [n, K] in the npy
file NOISE, at TEMPERATURE. The tensors of batch norm, by their names, are those that two batches of 16 of that noise
leave in training mode. Nothing of the launcher or of a plugin is in between.
"""

import sys

import numpy as np
import torch
from polarprior.plugin import import_torchvision_without_operators
from torch.nn import functional


def main(checkout, checkpoint, temperature, noise, out):
    sys.path.insert(0, checkout)
    import_torchvision_without_operators()
    torch.Tensor.cuda = lambda self: self
    import distributions
    from model import AutoEncoder
    from thirdparty.inplaced_sync_batchnorm import SyncBatchNormSwish
    from thirdparty.swish import Swish
    from utils import get_arch_cells

    def forward(layer, x):
        own = (layer.running_mean, layer.running_var, layer.weight, layer.bias)
        normal = functional.batch_norm(x, *own, layer.training, layer.momentum, layer.eps)
        return Swish.apply(normal)

    SyncBatchNormSwish.forward = forward
    torch.manual_seed(0)
    content = torch.load(checkpoint, weights_only=False)
    network = AutoEncoder(content["args"], None, get_arch_cells(content["args"].arch_instance))
    network.load_state_dict(content["state_dict"], strict=False)
    network.eval()

    def images(n, at):
        decoded = network.decoder_output(network.sample(n, at))
        return (decoded.mean if isinstance(decoded, torch.distributions.Bernoulli) else decoded.mean()).numpy()

    at = float(temperature)
    with torch.no_grad():
        found = {f"batch{i}": images(100, at) for i in range(2)}
        torch.manual_seed(5)
        found["seed5"] = images(3, 1.0)
        noise = torch.from_numpy(np.load(noise))
        given, used = noise, 0

        def sample_normal(mu, sigma):
            nonlocal used
            part = given[:, used : used + mu[0].numel()].reshape(mu.shape)
            used += mu[0].numel()
            return part * sigma + mu, None

        distributions.sample_normal_jit = sample_normal
        found["rows"] = images(len(given), at)
        assert used == given.shape[1]
        network.train()
        for given in noise[:32].split(16):
            used = 0
            network.sample(len(given), at)
    statistics = {name: each.numpy() for name, each in network.state_dict().items() if ".running_" in name}
    np.savez(out, **found, **statistics)


if __name__ == "__main__":
    main(*sys.argv[1:])
