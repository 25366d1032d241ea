"""What the Jacobians of the five model plugins cost, on two commits in turn: is a latent dearer than it was?

    python benchmarks/five_models.py [--before 686a659] [--after HEAD] [--vendor FOLDER] [--processes 8] [--json FILE]

Both commits are installed as `unmoved.py` installs them, and open the same small networks, which the stock classes of
the checkouts in --vendor (POLARPRIOR_VENDOR) write with random weights. A process of a commit loads a model, traces
it, and then solves the same latents again and again; processes of the two commits take turns, in the order ABBA.
Where its memory lies makes a process faster or slower for good (StyleGAN3 by half, without the huge pages that are
asked for here), and other work on the machine makes a turn slower. So the ratio after/before of a pair of processes,
each by its fastest turn, is one observation. Printed: CPU seconds a latent, the ratio with its 95% interval over
pairs of processes (of the mean of its logarithm, Student's t), seconds to trace, a tangent in forward passes, and how
far the log singular values are apart, kinks of ReLUs aside. Of BigGAN-deep at the official size of 128 pixels tracing
and tangents alone are measured, by one pair. --quick takes two pairs and leaves it out; --only measures the models
whose names begin so, and keeps the JSON file's rows of the others. About half an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean, median, stdev
from typing import IO, Any, NamedTuple

from polarprior_benchmarks.reporting import Report
from scipy.stats import t as student
from unmoved import Install

K, TANGENTS = 8, 4
QUIET = {"OMP_NUM_THREADS": "1", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""Environment of a process that is timed."""
TURNS = 8
GOAL = 1.05
MODELS: dict[str, tuple[str, str, int]] = {
    "stylegan2": ("polarprior_stylegan2.small stylegan2 {} --resolution 16", "stylegan2", 16),
    "stylegan3": ("polarprior_stylegan2.small stylegan3 {} --resolution 16", "stylegan3", 4),
    "biggan-deep (package)": ("polarprior_biggan_deep.small package {}", "biggan-deep", 32),
    "biggan-deep (BigGAN-PyTorch)": ("polarprior_biggan_deep.small repository {}", "biggan-deep", 16),
    "progan (pytorch_GAN_zoo)": ("polarprior_progan.small zoo {}", "progan", 24),
    "progan (genforce)": ("polarprior_progan.small genforce {}", "progan", 24),
    "nvae (MNIST)": ("polarprior_nvae.small {}", "nvae", 4),
    "nvae (RGB, flows)": ("polarprior_nvae.small {} --dataset cifar10 --flows 1", "nvae", 4),
}
"""Name to the words that write the network behind ``python -m``, the plugin, and latents a turn."""
LARGE = "biggan-deep (package, 128 pixels)"
WRITE_LARGE = """
import sys, torch
from pathlib import Path
from pytorch_pretrained_biggan import BigGAN, BigGANConfig
from polarprior_biggan_deep.small import settle
torch.manual_seed(0)
config = BigGANConfig()
model, folder = BigGAN(config), Path(sys.argv[1])
settle(model, lambda: model(torch.randn(1, config.z_dim), torch.eye(config.num_classes)[:1], 1.0), steps=6)
folder.mkdir()
(folder / "config.json").write_text(config.to_json_string())
torch.save(model.state_dict(), folder / "pytorch_model.bin")
"""
FILES = {
    "stylegan2": "net.pkl",
    "stylegan3": "net.pkl",
    "progan (genforce)": "net.pth",
    "progan (pytorch_GAN_zoo)": "net",
}
WORKER = """
import json, sys, time, warnings
import torch
import polarprior as pp

warnings.simplefilter("ignore")
torch.set_num_threads(1)
model, k, tangents, count = sys.argv[1], *map(int, sys.argv[2:5])
out, sys.stdout = sys.stdout, sys.stderr  # what stock code prints is no answer

def timed(call):
    begun = time.process_time()
    value = call()
    return time.process_time() - begun, value

generator = pp.load(model, "cpu")
labels = None if generator.num_classes is None else [i % generator.num_classes for i in range(count)]
latents = generator.prior.draw(range(count), labels)
jacobian_fn = pp.jacobian_fn(generator)
trace, one = timed(lambda: jacobian_fn(latents[:1]))
directions = torch.randn(1, one.input_dim, tangents, generator=torch.Generator().manual_seed(0))
spectra = []
for nudge in (1, 1 + 1e-6, 1 - 1e-6) if count > 1 else ():
    moved = pp.Latents(nudge * latents.z[:4], None if labels is None else latents.label[:4])
    spectra.append(pp.top_singular_values(jacobian_fn(moved), k).log_sigma.tolist())
print(json.dumps({"trace": trace, "spectra": spectra}), file=out, flush=True)
for line in sys.stdin:
    kind = line.strip()
    if kind == "latents":
        seconds, _ = timed(lambda: pp.top_singular_values(jacobian_fn(latents), k))
        seconds /= count
    else:
        forward, _ = timed(lambda: generator(latents[:1]))
        seconds, _ = timed(lambda: one.jvp(directions))
        seconds /= tangents * forward
    print(json.dumps(seconds), file=out, flush=True)
"""


