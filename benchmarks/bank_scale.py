"""How banks scale: open, first draw, draws a second, memory, reading speed; and the throughput of builds.

    python benchmarks/bank_scale.py [--quick] [--json FILE] [--folder DIR] [--only reading|building]

Reading: banks of 10^4 to 10^7 latents with k = 100 (the largest is 4.2 GB, written to DIR), each looked at by
processes of their own, with the files in the page cache as after a first use. Building: the face generator, with 1
and 2 local workers and on Ray, from the first part of the slowest worker to the last (start-up excluded). 20 minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
from polarprior.bank.writing import write_files
from polarprior_benchmarks.reporting import Report

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from toys import toy_bank

K = 100
LOOK = """
import json, resource, sys, time
from polarprior.bank.bank import Bank
from polarprior.hashing import latent_hash
from polarprior.samplers.bank_sampler import WeightedBank
from polarprior.samplers.contract import SamplerOptions
path, rho = sys.argv[1], float(sys.argv[2])
def memory():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(lines["RssAnon"].split()[0]) / 1024, int(lines["VmHWM"].split()[0]) / 1024
before = memory()
began = time.perf_counter()
bank = Bank.open(path)
opened = time.perf_counter()
weighted = WeightedBank(bank, rho, SamplerOptions(draws=16, force=True))
seeds = bank.seeds[weighted.rows(bank.latent_hash[:16])]
drawn = time.perf_counter()
count = min(len(bank), 100_000)
weighted.rows(bank.latent_hash[:count])
rate = count / (time.perf_counter() - drawn)
anonymous, peak = memory()
print(json.dumps({"open": opened - began, "first": drawn - began, "rate": rate, "anonymous": anonymous - before[0],
                  "peak": peak - before[1]}))
"""
READ = """
import json, sys, time
import numpy as np
from polarprior.bank.contents import log_volumes
from polarprior.bank.format import BLOCK_ROWS
from polarprior.bank.index import open_files
_, files = open_files(__import__("pathlib").Path(sys.argv[1]))
def plain():
    blocks = ((file, start) for file in files for start in range(0, file.rows, BLOCK_ROWS))
    return sum(float(file.columns["log_singular_values"][start:start + BLOCK_ROWS].sum()) for file, start in blocks)
plain()
times = {"plain": [], "ours": [], "checked": []}
from polarprior.bank.contents import checked_log_volume
for _ in range(3):
    for name, run in (("plain", plain), ("ours", lambda: log_volumes(files, files[0].info.k, 0.0)),
                      ("checked", lambda: checked_log_volume(files, "bank"))):
        began = time.perf_counter(); run(); times[name].append(time.perf_counter() - began)
size = sum(file.columns["log_singular_values"].nbytes for file in files)
print(json.dumps({"size": size, **{name: sorted(values)[1] for name, values in times.items()}}))
"""


def columns(rows: int, start: int) -> dict[str, np.ndarray]:
    """Spectra such as a generator's: log-volumes with a standard deviation of 7 nats."""
    stream = np.random.default_rng(start)
    log_volume = stream.normal(0, 7, rows)
    values = (log_volume[:, None] / K + np.linspace(4, 0, K)).astype(np.float32)
    return {
        "seeds": np.arange(start, start + rows),
        "latent_hash": stream.integers(-(2**63), 2**63, rows),
        "log_singular_values": values,
    }


def write_bank(path: Path, rows: int) -> Path:
    """A bank of so many rows."""
    info = replace(toy_bank(2, 1.0).info, k=K)
    return write_files(path, info, rows, lambda start, stop: columns(stop - start, start))


