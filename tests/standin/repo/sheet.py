"""A stock script with an argparse command line, which draws its latents as one batch."""

import argparse
import warnings

import model
import numpy as np
import torch

parser = argparse.ArgumentParser()
parser.add_argument("--network", required=True)
parser.add_argument("--seeds", type=int, nargs="+", required=True)
parser.add_argument("--trunc", type=float, default=1.0)
parser.add_argument("--out", required=True)

if __name__ == "__main__":
    arguments = parser.parse_args()
    warnings.warn("somebody's own warning", stacklevel=1)
    network = model.load(arguments.network).cuda()
    z = torch.tensor(np.stack([np.random.RandomState(seed).randn(4) for seed in arguments.seeds]), device="cuda:0")
    np.save(arguments.out, network(z, arguments.trunc).cpu().numpy())
    print("quartile", np.percentile([1, 2, 3, 4], 25, interpolation="lower"))
