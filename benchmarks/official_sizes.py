"""What a latent costs on networks of the official sizes, with random weights: the official files can't be had here.

POLARPRIOR_VENDOR names the folder with checkouts; the stock classes are built with the official arguments. A tangent
and a cotangent in forward passes, bytes a tangent (what the traced graph holds at its widest moment, computed), from
them a latent by block Lanczos at k = 30, and the memory of the whole process at its widest. On CUDA where there is
one. Those of 256 pixels take minutes on a CPU; --all takes the others as well, about an hour; --only takes those
whose names begin so, and keeps the JSON file's rows of the others.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from statistics import median
from typing import Any

import torch
from polarprior_benchmarks.reporting import Report
from torch import Tensor, nn

Images = Callable[[Tensor], Tensor]

LANCZOS = (64, 60)
"""Tangents and cotangents of block Lanczos at k = 30, see docs/performance.md."""
AT_ONCE = 4
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smallest alone")
    parser.add_argument("--all", action="store_true", help="the large ones as well")
    parser.add_argument("--only", help="networks whose names begin so")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        build, options, _ = NETWORKS[arguments.one]
        print(json.dumps(measure(*build(**options))))
        return
    report = Report()
    for name, (*_, fits) in list(NETWORKS.items())[: 1 if arguments.quick else None]:
        if not name.startswith(arguments.only) if arguments.only else not fits and not arguments.all:
            continue
        # In a process of its own: two checkouts' modules have the same names, and memory is given back.
        done = subprocess.run([sys.executable, __file__, "--one", name], capture_output=True, text=True)
        if done.returncode:
            reason = "\n".join(done.stderr.strip().splitlines()[-1:]) or "killed: it wants more memory than there is"
            report.add(f"{name}: failed", done.returncode, "", "", None, reason)
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        passes = LANCZOS[0] * found["tangent"] + LANCZOS[1] * found["cotangent"]
        report.add(f"{name}: forward pass", found["forward"], "s", "", None, "float32, one image")
        report.add(f"{name}: a tangent", found["tangent"], "forward passes")
        report.add(f"{name}: a cotangent", found["cotangent"], "forward passes")
        report.add(f"{name}: a latent, block-lanczos, k 30", passes, "forward passes")
        report.add(f"{name}: memory a tangent", found["bytes"] / 2**30, "GB")
        report.add(f"{name}: memory in all", found["peak"] / 2**30, "GB", "", None, f"{AT_ONCE} tangents at once")
    report.write(arguments.json, Path(__file__).parent, keep=bool(arguments.only), threads=torch.get_num_threads())


def measure(images: Images, at: Tensor, stock: Callable[[], object]) -> dict[str, float]:
    """Seconds of a forward pass; a tangent and a cotangent in forward passes; bytes a tangent.

    Args:
        images: as the plugin differentiates them.
        at: one latent.
        stock: a forward pass as the stock code makes it.
    """
    from polarprior.jacobian.traced import TracedJacobian

    forward = timed(stock)
    traced = TracedJacobian(images)
    linear_map = traced.at(at)
    programs = next(iter(traced._programs.values()))
    assert programs is not None, "it could not be traced"
    tangents = torch.randn(1, linear_map.input_dim, AT_ONCE, device=DEVICE)
    cotangents = torch.randn(1, linear_map.output_dim, AT_ONCE, device=DEVICE)
    return {
        "forward": forward,
        "tangent": timed(lambda: linear_map.jvp(tangents)) / AT_ONCE / forward,
        "cotangent": timed(lambda: linear_map.vjp(cotangents)) / AT_ONCE / forward,
        "bytes": programs.first.row_bytes,
        "peak": getrusage(RUSAGE_SELF).ru_maxrss * 1024,
    }


def style(plugin: str, resolution: int, width: int) -> tuple[Images, Tensor, Callable[[], object]]:
    """StyleGAN2 or 3, from w."""
    from polarprior.settings import Settings
    from polarprior.stock.checkout import use_checkout
    from polarprior_stylegan2.generator import KINDS, images_of, styles_of

    use_checkout(KINDS[plugin].repos)
    common = {"z_dim": 512, "c_dim": 0, "w_dim": 512, "img_resolution": resolution, "img_channels": 3}
    if plugin == "stylegan3":
        from polarprior_stylegan3.operators import unfused_operators as operators
        from training.networks_stylegan3 import Generator

        network = Generator(**common, mapping_kwargs={"num_layers": 2}, channel_max=512, channel_base=width)
    else:
        from polarprior_stylegan2.operators import unfused_operators as operators
        from training.networks import Generator

        synthesis = {"channel_max": 512, "channel_base": width}
        network = Generator(**common, mapping_kwargs={"num_layers": 8}, synthesis_kwargs=synthesis)
    network = ready(network)

    def images(w: Tensor) -> Tensor:
        with operators(network):
            return images_of(network, w, Settings())

    w = styles_of(network, torch.randn(1, 512, device=DEVICE), None, 1.0)
    return images, w, lambda: images_of(network, w, Settings())


def biggan_deep(resolution: int) -> tuple[Images, Tensor, Callable[[], object]]:
    """The package's, as its configurations of 128, 256 and 512 pixels have it."""
    from polarprior.settings import Settings
    from polarprior_biggan_deep.folding import folded
    from polarprior_biggan_deep.pretrained_biggan import generator_of, stock_pass
    from polarprior_biggan_deep.small import settle
    from pytorch_pretrained_biggan import BigGAN, BigGANConfig

    wide = {128: [], 256: [(False, 8, 8), (True, 8, 8)], 512: [(False, 8, 8), (True, 8, 8)]}[resolution]
    narrow = [(False, 1, 1), (True, 1, 1)] if resolution == 512 else []
    layers = BigGANConfig().layers
    config = BigGANConfig(output_dim=resolution, layers=[*layers[:4], *wide, *layers[4:], *narrow])
    config.attention_layer_position = 8
    network, classes = BigGAN(config), torch.eye(config.num_classes)[:1]
    settle(network, lambda: network(torch.randn(1, config.z_dim), classes, 1.0), steps=6)
    network = ready(network)
    label = torch.zeros(1, dtype=torch.int64, device=DEVICE)
    generator = generator_of(network, Settings(trunc=0.4)).on(torch.device(DEVICE))
    z = generator.prior.draw([0]).z.to(DEVICE)
    stock = stock_pass(generator)
    draw = folded(stock, z, label)
    return lambda z: draw(z, stock.embed(label.expand(len(z)))), z, lambda: generator.synthesize(z, label)


