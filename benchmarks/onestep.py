"""Trains `mnist:onestep`, a consistency model of digits: a picture in one step, by diffusers' own classes.

    python benchmarks/onestep.py [--steps 20000] [--out polar_plugins/mnist/polarprior_mnist/weights/onestep]

Improved consistency training (Song and Dhariwal 2024): no teacher; noise levels that are more and more, a
pseudo-Huber loss, the weights of the teacher those of the student. Seeded, one thread, 28 x 28 pixels, by class.
What has been trained is kept in OUT.state every few minutes: the same command goes on after whatever ended it.
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

BATCH, RATE, AVERAGED = 96, 6e-4, 0.999
SIGMA_MIN, SIGMA_MAX, SIGMA_DATA = 0.002, 20.0, 0.5
FEWEST, MOST = 10, 80
"""Noise levels at the start and at the end; they double on the way."""
MEAN, SPREAD = -1.1, 2.0
"""Mean and spread of the logarithm of the noise level that is trained, before it is rounded to one that there is."""
HUBER = 0.00054 * math.sqrt(28 * 28)
KEPT_EVERY = 250


def pipeline() -> nn.Module:
    """The pipeline, with random weights."""
    diffusers = import_diffusers()
    unet = diffusers.UNet2DModel(
        sample_size=28,
        in_channels=1,
        out_channels=1,
        block_out_channels=(16, 32, 48),
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
    """The picture at the end of the path of x [n, 1, 28, 28] at noise levels [n], as the scheduler has it."""
    level = sigma[:, None, None, None]
    wide = level.square() + SIGMA_DATA**2
    skip = SIGMA_DATA**2 / ((level - SIGMA_MIN).square() + SIGMA_DATA**2)
    out = (level - SIGMA_MIN) * SIGMA_DATA / wide.sqrt()
    given = unet(x / wide.sqrt(), 250 * sigma.log(), class_labels=label, return_dict=False)[0]
    return skip * x + out * given


def levels(count: int) -> Tensor:
    """`count` + 1 noise levels, rising, evenly spaced after the seventh root."""
    low, high = SIGMA_MIN ** (1 / 7), SIGMA_MAX ** (1 / 7)
    return (low + torch.linspace(0, 1, count + 1, dtype=torch.float64) * (high - low)).pow(7).float()


def chances(rising: Tensor) -> Tensor:
    """How often each pair of neighbours is trained."""
    ends = torch.erf((rising.log() - MEAN) / (math.sqrt(2) * SPREAD))
    return ends.diff()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20_000)
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
    images, labels = grey("train"), torch.from_numpy(digits("train")[1])
    state, begun, first = asked.out.with_suffix(".state"), time.monotonic(), 0
    if state.exists():
        kept = torch.load(state, weights_only=True)
        first = kept["step"]
        unet.load_state_dict(kept["unet"])
        averaged.load_state_dict(kept["averaged"])
        optimizer.load_state_dict(kept["optimizer"])
        noise.set_state(kept["noise"])
    doubled = math.log2(MOST / FEWEST) + 1
    seen = 0.0
    for step in range(first, asked.steps):
        rising = levels(min(MOST, FEWEST * 2 ** int(step / asked.steps * doubled)))
        rows = torch.randint(len(images), (BATCH,), generator=noise)
        x, label = images[rows], labels[rows]
        pair = torch.multinomial(chances(rising), BATCH, replacement=True, generator=noise)
        low, high = rising[pair], rising[pair + 1]
        e = torch.randn(x.shape, generator=noise)
        with torch.no_grad():
            target = denoised(unet, x + low[:, None, None, None] * e, low, label)
        found = denoised(unet, x + high[:, None, None, None] * e, high, label)
        off = (found - target).square().flatten(1).sum(1)
        loss = (((off + HUBER**2).sqrt() - HUBER) / (high - low)).mean()
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, 4 * (1 - step / asked.steps))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(unet.parameters(), 10.0)
        optimizer.step()
        with torch.no_grad():
            for mine, new in zip(averaged.parameters(), unet.parameters(), strict=True):
                mine.lerp_(new, 1 - AVERAGED)
        seen = 0.98 * seen + 0.02 * float(loss)
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
