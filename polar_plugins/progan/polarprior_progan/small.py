"""Writes a small checkpoint in a repository's own format: ``python -m polarprior_progan.small``.

Its weights are random, so its images are noise; everything else is as in an official checkpoint.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import torch
from polarprior.plugin import ending_the_script, use_checkout

from polarprior_progan.repos import GAN_ZOO, GENFORCE
from polarprior_progan.zoo import accept_whole_betas

LATENT_DIM = 32
GENFORCE_OPTIONS = {"resolution": 16, "z_space_dim": LATENT_DIM, "fmaps_base": 512, "fmaps_max": 32}
"""What the checkout's model zoo has to say of the small model, beside its type."""


@click.command()
@click.argument("repository", type=click.Choice(["zoo", "genforce"]))
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of the random weights.")
def main(repository: str, path: Path, seed: int) -> None:
    """Write a small model, with the checkout at hand.

    Of the zoo PATH is a folder, named as the model is, for eval.py -d and -n; of genforce it is a file NAME.pth.
    """
    with ending_the_script():
        use_checkout([GAN_ZOO if repository == "zoo" else GENFORCE])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the stock classes draw their first weights from the global stream
        (_write_zoo if repository == "zoo" else _write_genforce)(path)


def _write_zoo(folder: Path) -> None:
    from models.progressive_gan import ProgressiveGAN  # of the checkout

    accept_whole_betas(torch.optim)
    folder.mkdir(parents=True, exist_ok=True)
    config = {"dimLatentVector": LATENT_DIM, "depthScale0": 32, "miniBatchStdDev": True, "lossMode": "WGANGP"}
    model = ProgressiveGAN(useGPU=False, **config)
    for depth in (32, 16):
        model.addScale(depth)
    with torch.no_grad():  # as training would have left them: biases that matter, images in [-1, 1]
        for name, parameter in model.netG.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.2)
            if name.startswith("toRGB") and name.endswith("weight"):
                parameter.mul_(0.3)
    model.updateSolversDevice()
    name = folder.name
    model.save(folder / f"{name}_s2_i100.pt")
    (folder / f"{name}_s2_i100_tmp_config.json").write_text("{}")
    (folder / f"{name}_train_config.json").write_text(json.dumps({**config, "attribKeysOrder": None}))


def _write_genforce(path: Path) -> None:
    from models import build_discriminator, build_generator  # of the checkout

    network = build_generator("pggan", **GENFORCE_OPTIONS)
    options = {name: value for name, value in GENFORCE_OPTIONS.items() if name != "z_space_dim"}
    critic = build_discriminator("pggan", **options)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.2)
            if name.startswith("output") and name.endswith("weight"):
                parameter.mul_(0.3)
    torch.save({"generator_smooth": network.state_dict(), "discriminator": critic.state_dict()}, path)


if __name__ == "__main__":
    main()
