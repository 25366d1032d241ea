"""Writes a checkpoint whose batch norm has statistics of draws: ``python -m polarprior_nvae.readjust``.

``evaluate.py --readjust_bn`` takes these statistics anew in each run, from draws that nothing seeds. A bank is for a
network whose weights stay as they are, so a polarity prior needs them in a file.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import click
import polarprior as pp
import torch
from polarprior.plugin import PolarPriorError, ending_the_script, read_checkpoint, writing_atomically
from tqdm import trange

from polarprior_nvae import NAME
from polarprior_nvae.generator import TEMPERATURE
from polarprior_nvae.noise import NoisePrior, group_shapes, groups_of, logits_of

BATCHES, DRAWN = 500, 16
"""Batches, and images of a batch, as evaluate.py has them."""
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def readjust(network: Any, temperature: float) -> None:
    """Take batch norm's statistics from draws at a temperature, as ``set_bn`` of evaluate.py does.

    The draws are those of seeds 0 to 7,999, so that the same network has the same statistics. They are computed in
    float32, without mixed precision, and in one process.

    Args:
        network: a stock AutoEncoder that `generator.fixed` has seen, in eval mode; its statistics change.
        temperature: of every group, above 0.
    """
    shapes, device = group_shapes(network), network.prior_ftr0.device
    prior, normal = NoisePrior.of(shapes), sys.modules[type(network).__module__].Normal
    network.train()
    with torch.no_grad():
        for batch in trange(BATCHES, desc="statistics of batch norm", unit="batch", delay=2, leave=False):
            noise = prior.draw(range(DRAWN * batch, DRAWN * (batch + 1))).z.to(device)
            logits_of(network, groups_of(noise, shapes), normal, temperature)
    network.eval()


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--temp", default=TEMPERATURE, show_default=True, help="The temperature that you will draw at, above 0."
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The checkpoint to write; it must not exist."
)
@click.option("--device", help="Torch device; CUDA where there is one, else the CPU.")
def main(checkpoint: Path, temp: float, out: Path, device: str | None) -> None:
    """Write CHECKPOINT with batch norm readjusted to a temperature, in place of evaluate.py's --readjust_bn.

    With the stock checkout at hand. Build the bank of the new checkpoint, and name it to evaluate.py too.
    """
    with ending_the_script():
        if out.exists():
            raise PolarPriorError(f"--out: {out} exists already", "remove it, or name another file")
        network: Any = pp.load(f"{NAME}:{checkpoint}", device, temperature=temp).network
        readjust(network, temp)
        found = {name: each.cpu() for name, each in network.state_dict().items() if name.endswith(STATISTICS)}
        content = read_checkpoint(checkpoint, [argparse.Namespace])
        content["state_dict"] = {name: found.get(name, each) for name, each in content["state_dict"].items()}
        with writing_atomically(out) as scratch:
            torch.save(content, scratch)


if __name__ == "__main__":
    main()
