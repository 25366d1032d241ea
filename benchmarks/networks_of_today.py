"""Small networks of random weights with the classes that people publish: what the engine meets in them.

Those of diffusers need its package; those of EDM, EDM2, R3GAN, StyleGAN-XL and projected-gan a checkout of each, in a
folder that POLARPRIOR_VENDOR names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

SIZE = 16


class Made(NamedTuple):
    """A network: the module, how it is called on z, the shape of a z, and the dtype that it can be compared in."""

    module: nn.Module
    call: Callable[[Any, Tensor], Tensor]
    shape: tuple[int, ...]
    exact: torch.dtype = torch.float64

    def __call__(self, z: Tensor) -> Tensor:
        """What it makes of z [n, *shape]."""
        return self.call(self.module, z)


class Kind(NamedTuple):
    """A kind of network: what makes one, and how many forward passes a tangent may cost."""

    make: Callable[[], Made]
    most: float = 1.5


def diffusers() -> Any:
    """The package, which would look for a torchvision that does not import beside torch's CPU build."""
    sys.modules.setdefault("torchvision", None)  # type: ignore[arg-type]
    import diffusers

    return diffusers


def unet() -> Made:
    """`UNet2DModel` with attention."""
    network = diffusers().UNet2DModel(
        sample_size=SIZE,
        block_out_channels=(32, 64),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=8,
    )
    return Made(network, lambda net, z: net(z, torch.tensor(500)).sample, (3, SIZE, SIZE))


def conditional_unet() -> Made:
    """`UNet2DConditionModel` on a text of 7 tokens."""
    network = diffusers().UNet2DConditionModel(
        sample_size=SIZE,
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=4,
        cross_attention_dim=32,
    )
    text = torch.randn(1, 7, 32)

    def call(net: Any, z: Tensor) -> Tensor:
        tokens = text.to(z).expand(len(z), -1, -1)
        return net(z, torch.tensor(500), encoder_hidden_states=tokens).sample

    return Made(network, call, (4, SIZE, SIZE))


def autoencoder() -> Made:
    """The decoder of `AutoencoderKL`."""
    network = diffusers().AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=2 * SIZE,
    )
    return Made(network, lambda net, z: net.decode(z).sample, (4, 8, 8))


def tiny_autoencoder() -> Made:
    """The decoder of `AutoencoderTiny`."""
    widths = {"encoder_block_out_channels": (32,) * 3, "decoder_block_out_channels": (32,) * 3}
    blocks = {"num_encoder_blocks": (1,) * 3, "num_decoder_blocks": (1,) * 3}
    network = diffusers().AutoencoderTiny(**widths, **blocks)
    return Made(network, lambda net, z: net.decode(z).sample, (4, 8, 8))


def dit() -> Made:
    """`DiTTransformer2DModel`."""
    network = diffusers().DiTTransformer2DModel(
        num_attention_heads=4,
        attention_head_dim=16,
        in_channels=4,
        out_channels=4,
        num_layers=3,
        sample_size=SIZE,
        patch_size=2,
        num_embeds_ada_norm=10,
        norm_num_groups=8,
    )

    def call(net: Any, z: Tensor) -> Tensor:
        times, classes = torch.full((len(z),), 500), torch.zeros(len(z), dtype=torch.long)
        return net(z, timestep=times, class_labels=classes).sample

    return Made(network, call, (4, SIZE, SIZE))


def edm(kind: str) -> Callable[[], Made]:
    """`SongUNet` or `DhariwalUNet` of EDM."""

    def make() -> Made:
        use_checkout("edm")
        from training import networks  # type: ignore[import-not-found]  # of the checkout

        network = getattr(networks, kind)(
            SIZE, 3, 3, model_channels=32, channel_mult=[1, 2], num_blocks=1, attn_resolutions=[8]
        )
        return Made(network, lambda net, z: net(z, torch.zeros(1).to(z), None), (3, SIZE, SIZE))

    return make


def edm2() -> Made:
    """The `UNet` of EDM2."""
    use_checkout("edm2")
    from training import networks_edm2  # type: ignore[import-not-found]  # of the checkout

    network = networks_edm2.UNet(
        SIZE, 3, 0, model_channels=32, channel_mult=[1, 2], num_blocks=1, attn_resolutions=[8], channels_per_head=16
    )
    shape = (3, SIZE, SIZE)
    return Made(
        network, lambda net, z: net(z, torch.zeros(1).to(z), None), shape, torch.float32
    )  # it names that itself