class Worker:
    """A commit's process with a model: what it found when it began, and its answers."""

    def __init__(self, install: Install, model: str, count: int, vendor: str):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.process = subprocess.Popen(
            [install.root / "env/bin/python", "-c", WORKER, model, str(K), str(TANGENTS), str(count)],
            env={**kept, **QUIET, "POLARPRIOR_VENDOR": vendor}, cwd=install.root,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.began = self._answer()

    def ask(self, kind: str) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write(kind + "\n")
        self.process.stdin.flush()
        return float(self._answer())

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def _answer(self) -> Any:
        out: IO[str] | None = self.process.stdout
        assert out is not None
        line = out.readline()
        if not line:
            sys.exit("a process ended: what it said is above")
        return json.loads(line)


def interval(ratios: list[float]) -> tuple[float, float, float]:
    """The geometric mean of ratios, and its 95% interval."""
    import numpy as np

    logs = np.log(ratios).tolist()
    half = student.ppf(0.975, len(logs) - 1) * stdev(logs) / len(logs) ** 0.5
    return tuple(np.exp([mean(logs), mean(logs) - half, mean(logs) + half]).tolist())  # type: ignore[return-value]


class Turns(NamedTuple):
    """What a process has answered: seconds to trace; log singular values of latents, as they are and a millionth
    longer and shorter; and a figure a turn."""

    trace: float
    spectra: list[list[list[float]]]
    tangents: list[float]
    latents: list[float]


def taken(installs: tuple[Install, Install], model: str, count: int, vendor: str) -> tuple[Turns, Turns]:
    """Let a process of each commit load a model, and answer in turns: the first answer of each is not counted."""
    workers = [Worker(install, model, count, vendor) for install in installs]
    found = [Turns(worker.began["trace"], worker.began["spectra"], [], []) for worker in workers]
    try:
        for kind in ("tangents", "latents") if count > 1 else ("tangents",):
            for worker in workers:
                worker.ask(kind)
            for turn in range(TURNS):
                for which in (0, 1) if turn % 2 == 0 else (1, 0):
                    getattr(found[which], kind).append(workers[which].ask(kind))
    finally:
        for worker in workers:
            worker.end()
    return found[0], found[1]


def difference(before: list[list[list[float]]], after: list[list[list[float]]]) -> float:
    """The largest difference of log singular values over latents, each as it is on the one side and as it is or
    moved by a millionth on the other: where the input of a ReLU is that near to zero, rounding chooses its slope."""
    import numpy as np

    return float(np.abs(np.array(after) - np.array(before)[:1]).max(-1).min(0).max())


def compared(report: Report, name: str, pairs: list[tuple[Turns, Turns]]) -> None:
    """Add a model's rows."""
    before, after = zip(*pairs, strict=True)
    if before[0].latents:
        ratio, low, high = interval([min(new.latents) / min(old.latents) for old, new in pairs])
        seconds = [1e3 * median(min(turns.latents) for turns in side) for side in (before, after)]
        times = f"{seconds[0]:.3g} -> {seconds[1]:.3g} CPU ms a latent, {len(pairs)} pairs of processes"
        detail = f"95% interval {low:.3f} to {high:.3f}; {times}"
        report.add(f"{name}: time a latent, after/before", ratio, "times", GOAL, high < GOAL, detail)
        apart = difference(before[0].spectra, after[0].spectra)
        report.add(f"{name}: log singular values apart", apart, "nats", 1e-5, apart < 1e-5)
    for side, word in ((before, "before"), (after, "after")):
        report.add(f"{name}: seconds to trace, {word}", median(turns.trace for turns in side), "CPU s")
    for side, word in ((before, "before"), (after, "after")):
        tangents = median(x for turns in side for x in turns.tangents)
        report.add(f"{name}: a tangent, {word}", tangents, "forward passes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", default="686a659", help="commit (686a659)")
    parser.add_argument("--after", default="HEAD", help="commit (HEAD)")
    parser.add_argument("--vendor", default=os.environ.get("POLARPRIOR_VENDOR"), help="folder with checkouts")
    parser.add_argument("--processes", type=int, default=8, help="pairs of processes a model (8)")
    parser.add_argument("--only", help="models whose names begin so")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not options.vendor:
        sys.exit("--vendor: none named, nor POLARPRIOR_VENDOR: it is the folder with stock checkouts")
    vendor = str(Path(options.vendor).resolve())
    root = Path(tempfile.mkdtemp(prefix="five-models-"))
    before = Install("before", options.before, root / "before")
    after = Install("after", options.after, root / "after", before.version)
    report = Report()
    wanted = {**MODELS, **({} if options.quick else {LARGE: ("", "biggan-deep", 1)})}  # one: no latents are solved
    for number, (name, (words, plugin, count)) in enumerate(wanted.items()):
        if options.only and not name.startswith(options.only):
            continue
        path = root / str(number) / FILES.get(name, "net.pt" if plugin == "nvae" else "net")
        path.parent.mkdir()
        command = ["-c", WRITE_LARGE, path] if name == LARGE else ["-m", *words.format(path).split()]
        environ = {**os.environ, "POLARPRIOR_VENDOR": vendor}
        subprocess.run(
            [after.root / "env/bin/python", *command], env=environ, cwd=root, check=True, stdout=subprocess.DEVNULL
        )
        file = path / "net_s2_i100.pt" if name == "progan (pytorch_GAN_zoo)" else path
        processes = 1 if name == LARGE else 2 if options.quick else options.processes
        pairs = [taken((before, after), f"{plugin}:{file}", count, vendor) for _ in range(processes)]
        compared(report, name, pairs)
    report.write(options.json, Path(__file__).parent, keep=bool(options.only), before=options.before, threads=1)
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
