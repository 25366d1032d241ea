"""What a GPU makes of the engine: whether its numbers are those of the CPU, and what a bank costs there.

    POLARPRIOR_VENDOR=FOLDER python benchmarks/gpu.py [--minutes 10] [--only TEXT] [--json FILE]
    python benchmarks/gpu.py --tiny --device cpu       the same on toy networks, where there is no GPU

It needs no network, and nothing but torch and what this project needs; checkouts of stock repositories through the
variable, diffusers and pytorch-pretrained-biggan where they are installed: a network whose code isn't there is left
out by name, and no network is begun once the minutes are over.

Numbers: log singular values on the device against the CPU's; a bank built twice; a user's TF32 switched on around it;
tangents in bfloat16; `--memory`. Cost: official architectures with random weights, one process each: the published
loop (128 VJPs one after the other, a dense SVD) beside block Lanczos at k = 30, in turns, latents a second, peak
memory, and the hours for a bank of 250,000 (Humayun et al. 2022, supplement: 14 days on a Titan RTX, 5.03 s a
Jacobian).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import polarprior as pp
import torch
from polarprior.jacobian.memory import memory_limit
from polarprior.jacobian.traced import TracedJacobian
from polarprior.volume.arithmetic import exact_arithmetic
from polarprior.volume.paper_projection import projection
from polarprior_benchmarks.reporting import Report
from torch import Tensor, nn

K, CLOSE, BANK, PAPER = 30, 1e-4, 250_000, 5.03
TIMED = 2
"""Latents that are solved at once, and in each turn."""
Images = Callable[[Tensor], Tensor]


def toy(device: str) -> pp.Generator:
    """A DCGAN of 64 pixels with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers: list[nn.Module] = [nn.Unflatten(1, (64, 1, 1)), nn.ConvTranspose2d(64, 128, 4, bias=False)]
        for inputs, outputs in ((128, 64), (64, 32), (32, 16)):
            layers += [nn.BatchNorm2d(inputs), nn.ReLU(), nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)]
        network = nn.Sequential(*layers, nn.BatchNorm2d(16), nn.ReLU(), nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh())
    return pp.wrap(network, latent_dim=64).on(torch.device(device))


def spectrum(generator: pp.Generator, latents: pp.Latents, estimator: str = "exact", **options: Any) -> Tensor:
    """log sigma, float64 [n, k], as banks are built."""
    with exact_arithmetic():
        jacobians = pp.jacobian_fn(generator)(latents)
        return pp.top_singular_values(jacobians, K, estimator=estimator, **options).log_sigma.cpu()


def numbers(report: Report, device: str) -> None:
    here, there = toy("cpu"), toy(device)
    latents = here.prior.draw(range(64))
    own = spectrum(here, latents)
    off = float((spectrum(there, latents) - own).abs().max())
    report.add(
        "log singular values against the CPU's, largest difference", off, "nats", f"<= {CLOSE:g}", off <= CLOSE
    )

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{name}.safetensors" for name in "ab"]
        for path in paths:
            pp.build_bank(there, 64, K, out=path)
        same = len({hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}) == 1
    report.add("a bank of 64 built twice has the same bytes", int(same), "", "1", same)

    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    off = float((spectrum(there, latents) - own).abs().max())
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before
    report.add("the same with TF32 switched on by the user", off, "nats", f"<= {CLOSE:g}", off <= CLOSE)

    calibration = pp.calibrate(there, "pixel", K, 100)
    errors = {
        name: (spectrum(there, latents, name, calibration=calibration).sum(1) - own.sum(1)).std()
        for name in ("tangent-only", "tangent-only-bfloat16")
    }
    ratio = float(errors["tangent-only-bfloat16"] / errors["tangent-only"])
    report.add("error of tangents in bfloat16, of that in float32", ratio, "times", "<= 1.1", ratio <= 1.1)

    if device == "cuda":
        limit = 64 * 2**20
        jacobians = pp.jacobian_fn(there)(latents[:1])
        tangents = torch.randn(1, jacobians.input_dim, 512, device=device)
        with memory_limit(limit):
            taken = peak_bytes(lambda: jacobians.jvp(tangents)) - 2 * tangents.nbytes
        taken -= 512 * jacobians.output_dim * 4  # the result
        report.add("working memory of products at a limit of 64 MB", taken / 2**20, "MB", "<= 64", taken <= limit)


def peak_bytes(function: Callable[[], object]) -> int:
    """Memory of the GPU that a call takes above what is there; 0 on a CPU."""
    if not torch.cuda.is_available():
        function()
        return 0
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    function()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def published(images: Images, z: Tensor) -> Tensor:
    """Log-volumes as the published code takes them."""
    z = z.clone().requires_grad_(True)
    flat = images(z).flatten(1)
    flat = flat @ projection(flat.shape[1], flat.dtype).to(flat.device)
    rows = [torch.autograd.grad(flat[:, i].sum(), z, retain_graph=True)[0].flatten(1) for i in range(flat.shape[1])]
    return torch.linalg.svdvals(torch.stack(rows, 2))[:, :K].double().log().sum(1)


