"""What a chain of steps costs: EDM's small network through Heun's method.

    POLARPRIOR_VENDOR=FOLDER python benchmarks/chain.py [--json FILE]

`SongUNet` of a checkout of NVlabs/edm, random weights, 3 x 16 x 16. Time: a JVP of 48 tangents at 2 latents through 8
steps, 15 evaluations, over 15 times that of the network alone, CPU time, in turns, median of 3. Values: cotangents
pulled back against automatic differentiation through all steps in float64. Memory: the peak above what the process
held before, of the Jacobian and a JVP, at 32 steps over that at 8, a process each. Five minutes, one thread.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

import torch
from modern import cpu_seconds, peak_bytes
from networks_of_today import Made, made
from polarprior.jacobian.step_chain import StepChain, heun
from polarprior_benchmarks.reporting import Report
from torch import Tensor

STEPS, LONG, TANGENTS, LATENTS, TURNS = 8, 32, 48, 2, 3


def levels(steps: int) -> list[float]:
    """EDM's noise levels, from 80 to 0.002."""
    exponent, at = 7, torch.arange(steps, dtype=torch.float64) / (steps - 1)
    ends = [80 ** (1 / exponent), 0.002 ** (1 / exponent)]
    return [float(each) for each in (ends[0] + at * (ends[1] - ends[0])) ** exponent]


def denoiser(network: Made, x: Tensor, sigma: Tensor) -> Tensor:
    """D(x; sigma) with EDM's preconditioning for data of standard deviation 0.5, in the dtype of x."""
    sigma = sigma.to(x).reshape(-1, 1, 1, 1)
    total = sigma**2 + 0.25
    shown = network.module(x / total.sqrt(), sigma.flatten().log() / 4, None)
    found: Tensor = 0.25 / total * x + sigma * 0.5 / total.sqrt() * shown
    return found


def chain(steps: int) -> tuple[StepChain, Made, Tensor]:
    network = made("EDM SongUNet")
    at = levels(steps)
    z = torch.randn(LATENTS, *network.shape, generator=torch.Generator().manual_seed(0))
    return StepChain(lambda x, sigma: denoiser(network, x, sigma), heun(at), (at[0], 0.0)), network, z


def in_float64(network: Made, z: Tensor) -> Tensor:
    """All steps, as a loop."""
    exact = network._replace(module=copy.deepcopy(network.module).double())
    at = levels(STEPS)
    x = z * at[0]
    for now, then in zip(at, [*at[1:], 0.0], strict=True):
        slope = (x - denoiser(exact, x, torch.tensor([now]))) / now
        there = x + (then - now) * slope
        if then:
            other = (there - denoiser(exact, there, torch.tensor([then]))) / then
            there = x + (then - now) * (slope + other) / 2
        x = there
    return x


def memory(steps: int) -> int:
    """Bytes of a Jacobian and its JVP."""
    torch.set_num_threads(1)
    walk, _, z = chain(steps)
    walk.at(z[:1]).jvp(torch.ones(1, z[0].numel(), 1))  # traced
    return peak_bytes(lambda: walk.at(z).jvp(torch.ones(LATENTS, z[0].numel(), TANGENTS)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        print(json.dumps(memory(options.memory)))
        return
    torch.set_num_threads(1)
    report = Report()
    walk, network, z = chain(STEPS)
    jacobian = walk.at(z)
    alone = walk._traced.at(z, torch.full((LATENTS,), 80.0))
    tangents = torch.randn(LATENTS, z[0].numel(), TANGENTS, generator=torch.Generator().manual_seed(1))
    for each in (jacobian, alone):
        each.jvp(tangents)
    turns = [
        (cpu_seconds(lambda: jacobian.jvp(tangents)), cpu_seconds(lambda: alone.jvp(tangents))) for _ in range(TURNS)
    ]
    whole, single = (median(each) for each in zip(*turns, strict=True))
    ratio = whole / (len(walk) * single)
    report.add(f"{len(walk)} evaluations, of as many of the network alone", ratio, "times", "<= 1.3", ratio <= 1.3)

    cotangents = torch.randn(LATENTS, z[0].numel(), 3, generator=torch.Generator().manual_seed(2))
    pulled = jacobian.vjp(cotangents)
    point = z[:1].double().requires_grad_(True)
    value = in_float64(network, point).flatten()
    exact = [
        torch.autograd.grad(value, point, each, retain_graph=True)[0].flatten() for each in cotangents[0].double().T
    ]
    expected = torch.stack(exact, 1)
    off = float((pulled[0].double() - expected).norm() / expected.norm())
    report.add("cotangents against float64 through all steps", off, "", "<= 0.001", off <= 1e-3)

    peaks = [
        int(
            subprocess.run(
                [sys.executable, __file__, "--memory", str(steps)], stdout=subprocess.PIPE, check=True
            ).stdout
        )
        for steps in (STEPS, LONG)
    ]
    grows = peaks[1] / peaks[0]
    detail = f"{peaks[0] / 2**20:.0f} MB at {STEPS}"
    report.add(f"peak memory at {LONG} steps, of that at {STEPS}", grows, "times", "<= 1.2", grows <= 1.2, detail)
    report.write(options.json, Path(__file__).parent)
    sys.exit(any(row["holds"] is False for row in report.rows))


if __name__ == "__main__":
    main()
