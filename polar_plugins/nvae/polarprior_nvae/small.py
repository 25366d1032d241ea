"""Writes a small checkpoint with the stock classes, to try things out: ``python -m polarprior_nvae.small``.

Its weights are random, so its images are noise; everything else is as train.py writes it.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import click
import torch
from polarprior.plugin import ending_the_script, move_cuda_to, use_checkout

from polarprior_nvae.repos import NVAE

ARGUMENTS = {
    "arch_instance": "res_mbconv", "use_se": True, "res_dist": True, "num_x_bits": 8, "num_nf": 0,
    "num_latent_scales": 2, "num_groups_per_scale": 2, "num_latent_per_group": 1, "ada_groups": False,
    "min_groups_per_scale": 1, "num_channels_enc": 4, "num_channels_dec": 4, "num_preprocess_blocks": 2,
    "num_preprocess_cells": 1, "num_cell_per_cond_enc": 1, "num_postprocess_blocks": 2, "num_postprocess_cells": 1,
    "num_cell_per_cond_dec": 1, "num_mixture_dec": 3, "batch_size": 10,
}  # fmt: skip
"""Arguments of train.py: four groups, 4 x 4 twice and 8 x 8 twice, 160 numbers."""
LOUDER = 10


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--dataset", default="mnist", show_default=True, help="mnist, or cifar10 for RGB.")
@click.option("--flows", type=int, default=0, show_default=True, help="Normalising flows, as --num_nf of train.py.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of the random weights.")
def main(path: Path, dataset: str, flows: int, seed: int) -> None:
    """Write a small checkpoint to PATH, with the stock checkout at hand."""
    with ending_the_script():
        use_checkout([NVAE])
    from model import AutoEncoder  # of the checkout
    from utils import get_arch_cells

    arguments = argparse.Namespace(**{**ARGUMENTS, "dataset": dataset, "num_nf": flows})
    if not torch.cuda.is_available():
        move_cuda_to(torch.device("cpu"))  # the flows ask for a GPU
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the stock classes draw their first weights from the global stream
        network = AutoEncoder(arguments, None, get_arch_cells(arguments.arch_instance))
        # As training would have left them: statistics that differ, images and posteriors that the latents change.
        with torch.no_grad():
            for name, tensor in network.state_dict().items():
                if name.endswith("running_mean"):
                    tensor.normal_(0, 0.2)
                elif name.endswith("running_var"):
                    tensor.uniform_(0.3, 1)
            for layer in (network.image_conditional[1], *network.enc_sampler):
                layer.log_weight_norm.add_(math.log(LOUDER))
    torch.save({"epoch": 1, "state_dict": network.state_dict(), "args": arguments}, path)


if __name__ == "__main__":
    main()
