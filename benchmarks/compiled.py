"""Whether `--compile` makes the rows of a bank cheaper, and pays its compile time back.

    python benchmarks/compiled.py [--only TEXT] [--json FILE]

Networks: the face DCGAN, a style-based network of random weights (`style_network.py`), and diffusers' `UNet2DModel`
(`networks_of_today.py`). A row is what a build takes: the 30 largest singular values by the estimator that it would
choose, 4 latents at once. Figures: CPU time of a row over that of a row with compiled products, in turns, median of
5; and the seconds of the first compiled rows, with an empty cache of `torch.compile`, over what 1,000 rows save. One
thread, a process a network, a C++ compiler, three minutes a network.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import polarprior as pp
import torch
from networks_of_today import made
from polarprior.jacobian.compiled import compiling
from polarprior.jacobian.traced import TracedJacobian
from polarprior.volume.arithmetic import exact_arithmetic
from polarprior.volume.estimators import default_estimator, top_singular_values
from polarprior_benchmarks.reporting import Report
from style_network import LATENT_DIM, StyleNetwork
from torch import Tensor

TURNS, LATENTS, BANK, K = 5, 4, 1000, 30
GAIN = 1.2
Network = tuple[Callable[[Tensor], Tensor], Tensor]
"""A function and latents for it."""


def dcgan() -> Network:
    generator = pp.load("dcgan-faces", "cpu")
    return lambda z: generator.synthesize(z, None), generator.prior.draw(list(range(LATENTS))).z.float()


def style() -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = StyleNetwork().eval().requires_grad_(False)
    return network, torch.randn(LATENTS, LATENT_DIM, generator=torch.Generator().manual_seed(0))


def unet() -> Network:
    network = made("diffusers UNet2DModel")
    return network, torch.randn(LATENTS, *network.shape, generator=torch.Generator().manual_seed(0))


NETWORKS = {"face DCGAN": dcgan, "style network": style, "diffusers UNet2DModel": unet}


def measured(name: str) -> dict[str, float | str]:
    """The figures of a network."""
    torch.set_num_threads(1)
    function, z = NETWORKS[name]()
    jacobian = TracedJacobian(function)
    estimator = default_estimator(z[0].numel(), K, BANK)

    def rows(compiled: bool) -> tuple[float, float, Tensor]:
        """Seconds of the CPU and of the clock, and the log-volumes."""
        began, clock = time.process_time(), time.perf_counter()
        with torch.no_grad(), exact_arithmetic(), compiling(compiled):
            found = top_singular_values(jacobian.at(z), K, estimator=estimator)
        return time.process_time() - began, time.perf_counter() - clock, found.log_volume

    rows(False)
    _, first, _ = rows(True)
    turns = [(rows(False), rows(True)) for _ in range(TURNS)]
    engine, faster = (median(each[which][0] for each in turns) / LATENTS for which in (0, 1))
    off = float((turns[0][0][2] - turns[0][1][2]).abs().max())
    return {"estimator": estimator, "engine": engine, "compiled": faster, "first": first, "off": off}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="those that have this text in their names")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one)))
        return
    report = Report()
    for name in NETWORKS:
        if options.only and options.only not in name:
            continue
        with tempfile.TemporaryDirectory() as cache:
            words = [sys.executable, __file__, "--one", name]
            environ = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache}
            done = subprocess.run(words, env=environ, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        gain, saved = found["engine"] / found["compiled"], BANK * (found["engine"] - found["compiled"])
        compiling_took = found["first"] - LATENTS * found["compiled"]
        report.add(
            f"{name}: a row, of a compiled one",
            gain,
            "times",
            f">= {GAIN:g} where it pays",
            None,
            f"{found['estimator']}: {1000 * found['engine']:.1f} ms; log-volumes differ by {found['off']:.1g} nats",
        )
        detail = f"{BANK:,} rows save {saved:.0f} s" if saved > 0 else "rows save nothing"
        report.add(f"{name}: compiling", compiling_took, "s", "", None, detail)
    report.write(options.json, Path(__file__).parent, keep=bool(options.only))


if __name__ == "__main__":
    main()
