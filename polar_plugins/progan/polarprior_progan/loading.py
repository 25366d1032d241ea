"""A Generator from a checkpoint file of either repository."""

from __future__ import annotations

from types import SimpleNamespace

from polarprior.plugin import Generator, Settings, checkpoint_file, read_checkpoint, refusing, use_checkout

from polarprior_progan import NAME, genforce, zoo
from polarprior_progan.generator import generator_of
from polarprior_progan.repos import GAN_ZOO, GENFORCE

_HINT = f"name a checkpoint of {GAN_ZOO.name} (.pt, .pth) or of {GENFORCE.name} (.pth)"


def load(source: str | None, settings: Settings) -> Generator:
    """The generator with averaged weights of a checkpoint, by the classes of the repository that wrote it.

    Raises:
        UsageError: no source, or a setting that ProGAN doesn't have.
        PolarPriorError: no checkout, no file, or no checkpoint of a ProGAN.
    """
    path = checkpoint_file(NAME, source, _HINT)
    with refusing(f"model: {path} holds no generator", _HINT):
        # The zoo's configuration is an object without behaviour; any such object does.
        content = read_checkpoint(path, [(SimpleNamespace, zoo.CONFIGURATION)])
        if "netG" in content:
            use_checkout([GAN_ZOO])
            network, normalises = zoo.network_of(content)
            critic = zoo.discriminator_of(content)
        elif genforce.WEIGHTS & set(content):
            use_checkout([GENFORCE])
            network, normalises = genforce.network_of(content, path.stem), True
            critic = genforce.discriminator_of(content, path.stem)
        else:
            raise ValueError(f"it holds {', '.join(map(str, content))[:60] or 'nothing'}")
    return generator_of(network, settings, normalises, critic)
