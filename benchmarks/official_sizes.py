"""What a latent costs on networks of the official sizes, with random weights: the official files can't be had here.

POLARPRIOR_VENDOR names the folder with checkouts; the stock classes are built with the official arguments. A tangent
and a cotangent in forward passes, bytes a tangent (what the traced graph holds at its widest moment, computed), and
from them a latent by block Lanczos at k = 30. On CUDA where there is one. Those of 256 pixels take minutes on a CPU;
--all takes the others as well.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import torch
from reporting import Report

NETWORKS = {
    "stylegan2 config-f 256 (LSUN Church, Cat)": ("stylegan2", 256, {"channel_base": 32768}, True),
    "stylegan2 config-f 512 (LSUN Car)": ("stylegan2", 512, {"channel_base": 32768}, False),
    "stylegan2 config-e 1024 (FFHQ)": ("stylegan2", 1024, {"channel_base": 16384}, False),
    "stylegan2 config-f 1024 (FFHQ)": ("stylegan2", 1024, {"channel_base": 32768}, False),
    "stylegan3-t 256 (FFHQ-U)": ("stylegan3", 256, {"channel_base": 16384}, True),
    "stylegan3-t 512 (AFHQv2)": ("stylegan3", 512, {"channel_base": 32768}, False),
}
LANCZOS = (64, 60)
"""Tangents and cotangents of block Lanczos at k = 30, see docs/performance.md."""
AT_ONCE = 4
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smallest alone")
    parser.add_argument("--all", action="store_true", help="the large ones as well")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*NETWORKS[arguments.one][:3])))
        return
    report = Report()
    for name, (*_, fits) in list(NETWORKS.items())[: 1 if arguments.quick else None]:
        if not fits and not arguments.all:
            continue
        # In a process of its own: two checkouts' modules have the same names, and memory is given back.
        done = subprocess.run([sys.executable, __file__, "--one", name], capture_output=True, text=True)
        if done.returncode:
            report.add(f"{name}: failed", done.returncode, "", "", None, done.stderr.strip().splitlines()[-1:])
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        passes = LANCZOS[0] * found["tangent"] + LANCZOS[1] * found["cotangent"]
        report.add(f"{name}: forward pass", found["forward"], "s", "", None, "float32, one image")
        report.add(f"{name}: a tangent", found["tangent"], "forward passes")
        report.add(f"{name}: a cotangent", found["cotangent"], "forward passes")
        report.add(f"{name}: a latent, block-lanczos, k 30", passes, "forward passes")
        report.add(f"{name}: memory a tangent", found["bytes"] / 2**30, "GB")
    report.write(arguments.json, threads=torch.get_num_threads())


def measure(plugin: str, resolution: int, width: dict[str, int]) -> dict[str, float]:
    """Seconds of a forward pass; a tangent and a cotangent in forward passes; bytes a tangent."""
    from polarprior.jacobian.traced import TracedJacobian
    from polarprior.stock.checkout import use_checkout
    from polarprior_stylegan2.generator import KINDS, images_of, styles_of
    from polarprior_stylegan2.operators import plain_operators

    use_checkout(KINDS[plugin].repos)
    common = {"z_dim": 512, "c_dim": 0, "w_dim": 512, "img_resolution": resolution, "img_channels": 3}
    torch.manual_seed(0)
    if plugin == "stylegan3":
        from polarprior_stylegan3.operators import unfused_operators as operators
        from training.networks_stylegan3 import Generator

        network, options = Generator(**common, mapping_kwargs={"num_layers": 2}, channel_max=512, **width), {}
    else:
        from training.networks import Generator

        operators, options = plain_operators, {"fused_modconv": False}
        network = Generator(
            **common, mapping_kwargs={"num_layers": 8}, synthesis_kwargs={"channel_max": 512, **width}
        )
    network.eval().requires_grad_(False).to(DEVICE)
    from polarprior.settings import Settings

    def images(w):
        with operators(network):
            return images_of(network, w, Settings(), **options)

    w = styles_of(network, torch.randn(1, 512, device=DEVICE), None, 1.0)
    forward = timed(lambda: images_of(network, w, Settings()))
    traced = TracedJacobian(images)
    linear_map = traced.at(w)
    programs = next(iter(traced._programs.values()))
    assert programs is not None, "it could not be traced"
    tangents = torch.randn(1, 512, AT_ONCE, device=DEVICE)
    cotangents = torch.randn(1, linear_map.output_dim, AT_ONCE, device=DEVICE)
    return {
        "forward": forward,
        "tangent": timed(lambda: linear_map.jvp(tangents)) / AT_ONCE / forward,
        "cotangent": timed(lambda: linear_map.vjp(cotangents)) / AT_ONCE / forward,
        "bytes": programs.first.row_bytes,
    }


def timed(call) -> float:
    """Seconds, the median of three after one to warm up."""
    call()
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        call()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begun)
    return median(seconds)


if __name__ == "__main__":
    with torch.no_grad():
        main()