def fork(plugin: str, words: str, size: int = SIZE) -> Callable[[], Made]:
    """The network that the plugin for forks of StyleGAN writes and loads."""

    def make() -> Made:
        import tempfile

        import polarprior as pp
        from polarprior_stylegan_forks.small import main

        path = Path(tempfile.mkdtemp()) / "net.pkl"
        main([*words.split(), str(path), "--resolution", str(size)], standalone_mode=False)
        generator = pp.load(f"{plugin}:{path}", "cpu")
        shape = tuple(generator.prior.shape)
        return Made(generator.network, lambda _, z: generator.synthesize(z, None), shape, torch.float32)

    return make


class Conditional(nn.Module):
    """A DCGAN of 8 classes, as users write them: the label by `one_hot` beside z."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Unflatten(1, (72, 1, 1)), nn.ConvTranspose2d(72, 128, 4)]
        for inputs, outputs in ((128, 64), (64, 32)):
            layers += [nn.BatchNorm2d(inputs), nn.ReLU(), nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)]
        self.layers = nn.Sequential(*layers, nn.ReLU(), nn.ConvTranspose2d(32, 3, 4, 2, 1), nn.Tanh())

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        """Images of 32 pixels."""
        found: Tensor = self.layers(torch.cat([z, nn.functional.one_hot(label, 8).to(z)], 1))
        return found


def one_hot() -> Made:
    """A conditional DCGAN."""
    return Made(Conditional(), lambda net, z: net(z, torch.full((len(z),), 3)), (64,))


class Tokens(nn.Module):
    """Attention of torch's own between 16 tokens, with a layer norm before it and an RMS norm behind."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(64), nn.MultiheadAttention(64, 4, batch_first=True)
        self.mix = nn.Sequential(nn.RMSNorm(64), nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 12))

    def forward(self, z: Tensor) -> Tensor:
        """Pictures of 8 pixels."""
        tokens = z.reshape(len(z), 16, 64)
        shown = self.norm(tokens)
        found: Tensor = self.mix(tokens + self.attention(shown, shown, shown, need_weights=False)[0])
        return found.reshape(len(z), 3, 8, 8)


def tokens() -> Made:
    """`torch.nn.MultiheadAttention`, layer norm and RMS norm."""
    return Made(Tokens(), lambda net, z: net(z), (1024,))


KINDS = {
    "diffusers UNet2DModel": Kind(unet),
    "diffusers UNet2DConditionModel": Kind(conditional_unet, 2.0),
    "diffusers AutoencoderKL, decoder": Kind(autoencoder),
    "diffusers AutoencoderTiny, decoder": Kind(tiny_autoencoder),
    "diffusers DiTTransformer2DModel": Kind(dit, 2.0),
    "EDM SongUNet": Kind(edm("SongUNet")),
    "EDM DhariwalUNet": Kind(edm("DhariwalUNet")),
    "EDM2 UNet": Kind(edm2),
    "R3GAN": Kind(fork("r3gan", "r3gan --float32")),
    "StyleGAN-XL": Kind(fork("stylegan-xl", "stylegan-xl")),
    "projected-gan, StyleGAN2": Kind(fork("projected-gan", "projected-gan")),
    "projected-gan, FastGAN": Kind(fork("projected-gan", "projected-gan-fastgan", 128)),
    "conditional DCGAN with one_hot": Kind(one_hot),
    "MultiheadAttention, layer and RMS norm": Kind(tokens),
}


def made(name: str) -> Made:
    """A network of `KINDS`, with the same weights each time, in eval mode; layers that begin as zeros have small
    weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = KINDS[name].make()
        with torch.no_grad():
            for parameter in found.module.parameters():
                if not parameter.any():
                    parameter.normal_(0, 0.1)
    found.module.eval().requires_grad_(False)
    return found


def use_checkout(name: str) -> None:
    """Import the modules of a stock checkout from here on."""
    folder = Path(os.environ["POLARPRIOR_VENDOR"]) / name
    if not folder.is_dir():
        raise SystemExit(f"error: no {folder}\nhint: type: make vendor")
    sys.path.insert(0, str(folder))
