"""Whether `torch.compile` makes the traced graphs of Jacobian products faster, and pays its compile time back.

    python benchmarks/compiled.py [--only TEXT] [--json FILE]

Networks: the face DCGAN, a style-based network of random weights (`style_network.py`), and diffusers' `UNet2DModel`
(`networks_of_today.py`). The operations that a direction takes are made a graph of their own, batched over as many
directions as the engine runs at once, and given to `torch.compile` (inductor; a C++ compiler is needed). Figures: CPU
time of a block of directions by the engine over that by the compiled graph, in turns, median of 7; and the seconds of
compilation over what a bank of 1,000 latents with 48 tangents each would save. One thread, two minutes a network.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import polarprior as pp
import torch
from networks_of_today import made
from polarprior.jacobian.linear_program import LinearProgram
from polarprior.jacobian.memory import rows_at_once
from polarprior.jacobian.traced import TracedJacobian
from polarprior_benchmarks.reporting import Report
from style_network import LATENT_DIM, StyleNetwork
from torch import Tensor, fx, vmap
from torch.fx.experimental.proxy_tensor import make_fx

TURNS, BANK, TANGENTS = 7, 1000, 48
GAIN = 1.2


def dcgan() -> tuple[Callable[[Tensor], Tensor], Tensor]:
    generator = pp.load("dcgan-faces", "cpu")
    return lambda z: generator.synthesize(z, None), generator.prior.draw([0]).z.float()


def style() -> tuple[Callable[[Tensor], Tensor], Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = StyleNetwork().eval().requires_grad_(False)
    return network, torch.randn(1, LATENT_DIM, generator=torch.Generator().manual_seed(0))


def unet() -> tuple[Callable[[Tensor], Tensor], Tensor]:
    network = made("diffusers UNet2DModel")
    return network, torch.randn(1, *network.shape, generator=torch.Generator().manual_seed(0))


NETWORKS = {"face DCGAN": dcgan, "style network": style, "diffusers UNet2DModel": unet}


def seconds(function: Callable[[], Any]) -> float:
    began = time.process_time()
    function()
    return time.process_time() - began


def block_of(program: LinearProgram, residuals: list[Tensor], size: int) -> tuple[fx.GraphModule, Tensor]:
    """The operations of a block of directions as one graph of residuals and directions, and such directions."""
    width = program._direction.meta["val"].shape[-1]
    directions = torch.randn(size, 1, width, generator=torch.Generator().manual_seed(1))

    def along(*inputs: Tensor) -> Tensor:
        *kept, block = inputs
        return vmap(program, in_dims=(None, 0))(list(kept), block)

    return make_fx(along)(*residuals, directions), directions


def measured(report: Report, name: str) -> None:
    torch.set_num_threads(1)
    function, z = NETWORKS[name]()
    jacobian = TracedJacobian(function)
    with torch.no_grad():
        jacobian.at(z)
        (programs,) = jacobian._programs.values()
        assert programs is not None
        program = programs.first
        residuals = program.at(z.flatten(1))[1]
        size = min(rows_at_once(program.row_bytes, z.device), TANGENTS)
        graph, directions = block_of(program, residuals, size)
        began = time.perf_counter()
        compiled = torch.compile(graph, fullgraph=True, dynamic=False)
        found = compiled(*residuals, directions)
        compiling = time.perf_counter() - began
        plain = vmap(program, in_dims=(None, 0))
        expected = plain(residuals, directions)
        off = float((found - expected).norm() / expected.norm())
        turns = [
            (seconds(lambda: plain(residuals, directions)), seconds(lambda: compiled(*residuals, directions)))
            for _ in range(TURNS)
        ]
    engine, faster = (median(each) for each in zip(*turns, strict=True))
    saved = BANK * TANGENTS / size * (engine - faster)
    gain = engine / faster
    report.add(
        f"{name}: the engine's time over the compiled graph's",
        gain,
        "times",
        f">= {GAIN:g} to be kept",
        None,
        f"{size} directions at once, {1000 * engine:.1f} ms; relative difference {off:.1g}",
    )
    detail = f"a bank of {BANK:,} saves {saved:.0f} s" if saved > 0 else "it saves nothing"
    report.add(f"{name}: compiling", compiling, "s", "", None, detail)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="those that have this text in their names")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report = Report()
    for name in NETWORKS:
        if not options.only or options.only in name:
            measured(report, name)
    report.write(options.json, Path(__file__).parent, keep=bool(options.only))
    sys.exit(0)


if __name__ == "__main__":
    main()
