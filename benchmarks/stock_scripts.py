"""What a polarity prior costs a stock generate script: seconds to start, and time an image.

POLARPRIOR_VENDOR names the folder with checkouts of NVlabs/stylegan2-ada-pytorch and NVlabs/stylegan3. The stock
script runs unmodified, with the shims of this machine alone and through `polarprior run`, in turns, one image each
at a time, so that what else the machine does falls on all alike: on a small network that the stock classes write, or
on one of yours: --network FILE --bank FILE. With CUDA it measures CUDA.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from polarprior_benchmarks.reporting import Report
from polarprior_stylegan2.repos import STYLEGAN2_ADA, STYLEGAN3

STOCK = """
import sys, runpy
from pathlib import Path
import torch
from polarprior.stock.shims.arguments import restore_arguments
from polarprior.stock.shims.device import move_cuda_to
from polarprior.stock.shims.modules import supply_missing_modules
supply_missing_modules()
restore_arguments()
if not torch.cuda.is_available():
    move_cuda_to(torch.device("cpu"))
if {force_fp32} and not torch.cuda.is_available():
    from polarprior.stock.importing import after_import
    def mend(legacy):
        load = legacy.load_network_pkl
        def loaded(*args):
            data = load(*args)
            data["G_ema"].synthesis.register_forward_pre_hook(
                lambda module, args, kwargs: (args, {{**kwargs, "force_fp32": True}}), with_kwargs=True)
            return data
        legacy.load_network_pkl = loaded
    after_import("legacy", mend)
sys.argv = sys.argv[1:]
sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""The stock script with the shims that this machine needs, and nothing else of ours."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two runs of eight images")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--network", type=Path, help="a network pickle of the first repository that is found")
    parser.add_argument("--bank", type=Path, help="its bank")
    arguments = parser.parse_args()
    rounds, images = (2, 8) if arguments.quick else (7, 40)
    report = Report()
    vendor = os.environ.get("POLARPRIOR_VENDOR")
    if not vendor:
        sys.exit("POLARPRIOR_VENDOR names no folder with checkouts")
    for repo, plugin, script in (
        (STYLEGAN2_ADA, "stylegan2", "generate.py"),
        (STYLEGAN3, "stylegan3", "gen_images.py"),
    ):
        checkout = next((folder for folder in sorted(Path(vendor).iterdir()) if repo.is_at(folder)), None)
        if checkout is None:
            print(f"no checkout of {repo.name} in {vendor}: left out")
            continue
        with tempfile.TemporaryDirectory() as work:
            measure(report, checkout.resolve(), plugin, script, Path(work), rounds, images, arguments)
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    report.write(arguments.json, Path(__file__).parent, rounds=rounds, images=images, threads=threads)


def measure(report, checkout, plugin, script, work, rounds, images, arguments):
    """Stock, polarity 0 and polarity -0.5 in turns, each a process of its own."""
    network, bank = arguments.network, arguments.bank
    if network is None:
        network, bank = work / "network.pkl", work / "bank.safetensors"
        run(checkout, "-m", "polarprior_stylegan2.small", plugin, network, "--resolution", "32")
        command = [
            "-m",
            "polarprior.cli",
            "bank",
            "build",
            f"{plugin}:{network}",
            "-n",
            "40",
            "-k",
            "8",
            "--out",
            bank,
        ]
        run(checkout, *command)
    ways = {
        "stock": ["-c", STOCK.format(force_fp32=plugin == "stylegan2")],
        "rho 0": ["-m", "polarprior.cli", "run", "--polarity=0", f"--bank={bank}"],
        "rho -0.5": ["-m", "polarprior.cli", "run", "--polarity=-0.5", f"--bank={bank}", "--force"],
    }
    starts = {way: [] for way in ways}
    paces = {way: [] for way in ways}
    words = [script, f"--network={network}", f"--seeds=0-{images - 1}", f"--outdir={work}/out"]
    for _ in range(rounds):
        for way, (start, pace) in timed(checkout, {way: [*command, *words] for way, command in ways.items()}).items():
            starts[way].append(start)
            paces[way].append(pace)
    report.add(
        f"{plugin}: stock, start to first image", median(starts["stock"]), "s", "", None, spread(starts["stock"])
    )
    for way in ("rho 0", "rho -0.5"):
        over = [mine - stock for mine, stock in zip(starts[way], starts["stock"], strict=True)]
        ratio = [mine / stock for mine, stock in zip(paces[way], paces["stock"], strict=True)]
        start = median(over)
        report.add(f"{plugin}: {way}, start over stock", start, "s", "< 1.5", start < 1.5, spread(over))
        goal, holds = ("at most 1.02", median(ratio) <= 1.02) if way == "rho 0" else ("", None)
        report.add(f"{plugin}: {way}, time an image over stock", median(ratio), "times", goal, holds, spread(ratio))
    report.add(
        f"{plugin}: stock, time an image", 1e3 * median(paces["stock"]), "ms", "", None, "32 x 32 unless --network"
    )


def timed(checkout, ways):
    """{way: (seconds until its first image begins, median seconds an image)}: by when a script says that one begins.

    All but one process are stopped at any time, and they go on in turns, an image each.
    """
    processes, starts, seconds = {}, {}, {way: [] for way in ways}
    try:
        for way, words in ways.items():
            begun = time.perf_counter()
            processes[way] = subprocess.Popen(
                [sys.executable, "-u", *map(str, words)],
                cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            if not image_begins(processes[way]):
                sys.exit(processes[way].stderr.read())
            starts[way] = time.perf_counter() - begun
            processes[way].send_signal(signal.SIGSTOP)
        drawing = list(ways)
        while drawing:
            for way in list(drawing):
                begun = time.perf_counter()
                processes[way].send_signal(signal.SIGCONT)
                if image_begins(processes[way]):
                    seconds[way].append(time.perf_counter() - begun)
                    processes[way].send_signal(signal.SIGSTOP)
                else:
                    drawing.remove(way)
                    if processes[way].wait():
                        sys.exit(processes[way].stderr.read())
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()
    return {way: (starts[way], median(seconds[way][1:])) for way in ways}


def image_begins(process):
    """Whether the script gets as far as its next image."""
    return any(line.startswith("Generating image") for line in process.stdout)


def run(checkout, *words):
    done = subprocess.run([sys.executable, *map(str, words)], cwd=checkout, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)


def spread(values):
    return f"{min(values):.4g} to {max(values):.4g} over {len(values)} runs"


if __name__ == "__main__":
    main()
