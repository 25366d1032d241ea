"""Writes a small model in a port's own format, to try things out: ``python -m polarprior_biggan_deep.small``.

Its weights are random, so its images are noise; everything else is as in an official checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import torch
from polarprior.plugin import ending_the_script, use_checkout
from torch import nn

from polarprior_biggan_deep.repos import BIGGAN_PYTORCH

LATENT_DIM = 16


@click.command()
@click.argument("port", type=click.Choice(["package", "repository"]))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--classes",
    type=int,
    default=10,
    show_default=True,
    help="Classes of the package's model; the repository's has 10.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of the random weights.")
def main(port: str, folder: Path, classes: int, seed: int) -> None:
    """Write a small model into FOLDER: of pytorch-pretrained-biggan, or of BigGAN-PyTorch with a checkout at hand."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the stock classes draw their first weights from the global stream
        if port == "package":
            _write_package(folder, classes)
        else:
            with ending_the_script():
                use_checkout([BIGGAN_PYTORCH])
            _write_repository(folder)


def _write_package(folder: Path, classes: int) -> None:
    from pytorch_pretrained_biggan import BigGAN, BigGANConfig

    config = BigGANConfig(
        output_dim=16,
        z_dim=LATENT_DIM,
        class_embed_dim=LATENT_DIM,
        channel_width=4,
        num_classes=classes,
        layers=[(False, 16, 8), (True, 8, 4), (True, 4, 2), (False, 2, 1)],
        attention_layer_position=1,
        n_stats=51,
    )
    model = BigGAN(config)
    label = torch.eye(classes)[:2]
    settle(model, lambda: model(torch.randn(2, LATENT_DIM), label, 1.0))
    (folder / "config.json").write_text(config.to_json_string())
    torch.save(model.state_dict(), folder / "pytorch_model.bin")


def _write_repository(folder: Path) -> None:
    import BigGANdeep  # of the checkout

    config = {
        "model": "BigGANdeep", "dataset": "C10", "resolution": 32, "n_classes": 10, "G_ch": 8, "G_depth": 2,
        "G_attn": "0", "G_shared": True, "shared_dim": LATENT_DIM, "hier": True, "dim_z": LATENT_DIM,
        "G_nl": "relu", "G_activation": nn.ReLU(inplace=False), "ema": True, "G_init": "ortho", "num_G_SVs": 1,
        "D_ch": 8, "D_depth": 2, "D_attn": "0", "D_activation": nn.ReLU(inplace=False),
    }  # fmt: skip
    network = BigGANdeep.Generator(**config, no_optim=True)
    settle(network, lambda: network(torch.randn(2, LATENT_DIM), network.shared(torch.arange(2))))
    critic = BigGANdeep.Discriminator(**config)
    settle(critic, lambda: critic(torch.randn(2, 3, 32, 32), torch.arange(2)))
    torch.save(network.state_dict(), folder / "G_ema.pth")
    torch.save(network.state_dict(), folder / "G.pth")
    torch.save(critic.state_dict(), folder / "D.pth")
    state = {"itr": 0, "epoch": 0, "save_num": 0, "save_best_num": 0, "best_IS": 0, "best_FID": 999999}
    torch.save({**state, "config": config}, folder / "state_dict.pth")


@torch.no_grad()
def settle(network: nn.Module, forward: Callable[[], object], steps: int = 30) -> None:
    """What training would have left: spectral norms that hold, statistics that differ, attention that matters."""
    for _ in range(steps):  # of power iteration
        forward()
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if name.endswith(("running_vars", "stored_var", "running_var")):
            tensor.uniform_(0.3, 1.0)
        elif name.endswith(("running_means", "stored_mean", "running_mean")):
            tensor.normal_(0, 0.2)
        elif name.endswith("gamma"):
            tensor.fill_(0.5)
        elif name.endswith("generator.bn.weight"):
            tensor.fill_(1.0)
        elif name.endswith("generator.bn.bias"):
            tensor.fill_(0.0)


if __name__ == "__main__":
    main()