def progan(resolution: int) -> tuple[Images, Tensor, Callable[[], object]]:
    """genforce's."""
    from polarprior.stock.checkout import use_checkout
    from polarprior_progan.repos import GENFORCE

    use_checkout([GENFORCE])
    from models import build_generator

    network = ready(build_generator("pggan", resolution))
    z = torch.randn(1, 512, device=DEVICE)
    return lambda z: network(z)["image"], z, lambda: network(z)


def nvae(**arguments: object) -> tuple[Images, Tensor, Callable[[], object]]:
    """With arguments of train.py, from the noise of all groups."""
    from polarprior.settings import Settings
    from polarprior.stock.checkout import use_checkout
    from polarprior_nvae.generator import fixed, generator_of
    from polarprior_nvae.repos import NVAE
    from polarprior_nvae.small import ARGUMENTS

    use_checkout([NVAE])
    from model import AutoEncoder
    from utils import get_arch_cells

    given = argparse.Namespace(**{**ARGUMENTS, "num_mixture_dec": 10, **arguments})
    network = ready(AutoEncoder(given, None, get_arch_cells(given.arch_instance)))
    fixed(network)
    generator = generator_of(network, Settings()).on(torch.device(DEVICE))
    noise = generator.prior.draw([0]).z.to(DEVICE)
    return lambda z: generator.synthesize(z, None), noise, lambda: generator.synthesize(noise, None)


def ready(network: nn.Module) -> nn.Module:
    return network.eval().requires_grad_(False).to(DEVICE)


def timed(call: Callable[[], object]) -> float:
    """Seconds of a call, the median of three after one to warm up; where that one took over a minute, of one more."""
    first = _seconds(call)
    return median(_seconds(call) for _ in range(1 if first > 60 else 3))


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


NVAE_CIFAR10 = {
    "dataset": "cifar10", "num_latent_scales": 1, "num_groups_per_scale": 30, "num_latent_per_group": 20,
    "num_channels_enc": 128, "num_channels_dec": 128, "num_preprocess_blocks": 1, "num_postprocess_blocks": 1,
    "num_preprocess_cells": 2, "num_postprocess_cells": 2, "num_cell_per_cond_enc": 2, "num_cell_per_cond_dec": 2,
}  # fmt: skip
NVAE_MNIST = {
    "dataset": "mnist", "num_latent_scales": 2, "num_groups_per_scale": 10, "num_latent_per_group": 20,
    "num_channels_enc": 32, "num_channels_dec": 32, "num_preprocess_blocks": 2, "num_postprocess_blocks": 2,
    "num_preprocess_cells": 3, "num_postprocess_cells": 3, "num_cell_per_cond_enc": 2, "num_cell_per_cond_dec": 2,
    "ada_groups": True,
}  # fmt: skip
NETWORKS: dict[str, tuple[Callable[..., tuple[Images, Tensor, Callable[[], object]]], dict[str, Any], bool]] = {
    "stylegan2 config-f 256 (LSUN Church, Cat)": (
        style, {"plugin": "stylegan2", "resolution": 256, "width": 32768}, True
    ),
    "stylegan2 config-f 512 (LSUN Car)": (style, {"plugin": "stylegan2", "resolution": 512, "width": 32768}, False),
    "stylegan2 config-e 1024 (FFHQ)": (style, {"plugin": "stylegan2", "resolution": 1024, "width": 16384}, False),
    "stylegan2 config-f 1024 (FFHQ)": (style, {"plugin": "stylegan2", "resolution": 1024, "width": 32768}, False),
    "stylegan3-t 256 (FFHQ-U)": (style, {"plugin": "stylegan3", "resolution": 256, "width": 16384}, True),
    "stylegan3-t 512 (AFHQv2)": (style, {"plugin": "stylegan3", "resolution": 512, "width": 32768}, False),
    "stylegan3-t 1024 (FFHQ)": (style, {"plugin": "stylegan3", "resolution": 1024, "width": 32768}, False),
    "biggan-deep 128": (biggan_deep, {"resolution": 128}, True),
    "biggan-deep 256": (biggan_deep, {"resolution": 256}, True),
    "biggan-deep 512": (biggan_deep, {"resolution": 512}, False),
    "progan 256": (progan, {"resolution": 256}, True),
    "progan 1024 (CelebA-HQ)": (progan, {"resolution": 1024}, False),
    "nvae (MNIST)": (nvae, NVAE_MNIST, True),
    "nvae (CIFAR-10)": (nvae, NVAE_CIFAR10, True),
}  # fmt: skip
"""Name to a function, its arguments, and whether it is measured without --all."""

if __name__ == "__main__":
    torch.manual_seed(0)
    with torch.no_grad():
        main()