def toy_network() -> tuple[Images, Tensor]:
    generator = toy("cuda" if torch.cuda.is_available() else "cpu")
    return lambda z: generator.synthesize(z, None), generator.prior.draw([0]).z.to(generator.device, torch.float32)


def official(name: str) -> Callable[[], tuple[Images, Tensor]]:
    """A network of `official_sizes.py`."""

    def make() -> tuple[Images, Tensor]:
        from official_sizes import NETWORKS

        build, options, _ = NETWORKS[name]
        images, at, _ = build(**options)
        return images, at

    return make


def turbo() -> tuple[Images, Tensor]:
    """The U-Net of Stable Diffusion 2.1, which SD-Turbo has, on latents of 64 x 64."""
    from networks_of_today import diffusers

    network = diffusers().UNet2DConditionModel(
        sample_size=64,
        cross_attention_dim=1024,
        attention_head_dim=(5, 10, 20, 20),
        use_linear_projection=True,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = network.eval().requires_grad_(False).to(device)
    text, time_ = torch.randn(1, 77, 1024, device=device), torch.tensor(999, device=device)

    def images(z: Tensor) -> Tensor:
        found: Tensor = network(z, time_, encoder_hidden_states=text.expand(len(z), -1, -1)).sample
        return found

    return images, torch.randn(1, 4, 64, 64, device=device)


TINY = {"toy DCGAN, 64 pixels": toy_network}
FULL = {
    **TINY,
    "StyleGAN2 config-f, 256 pixels, from w": official("stylegan2 config-f 256 (LSUN Church, Cat)"),
    "BigGAN-deep, 256 pixels": official("biggan-deep 256"),
    "StyleGAN3-T, 512 pixels, from w": official("stylegan3-t 512 (AFHQv2)"),
    "StyleGAN2 config-f, 1024 pixels, from w": official("stylegan2 config-f 1024 (FFHQ)"),
    "U-Net of SD-Turbo's size, latents of 64 x 64": turbo,
}


def seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def cost(name: str, turns: int) -> dict[str, float]:
    """The figures of a network."""
    torch.manual_seed(0)  # the process is this network's alone
    images, at = FULL[name]()
    z = torch.cat([at, 0.9 * at])[:TIMED]
    began = time.perf_counter()
    traced = TracedJacobian(images)
    with exact_arithmetic():
        assert traced.at(z[:1]) is not None

        def engine() -> None:
            pp.top_singular_values(traced.at(z), K, estimator="block-lanczos")

        engine()
        tracing = time.perf_counter() - began
        found = {"tracing": tracing, "engine bytes": peak_bytes(engine)}
        try:
            found["published bytes"] = peak_bytes(lambda: published(images, z))
            pairs = [(seconds(engine), seconds(lambda: published(images, z))) for _ in range(turns)]
        except torch.OutOfMemoryError:
            pairs = [(seconds(engine), float("nan")) for _ in range(turns)]
    found["engine"], found["published"] = (median(each) / len(z) for each in zip(*pairs, strict=True))
    return found


def costs(report: Report, names: list[str], turns: int, minutes: float) -> None:
    began = time.perf_counter()
    for name in names:
        if time.perf_counter() - began > 60 * minutes:
            report.add(f"{name}: left out", 0, "", "", None, "the minutes are over")
            continue
        words = [sys.executable, __file__, "--one", name, "--turns", str(turns)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["killed"])[-1][:160]
            report.add(f"{name}: left out", 0, "", "", None, said)
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        hours = BANK * found["engine"] / 3600
        report.add(f"{name}: engine", 1 / found["engine"], "latents/s", "", None, f"first {found['tracing']:.0f} s")
        report.add(f"{name}: published loop", 1 / found["published"], "latents/s")
        report.add(f"{name}: times faster", found["published"] / found["engine"], "times")
        report.add(f"{name}: a bank of {BANK:,}", hours, "hours", "", None, f"paper: {BANK * PAPER / 3600:.0f}")
        for way in ("engine", "published"):
            report.add(f"{name}: peak memory, {way}", found[f"{way} bytes"] / 2**30, "GB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="the toy network alone")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--only", help="networks that have this text in their names, and no numbers")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--turns", type=int, default=3, help=argparse.SUPPRESS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(cost(options.one, options.turns)))
        return
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("error: no GPU that torch can use\nhint: type: python benchmarks/gpu.py --tiny --device cpu")
    report = Report()
    if not options.only:
        numbers(report, options.device)
    names = [name for name in (TINY if options.tiny else FULL) if not options.only or options.only in name]
    costs(report, names, 1 if options.tiny else options.turns, options.minutes)
    gpu = torch.cuda.get_device_name() if options.device == "cuda" else "none"
    report.write(options.json, Path(__file__).parent, keep=bool(options.only), gpu=gpu, torch=torch.__version__)
    sys.exit(any(row["holds"] is False for row in report.rows))


if __name__ == "__main__":
    main()
