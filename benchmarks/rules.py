"""Counts how often each rule of the tracer is applied while a model's Jacobian is traced: which serves which model.

    python benchmarks/rules.py [--vendor FOLDER] [--json FILE]

A rule of `polarprior/jacobian/rewriting.py` that serves a single model belongs into that model's plugin. Counted
besides are the rewriting of attention (`attention.py`), group norms that are taken apart and the ``one_hot`` that is
replaced (`forward_graph.py`). Models of stock repositories are small ones that the classes of the checkouts in
--vendor (POLARPRIOR_VENDOR) write, and so are the networks of `networks_of_today.py`, which need diffusers as well;
``torch:rules:users_dcgan`` is a generator as users write them. About six minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import polarprior as pp
import torch
from five_models import FILES, MODELS
from networks_of_today import KINDS, made
from polarprior.jacobian import attention, forward_graph, linear_program, rewriting
from polarprior.jacobian.nodes import aten
from polarprior.jacobian.traced import TracedJacobian
from polarprior_benchmarks.reporting import Report
from torch import nn

EVERYONE_S = (
    "dcgan-faces",
    "mnist:wgan",
    "mnist:style",
    "mnist:classes",
    "mnist:progressive",
    "mnist:coloured",
    "pagan",
)
USERS = ("torch:rules:users_dcgan",)
FEATURES = ("dcgan-faces@perceptual:efficientnet-lite0",)
TODAY = "today:"
"""Before the name of a network of `networks_of_today.py`."""
BESIDE = ("joined_products", "fused_product", "sub_pixel", "normalise_last", "group_norm", "one_hot")
"""No rules of the sweep, but done to a graph before it or after it."""


def users_dcgan() -> pp.Generator:
    """A DCGAN (Radford et al. 2016) of 32 pixels with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [
            nn.Unflatten(1, (16, 1, 1)),
            nn.ConvTranspose2d(16, 32, 4, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
        ]
        for inputs, outputs in ((32, 16), (16, 8)):
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        network = nn.Sequential(*layers, nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh())
    return pp.wrap(network, latent_dim=16)


def counted(model: str) -> dict[str, int]:
    """How often each rule is applied to MODEL, to its Jacobian in MODEL@SPACE, or to a network of today."""
    found: Counter[str] = Counter()

    def watched(name, rule):
        def apply(*args, **kwargs):
            changed = rule(*args, **kwargs)
            found[name] += changed is not None
            return changed

        return apply

    def rewritten(*args):
        found["normalise_last"] += 1
        rewrite(*args)

    names = [rule.__name__.strip("_") for rule in rewriting.RULES]
    rewriting.RULES = tuple(map(watched, names, rewriting.RULES))
    for name in ("joined_products", "fused_product"):
        setattr(rewriting, f"_{name}", watched(name, getattr(rewriting, f"_{name}")))
    linear_program.sub_pixel_arguments = watched("sub_pixel", linear_program.sub_pixel_arguments)
    rewrite, attention._rewrite = attention._rewrite, rewritten
    group_norm = aten.native_group_norm.default
    forward_graph.DECOMPOSED[group_norm] = watched("group_norm", forward_graph.DECOMPOSED[group_norm])
    forward_graph._one_hot = watched("one_hot", forward_graph._one_hot)
    names.extend(BESIDE)
    if model.startswith(TODAY):
        network = made(model.removeprefix(TODAY))
        TracedJacobian(network).at(torch.randn(1, *network.shape, generator=torch.Generator().manual_seed(0)))
        return {name: found[name] for name in names}
    source, _, space = model.partition("@")
    generator = pp.load(source, "cpu")
    latents = generator.prior.draw([0], None if generator.num_classes is None else 0)
    pp.jacobian_fn(generator, space or "pixel")(latents)
    return {name: found[name] for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vendor", default=os.environ.get("POLARPRIOR_VENDOR"), help="folder with checkouts")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        torch.set_num_threads(1)
        with torch.no_grad():
            print(json.dumps(counted(options.one)))
        return
    environ = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent),
        **({"POLARPRIOR_VENDOR": options.vendor} if options.vendor else {}),
    }

    def run(*words) -> str:
        return subprocess.run(
            [sys.executable, *map(str, words)], env=environ, check=True, text=True, stdout=subprocess.PIPE
        ).stdout

    report, serves = Report(), {}
    with tempfile.TemporaryDirectory() as folder:
        sources = {name: name for name in (*EVERYONE_S, *USERS, *FEATURES)}
        for number, (name, (words, plugin, _)) in enumerate(MODELS.items() if options.vendor else ()):
            path = Path(folder) / str(number) / FILES.get(name, "net.pt" if plugin == "nvae" else "net")
            path.parent.mkdir()
            run("-m", *words.format(path).split())
            file = path / "net_s2_i100.pt" if name == "progan (pytorch_GAN_zoo)" else path
            sources[name] = f"{plugin}:{file}"
        sources.update({name: TODAY + name for name in (KINDS if options.vendor else ())})
        for name, source in sources.items():
            for rule, count in json.loads(run(__file__, "--one", source).splitlines()[-1]).items():
                serves.setdefault(rule, {})[name] = count
    for rule, counts in serves.items():
        used = {name: count for name, count in counts.items() if count}
        detail = ", ".join(f"{name} {count}" for name, count in used.items())
        report.add(f"{rule}: models that it serves", len(used), "", "", None, detail)
    report.write(options.json, Path(__file__).parent)


if __name__ == "__main__":
    main()