def look(script: str, *arguments: object) -> dict[str, float]:
    """What a script prints, in a process of its own."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def reading(report: Report, folder: Path, quick: bool) -> None:
    """Banks of all sizes."""
    for power in (4, 5) if quick else (4, 5, 6, 7):
        rows = 10**power
        path = write_bank(folder / f"bank{power}", rows)
        what = f"10^{power} latents, k = {K}"
        cold = look(LOOK, path, 0.01)
        warm = [look(LOOK, path, rho) for rho in (0.02, -0.02, 0.03)]
        median = {name: statistics.median(each[name] for each in warm) for name in warm[0]}
        report.add(f"{what}: open", median["open"], "s")
        report.add(f"{what}: open and 16 draws, the very first time", cold["first"], "s")
        goal = ("< 2", median["first"] < 2) if power == 7 else ("", None)
        report.add(f"{what}: open and 16 draws at a new rho", median["first"], "s", *goal)
        report.add(f"{what}: draws a second", median["rate"], "1/s")
        spectra = rows * K * 4 / 2**20
        goal = ("< spectra", median["peak"] < spectra) if power == 7 else ("", None)
        detail = f"{median['anonymous']:.0f} MB at the end; its spectra are {spectra:.0f} MB"
        report.add(f"{what}: memory, at most", median["peak"], "MB", *goal, detail)
        if power >= 6 or quick:
            found = look(READ, path)
            for name, words in (("ours", "log-volumes"), ("checked", "log-volumes, digests and every check")):
                detail = f"{found['size'] / found[name] / 1e9:.2f} GB/s"
                report.add(f"{what}: {words}, times a numpy sum", found[name] / found["plain"], "x", detail=detail)
        shutil.rmtree(folder)
        folder.mkdir()


def throughput(arguments: tuple[str, ...], n: int) -> float:
    """Latents a second of a build, from when every worker has done a part to the end, by its log."""
    folder = Path(tempfile.mkdtemp())
    command = [sys.executable, "-m", "polarprior.cli", "bank", "build", "dcgan-faces", "-n", str(n), "--out", "bank"]
    subprocess.run([*command, "--device", "cpu", *arguments], cwd=folder, check=True, capture_output=True)
    lines = [json.loads(line) for line in (folder / "bank.log.jsonl").read_text().splitlines()]
    shutil.rmtree(folder)
    times = [datetime.fromisoformat(line["time"]).timestamp() for line in lines]
    firsts = {line["worker"]: time for line, time in reversed(list(zip(lines, times, strict=True)))}
    begin = max(firsts.values())
    last = {line["worker"]: time for line, time in zip(lines, times, strict=True)}
    end = min(last.values())  # from here on a worker may have nothing left to do
    done = sum(line["latents"] for line, time in zip(lines, times, strict=True) if begin < time <= end)
    return done / (end - begin)


def building(report: Report, quick: bool) -> None:
    """Workers and engines, interleaved."""
    n, repeats = (64, 1) if quick else (240, 3)
    cases = {
        "1 local worker": (),
        "2 local workers": ("--workers", "2"),
        "2 Ray workers": ("--engine", "ray", "--workers", "2"),
    }
    rates: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, arguments in cases.items():
            rates[name].append(throughput(arguments, n))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        detail = f"{min(values):.3g} to {max(values):.3g}"
        report.add(f"face generator, {name}", medians[name], "latents/s", detail=detail)
    one = medians["1 local worker"]
    for name, goal in (("2 local workers", 1.8), ("2 Ray workers", None)):
        ratio = medians[name] / one
        holds = None if goal is None else ratio >= goal
        report.add(f"face generator, {name} against one", ratio, "x", f">= {goal}" if goal else "", holds)


def main() -> None:
    """Reading, then building."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small banks, one short build of each kind")
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--folder", type=Path, help="where the banks are written; a temporary folder if not given")
    parser.add_argument("--only", choices=("reading", "building"))
    options = parser.parse_args()
    report = Report()
    if options.only != "building":
        folder = Path(tempfile.mkdtemp(prefix="bank-scale-", dir=options.folder))
        os.environ["POLARPRIOR_CACHE"] = str(folder / "cache")
        reading(report, folder, options.quick)
        shutil.rmtree(folder)
    if options.only != "reading":
        building(report, options.quick)
    report.write(options.json, Path(__file__).parent)
    sys.exit(not all(row["holds"] is not False for row in report.rows))


if __name__ == "__main__":
    main()
