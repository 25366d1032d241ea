"""Polarity on planar WGANs, where everything can be seen: Fig. 11 of the paper.

    python benchmarks/paper/toy.py [--quick]

Three generators with latents in the plane: four Gaussians from a square, four Gaussians from a triangle, two circles
from a square. Trained on the first run (two CPU minutes each) and kept in ``weights/``. Each is drawn at eleven rho
from a bank of 10,000, k = 2 = K: there the density of the samples on the plane is proportional to vol^(rho - 1).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polarprior as pp
import scene as shared
import torch
from claims import Claim, Part, at_the_end
from descent import descend
from matplotlib.figure import Figure
from polarprior.metrics.nearest import nearest
from safetensors.torch import load_file, save_file
from scene import averaged, experiment, interval, minus, trust
from telling import Results, shown, table
from torch import Tensor, nn
from tqdm import trange

EDITION = 2
RHOS = (-8.0, -4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
WEIGHTS = Path(__file__).parent / "weights"
STEPS = 3000


def gaussians(count: int, stream: np.random.Generator) -> np.ndarray:
    """Four Gaussians of deviation 0.1 at the corners of a square of side 2."""
    centres = np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
    return centres[stream.integers(0, 4, count)] + 0.1 * stream.standard_normal((count, 2))


def circles(count: int, stream: np.random.Generator) -> np.ndarray:
    """Two circles of radius 0.5 and 1.2, blurred by 0.05."""
    angle, radius = stream.uniform(0, 2 * np.pi, count), np.where(stream.random(count) < 0.5, 0.5, 1.2)
    ring = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return ring + 0.05 * stream.standard_normal((count, 2))


def triangle(seeds: np.ndarray) -> np.ndarray:
    """Uniform on the triangle with corners (-1, -1), (1, -1) and (-1, 1)."""
    rows = np.stack([np.random.RandomState(seed).uniform(0, 1, 2) for seed in seeds])
    folded = np.where(rows.sum(1, keepdims=True) > 1, 1 - rows, rows)
    return (2 * folded - 1).astype(np.float32)


Data = Callable[[int, np.random.Generator], np.ndarray]
SETS: dict[str, tuple[Data, Any]] = {
    "four Gaussians": (gaussians, "uniform"),
    "four Gaussians, triangle": (gaussians, triangle),
    "two circles": (circles, "uniform"),
}


def generator(name: str, quick: bool = False) -> pp.Generator:
    """The trained generator of a set, which is kept; to be tried only, it is trained for 50 steps where none is."""
    data, prior = SETS[name]
    path = WEIGHTS / f"{name.replace(', ', '-').replace(' ', '-')}.safetensors"
    torch.manual_seed(0)  # the starting weights: this script's process is its own
    network = _network(2, 2)
    if path.exists():
        network.load_state_dict(load_file(path))
    else:
        _train(network, data, pp.wrap(network, latent_dim=2, prior=prior).prior, 50 if quick else STEPS)
        if not quick:
            path.parent.mkdir(exist_ok=True)
            save_file(network.state_dict(), path)
    return pp.wrap(network.requires_grad_(False), latent_dim=2, prior=prior)


def _network(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, outputs)
    )


def _train(network: nn.Module, data: Data, prior: pp.LatentPrior, steps: int) -> None:
    """WGAN-GP, five steps of the critic each, penalty 1."""
    stream, noise = np.random.default_rng(0), torch.Generator().manual_seed(0)
    critic = _network(2, 1)
    of_network, of_critic = (torch.optim.Adam(each.parameters(), 3e-4, (0.5, 0.9)) for each in (network, critic))
    network.train()
    latents = prior.draw(range(100_000)).z

    def draw() -> Tensor:
        return latents[torch.randint(len(latents), (256,), generator=noise)]

    for _ in trange(steps, desc="train", mininterval=10):
        for _ in range(5):
            real = torch.from_numpy(data(256, stream)).float()
            fake = network(draw()).detach()
            share = torch.rand(256, 1, generator=noise)
            between = (share * real + (1 - share) * fake).requires_grad_()
            (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
            penalty = (slope.norm(dim=1) - 1).square().mean()
            descend(of_critic, critic(fake).mean() - critic(real).mean() + penalty)
        descend(of_network, -critic(network(draw())).mean())


def run(quick: bool) -> dict[str, Any]:
    rows = []
    for name, (data, _) in SETS.items():
        model = generator(name, quick)
        banks = [
            pp.build_bank(model, shared.ROWS, 2, seeds_from=index * shared.ROWS, estimator="exact")
            for index in range(shared.BANKS)
        ]
        real = torch.from_numpy(data(shared.ROWS, np.random.default_rng(1))).float()
        for rho in RHOS:
            near, points, reports = [], None, []
            for index, bank in enumerate(banks):
                sampler = pp.latent_sampler(model, bank, rho, force=True)
                seeds = range(index * shared.ROWS, index * shared.ROWS + 2000)
                drawn = model(sampler.sample(seeds))
                near.append(float((nearest(real, drawn, 1).distances < 0.1).double().mean()))
                reports.append(trust(sampler.diagnostics))
                points = drawn[:1000] if points is None else points
            row = averaged(reports)
            rows.append(
                {
                    "set": name,
                    "rho": rho,
                    **row,
                    "near_data": interval(near),
                    "points": np.round(points.double().numpy(), 2).tolist(),
                }
            )
            told = rows[-1]
            print(
                f"{name}, rho {rho:g}: ESS {told['ess']:.0f}, within 0.1 of data "
                f"{told['near_data']['mean']:.3f} ± {told['near_data']['half']:.3f}",
                flush=True,
            )
    return {"rows": rows}


def tell(results: Results, pictures: Path) -> str:
    """Points on the plane."""
    sets = list(dict.fromkeys(row["set"] for row in results["rows"]))
    rhos = list(dict.fromkeys(row["rho"] for row in results["rows"]))
    figure = Figure(figsize=(1.6 * len(rhos), 1.75 * len(sets)), layout="constrained")
    panels = figure.subplots(len(sets), len(rhos), squeeze=False)
    cells = []
    for name, line in zip(sets, panels, strict=True):
        rows = [row for row in results["rows"] if row["set"] == name]
        for row, panel in zip(rows, line, strict=True):
            x, y = zip(*row["points"], strict=True)
            panel.plot(x, y, ".", ms=1, color="C0" if row["within_limits"] == 1 else "gray")
            panel.set(xlim=(-1.8, 1.8), ylim=(-1.8, 1.8), xticks=[], yticks=[])
            panel.set_title(f"rho {row['rho']:g}, ESS {row['ess']:.0f}", fontsize=7)
        cells.append((name, *(shown(row["near_data"]) for row in rows)))
    figure.savefig(pictures / "toy.png", dpi=110)
    heads = ("share of draws within 0.1 of the data", *(f"rho {rho:g}" for rho in rhos))
    return (
        f"grey pictures lie beyond the limits of rho: they show a few latents.\n\n{table(heads, cells)}\n\n"
        "![Planar WGANs at eleven rho](paper/toy.png)"
    )


def claims(results: Results) -> list[Claim]:
    """Fig. 11."""
    sets: dict[str, list[Results]] = {}
    for row in results["rows"]:
        sets.setdefault(row["set"], []).append(row)

    def parts(sign: int) -> tuple[Part, ...]:
        found = []
        for name, rows in sets.items():
            plain = next(row for row in rows if row["rho"] == 0)["near_data"]
            found.append(at_the_end(rows, sign, name, lambda row, plain=plain: minus(row["near_data"], plain), -sign))
        return tuple(found)

    by = "share of draws within 0.1 of the data, against rho 0"
    return [
        Claim("3.2", "Fig. 11", "rho < 0 draws more of a planar GAN's points on its modes", by, parts(-1)),
        Claim("3.2", "Fig. 11", "rho > 0 draws more of a planar GAN's points on its anti-modes", by, parts(1)),
    ]


if __name__ == "__main__":
    experiment("toy", "Fig. 11", run)
