"""What the engine makes of networks of today: traced or not, what a tangent costs, and whether its numbers are right.

    POLARPRIOR_VENDOR=FOLDER python benchmarks/modern.py [--only TEXT] [--json FILE] [--without RULE]

A row is a small network of `networks_of_today.py`, in a process of its own on one thread. A tangent: the median over
5 turns of a JVP of 48 tangents at 4 latents, over 48 times that of a forward pass of those 4 without gradients, in
CPU time, the two in turns, with large pages of memory as in `five_models.py`. Log singular values, the largest 30,
are compared with those of a dense Jacobian, in float64 (float32 for EDM2, whose network names that itself, and for
the forks of StyleGAN). Memory is the peak above what the process held before, over that of plain forward mode
(``vmap(jvp)``) for the same product. RULE, normalise_last or joined_products, is left out of the engine, to see what
it is worth. Five minutes.
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from five_models import QUIET
from networks_of_today import KINDS, Made, made
from polarprior.jacobian.linear_map import LinearMap
from polarprior.jacobian.traced import TracedJacobian
from polarprior_benchmarks.reporting import Report
from torch import Tensor

LATENTS, TANGENTS, TURNS, TOP = 4, 48, 5, 30
HIGH = 100
CLOSE, ADJOINT, MEMORY = 1e-3, 1e-5, 2.0


def cpu_seconds(function: Callable[[], object]) -> float:
    began = time.process_time()
    function()
    return time.process_time() - began


def peak_bytes(function: Callable[[], object]) -> int:
    """The most memory that the process holds meanwhile, above what it holds before; of Linux alone."""

    def line(name: str) -> int:
        text = Path("/proc/self/status").read_text()
        return next(int(each.split()[1]) * 1024 for each in text.splitlines() if each.startswith(name))

    ctypes.CDLL(None).malloc_trim(0)  # what earlier runs gave back would be used again unseen
    Path("/proc/self/clear_refs").write_text("5")
    before = line("VmRSS:")
    function()
    return max(1, line("VmHWM:") - before)


def dense(network: Made, z: Tensor) -> Tensor:
    """The Jacobian [D, K] of one latent by plain differentiation: row by row, or where it is high by its columns."""
    exact = network
    if network.exact != z.dtype:
        exact = network._replace(module=copy.deepcopy(network.module).to(network.exact))
    point = z.to(network.exact).requires_grad_(True)
    value = exact(point).flatten()
    if len(value) > HIGH * point.numel():
        return LinearMap.of(exact, point).jvp(torch.eye(point.numel(), dtype=point.dtype)[None])[0]
    rows = (torch.autograd.grad(each, point, retain_graph=True)[0].flatten() for each in value)
    return torch.stack(list(rows))


def leave_out(rule: str) -> None:
    """Take a rule out of the engine of this process."""
    from polarprior.jacobian import forward_graph, rewriting

    if rule == "normalise_last":
        forward_graph.normalise_last = lambda graph: None
    else:
        rewriting._joined_products = lambda node: None


def measured(name: str) -> dict[str, float | bool | str]:
    """The figures of a row."""
    torch.set_num_threads(1)
    network = made(name)
    z = torch.randn(LATENTS, *network.shape, generator=torch.Generator().manual_seed(0))
    said: list[str] = []
    logging.getLogger("polarprior.jacobian.traced").addFilter(
        lambda record: said.append(record.getMessage()) or False
    )
    traced = TracedJacobian(network)
    began = time.process_time()
    jacobian = traced.at(z)
    found: dict[str, float | bool | str] = {"tracing": time.process_time() - began, "reason": " ".join(said)}
    found["traced"] = not said
    stream = torch.Generator().manual_seed(1)
    tangents = torch.randn(LATENTS, jacobian.input_dim, TANGENTS, generator=stream)
    cotangents = torch.randn(LATENTS, jacobian.output_dim, 3, generator=stream)
    with torch.no_grad():
        moved, pulled = jacobian.jvp(tangents), jacobian.vjp(cotangents)
        one, other = moved.mT.double() @ cotangents.double(), tangents.mT.double() @ pulled.double()
        found["adjoint"] = float((one - other).norm() / one.norm())
        turns = [(cpu_seconds(lambda: network(z)), cpu_seconds(lambda: jacobian.jvp(tangents))) for _ in range(TURNS)]
        forward, product = (median(each) for each in zip(*turns, strict=True))
        found["tangent"] = product / (TANGENTS * forward)
        plain = LinearMap.of(network, z)
        plain.jvp(tangents[..., :2])
        ours, theirs = (peak_bytes(lambda each=each: each.jvp(tangents)) for each in (jacobian, plain))
        found["memory"] = ours / theirs
        mine = jacobian.jvp(torch.eye(jacobian.input_dim).expand(LATENTS, -1, -1))[0]
    values = [torch.linalg.svdvals(each.double())[:TOP].log() for each in (mine, dense(network, z[:1]))]
    found["off"] = float((values[0] - values[1]).abs().max())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="those that have this text in their names")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--without", choices=("normalise_last", "joined_products"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        if options.without:
            leave_out(options.without)
        print(json.dumps(measured(options.one)))
        return
    report = Report()
    for name, kind in KINDS.items():
        if options.only and options.only not in name:
            continue
        words = [
            sys.executable,
            __file__,
            "--one",
            name,
            *(["--without", options.without] if options.without else []),
        ]
        done = subprocess.run(words, env={**os.environ, **QUIET}, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            report.add(f"{name}: traced", 0, "", "1", False, "it ended with an error")
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        detail = f"traced in {found['tracing']:.0f} CPU s" if found["traced"] else found["reason"]
        report.add(f"{name}: traced", int(found["traced"]), "", "1", found["traced"], detail)
        cost = found["tangent"]
        report.add(f"{name}: a tangent", cost, "forward passes", f"<= {kind.most:g}", cost <= kind.most)
        for what, limit, unit in (("off", CLOSE, "nats"), ("adjoint", ADJOINT, ""), ("memory", MEMORY, "of plain")):
            value = found[what]
            report.add(f"{name}: {what}", value, unit, f"<= {limit:g}", value <= limit)
    report.write(options.json, Path(__file__).parent, keep=bool(options.only))
    sys.exit(any(row["holds"] is False for row in report.rows))


if __name__ == "__main__":
    main()
