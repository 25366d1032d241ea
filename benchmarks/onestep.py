"""Trains `mnist:onestep`, a consistency model of digits: a picture in one step, by diffusers' own classes.

    python benchmarks/onestep.py [--steps 12000] [--out polar_plugins/mnist/polarprior_mnist/weights/onestep]

Consistency training that begins as a diffusion model (Geng et al. 2025, "Consistency models made easy"): the
picture found at noise level t is pulled to the one found at a lower level r, which starts at 0 (the picture of
the data) and comes nearer to t in stages; a pseudo-Huber loss (Song and Dhariwal 2024). No teacher. By class;
3 x 28 x 28 numbers, since diffusers' pipeline takes no latents of one channel. Seeded, one thread. What has been
trained is kept in OUT.state every few minutes: the same command goes on after whatever ended it.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent / "paper"))
from data import digits, grey
from polarprior_diffusers.importing import import_diffusers

BATCH, RATE, AVERAGED = 32, 1e-3, 0.999
SIGMA_MIN, SIGMA_MAX, SIGMA_DATA = 0.002, 20.0, 0.5
FIRST, STAGES = 0.4, 6
"""The share of the steps that train a diffusion model, and the stages of the others: each halves the gap t - r."""
MEAN, SPREAD = -0.8, 1.8
"""Mean and spread of the logarithm of the noise level."""
HUBER = 0.00054 * math.sqrt(3 * 28 * 28)
KEPT_EVERY = 250


def pipeline() -> nn.Module:
    """The pipeline, with random weights."""
    diffusers = import_diffusers()
    unet = diffusers.UNet2DModel(
        sample_size=28,
        in_channels=3,
        out_channels=3,
        block_out_channels=(8, 24, 48),
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=8,
        num_class_embeds=10,
    )
    scheduler = diffusers.CMStochasticIterativeScheduler(
        num_train_timesteps=40, sigma_min=SIGMA_MIN, sigma_max=SIGMA_MAX, sigma_data=SIGMA_DATA, clip_denoised=False
    )
    return diffusers.ConsistencyModelPipeline(unet=unet, scheduler=scheduler)


def denoised(unet: nn.Module, x: Tensor, sigma: Tensor, label: Tensor) -> Tensor:
    """The picture at the end of the path of x [n, 3, 28, 28] at noise levels [n], as the scheduler has it."""
    level = sigma[:, None, None, None]
    wide = level.square() + SIGMA_DATA**2
    skip = SIGMA_DATA**2 / ((level - SIGMA_MIN).square() + SIGMA_DATA**2)
    out = (level - SIGMA_MIN) * SIGMA_DATA / wide.sqrt()
    given = unet(x / wide.sqrt(), 250 * sigma.log(), class_labels=label, return_dict=False)[0]
    return skip * x + out * given


def lower(level: Tensor, stage: int) -> Tensor:
    """The noise levels [n] that the levels [n] are compared with: the least one, the data, in stage 0."""
    gap = 0.5**stage * (1 + 8 * torch.sigmoid(-level))
    return (level * (1 - gap.clamp(max=1))).clamp(min=SIGMA_MIN) if stage else torch.full_like(level, SIGMA_MIN)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="end after so many, to go on another time")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parents[1] / "polar_plugins/mnist/polarprior_mnist/weights/onestep"
    )
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)  # the starting weights: this script's process is its own
    pipe, averaged = pipeline(), pipeline().unet
    unet = pipe.unet
    averaged.load_state_dict(unet.state_dict())
    optimizer = torch.optim.RAdam(unet.parameters(), lr=RATE)
    noise = torch.Generator().manual_seed(1)
    images, labels = grey("train").expand(-1, 3, -1, -1), torch.from_numpy(digits("train")[1])
    state, begun, first = asked.out.with_suffix(".state"), time.monotonic(), 0
    if state.exists():
        kept = torch.load(state, weights_only=True)
        first = kept["step"]
        unet.load_state_dict(kept["unet"])
        averaged.load_state_dict(kept["averaged"])
        optimizer.load_state_dict(kept["optimizer"])
        noise.set_state(kept["noise"])
    seen = 0.0
    for step in range(first, asked.steps):
        tuned = (step / asked.steps - FIRST) / (1 - FIRST)
        stage = 1 + int(STAGES * tuned) if tuned >= 0 else 0
        rows = torch.randint(len(images), (BATCH,), generator=noise)
        x, label = images[rows], labels[rows]
        high = (MEAN + SPREAD * torch.randn(BATCH, generator=noise)).exp().clamp(2 * SIGMA_MIN, SIGMA_MAX)
        low = lower(high, stage)
        e = torch.randn(x.shape, generator=noise)
        target = x
        if stage:
            with torch.no_grad():
                target = denoised(unet, x + low[:, None, None, None] * e, low, label)
        found = denoised(unet, x + high[:, None, None, None] * e, high, label)
        off = (found - target).square().flatten(1).sum(1)
        loss = (((off + HUBER**2).sqrt() - HUBER) / high).mean()
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, 2 * (1 - step / asked.steps))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(unet.parameters(), 10.0)
        optimizer.step()
        with torch.no_grad():
            for mine, new in zip(averaged.parameters(), unet.parameters(), strict=True):
                mine.lerp_(new, 1 - AVERAGED)
        seen = 0.98 * seen + 0.02 * float(loss.detach())
        out_of_time = time.monotonic() - begun > 60 * asked.minutes
        if (step + 1) % KEPT_EVERY == 0 or step + 1 == asked.steps or out_of_time:
            print(f"step {step + 1}: loss {seen:.4f}, {(time.monotonic() - begun) / 60:.1f} minutes", flush=True)
            values = {"step": step + 1, "unet": unet.state_dict(), "averaged": averaged.state_dict()}
            values |= {"optimizer": optimizer.state_dict(), "noise": noise.get_state()}
            asked.out.parent.mkdir(parents=True, exist_ok=True)
            torch.save(values, state.with_suffix(".new"))
            state.with_suffix(".new").replace(state)
            if out_of_time:
                return
    pipe.unet.load_state_dict(averaged.state_dict())
    pipe.save_pretrained(asked.out)


if __name__ == "__main__":
    main()
