"""A stock script with a click command line, for a GPU."""

import copy
import os

import click
import model
import numpy as np
import torch
import torch.multiprocessing


def numbers(text):
    return [int(part) for part in text.split(",")]


def save(rank, network, seeds, trunc, outdir):
    """One row at a time, as generate scripts do."""
    device = torch.device("cuda", rank)
    network = copy.deepcopy(network).to(device)
    network(z=torch.full([1, 4], float(rank), device=device))  # as a summary of the module would
    for seed in seeds:
        z = torch.from_numpy(np.random.RandomState(seed).randn(1, 4)).to(device)
        np.save(os.path.join(outdir, f"{seed}.npy"), network(z, psi=trunc).cpu().numpy())


@click.command()
@click.option("--network", "path", required=True)
@click.option("--seeds", type=numbers, required=True)
@click.option("--trunc", type=float, default=1, show_default=True)
@click.option("--gpus", type=int, default=1)
@click.option("--outdir", required=True)
def draw(path, seeds, trunc, gpus, outdir):
    """Somebody's own help."""
    network = model.load(path)
    os.makedirs(outdir, exist_ok=True)
    if gpus == 1:
        save(0, network, seeds, trunc, outdir)
    else:
        torch.multiprocessing.set_start_method("spawn")
        torch.multiprocessing.spawn(save, (network, seeds, trunc, outdir), nprocs=gpus)


if __name__ == "__main__":
    draw()
