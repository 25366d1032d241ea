"""Do builds survive? Kills them at random moments, fills the disk, starts two at once, and compares bytes.

    python benchmarks/bank_survival.py [--quick] [--json FILE]

Each build is the command line in a process of its own. A build is killed with SIGKILL (its driver alone, or with its
workers) up to three times and started again; what it leaves must be the bank of a build that nobody disturbed, byte
for byte, its card and its log. About 45 minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from polarprior_benchmarks.reporting import Report

TOY = ("torch:survival_toy:make", "-n", "8000", "-k", "6", "--memory", "12M")
FACES = ("dcgan-faces", "-n", "48", "-k", "30", "--device", "cpu")
LEFT = {"bank.safetensors", "bank.log.jsonl", "README.md"}


def start(folder: Path, *arguments: str, limit: int | None = None) -> subprocess.Popen[str]:
    """`polarprior bank build` in `folder`, in a process group of its own."""
    here = [str(Path(__file__).parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, here))}
    command = [sys.executable, "-m", "polarprior.cli", "bank", "build", *arguments, "--out", "bank"]
    if limit is not None:
        command = ["bash", "-c", f"ulimit -f {limit}; exec " + " ".join(command)]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        text=True,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # in the background it would be ignored
    )


def finish(build: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code, and the last lines that it printed."""
    _, err = build.communicate()
    return build.returncode, " | ".join(err.strip().splitlines()[-2:])


def reference(arguments: tuple[str, ...], root: Path) -> tuple[bytes, float]:
    """The bank of an undisturbed build, and what it took."""
    folder = Path(tempfile.mkdtemp(dir=root))
    began = time.perf_counter()
    code, said = finish(start(folder, *arguments))
    assert code == 0, said
    assert {file.name for file in folder.iterdir()} == LEFT
    return (folder / "bank.safetensors").read_bytes(), time.perf_counter() - began


def same(folder: Path, expected: bytes) -> bool:
    """Whether the bank is the expected one, and nothing else is left."""
    return (folder / "bank.safetensors").read_bytes() == expected and {f.name for f in folder.iterdir()} == LEFT


def killed(
    arguments: tuple[str, ...], expected: bytes, seconds: float, root: Path, stream: random.Random
) -> tuple[bool, int]:
    """One build, killed up to three times: whether it came out the same, and how many kills hit it at work."""
    folder = Path(tempfile.mkdtemp(dir=root))
    hits = 0
    for _ in range(stream.randint(1, 3)):
        build = start(folder, *arguments)
        time.sleep(stream.uniform(0.2, 1.0) * seconds)
        if build.poll() is None:
            hits += 1
            if stream.random() < 0.5:
                os.kill(build.pid, signal.SIGKILL)
            else:
                os.killpg(build.pid, signal.SIGKILL)
        build.communicate()
    code, said = finish(start(folder, *arguments))
    good = code == 0 and same(folder, expected)
    if not good:
        print(f"  {folder}: exit {code}: {said}: {sorted(file.name for file in folder.iterdir())}")
    else:
        shutil.rmtree(folder)
    return good, hits


def ray_worker_killed(expected: bytes, root: Path, stream: random.Random) -> tuple[bool, int]:
    """A build on Ray whose workers are killed, one after another."""
    folder = Path(tempfile.mkdtemp(dir=root))
    build = start(folder, *TOY, "--engine", "ray", "--workers", "2")
    hits = 0
    while build.poll() is None and hits < 2:
        time.sleep(stream.uniform(0.2, 1.0))
        log = folder / "bank.log.jsonl"
        workers = subprocess.run(["pgrep", "-f", "ray::_solve"], capture_output=True, text=True).stdout.split()
        if workers and log.exists():
            os.kill(int(stream.choice(workers)), signal.SIGKILL)
            hits += 1
            time.sleep(2)
    code, said = finish(build)
    good = code == 0 and same(folder, expected)
    if not good:
        print(f"  {folder}: exit {code}: {said}")
    return good, hits


def full_disk(expected: bytes, root: Path) -> list[tuple[str, bool]]:
    """A file-size limit, and a small file system where one can be mounted: an error, and then room."""
    outcomes = []
    folder = Path(tempfile.mkdtemp(dir=root))
    code, said = finish(start(folder, *TOY, limit=200))
    ended = code == 1 and "error: can't write" in said and "Traceback" not in said
    outcomes.append(("a file-size limit", ended and finish(start(folder, *TOY))[0] == 0 and same(folder, expected)))
    disk = Path(tempfile.mkdtemp(dir=root))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True).returncode:
        print("  no file system can be mounted here: the small disk is skipped")
        return outcomes
    try:
        code, said = finish(start(disk, *TOY))
        ended = code == 1 and "error: can't write" in said and "Traceback" not in said
        kept = len(list(disk.glob("bank.parts/part-*.safetensors")))
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        resumed = finish(start(disk, *TOY))[0] == 0 and same(disk, expected)
        outcomes.append((f"a small disk ({kept} parts were kept: {said[:90]})", ended and resumed and kept > 0))
    finally:
        subprocess.run(["umount", disk], check=True)
    return outcomes


def two_at_once(expected: bytes, root: Path) -> bool:
    """Two builds of one bank: one works, the other says who holds it."""
    folder = Path(tempfile.mkdtemp(dir=root))
    builds = [start(folder, *TOY) for _ in range(2)]
    ends = [finish(build) for build in builds]
    codes = sorted(code for code, _ in ends)
    refusal = next((said for code, said in ends if code), "")
    pids = [str(build.pid) for build in builds]
    named = any(f"is being built by process {pid} on " in refusal for pid in pids)
    print(f"  {refusal}")
    return codes == [0, 1] and named and same(folder, expected)


def interrupted(expected: bytes, seconds: float, root: Path) -> tuple[bool, float]:
    """Ctrl-C with two workers: how long it takes to end, and whether it then goes on."""
    folder = Path(tempfile.mkdtemp(dir=root))
    build = start(folder, *TOY, "--workers", "2")
    while not (folder / "bank.log.jsonl").exists():
        time.sleep(0.05)
    began = time.perf_counter()
    os.killpg(build.pid, signal.SIGINT)
    code, said = finish(build)
    took = time.perf_counter() - began
    kept = len(list(folder.glob("bank.parts/part-*.safetensors")))
    ended = code == 1 and "error: interrupted" in said and kept > 0
    return ended and finish(start(folder, *TOY))[0] == 0 and same(folder, expected), took


def main() -> None:
    """Every disturbance in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few of each")
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    stream, report = random.Random(options.seed), Report()
    root = Path(tempfile.mkdtemp(prefix="bank-survival-"))
    toys, faces, rays = (3, 0, 1) if options.quick else (60, 12, 5)

    expected, seconds = reference(TOY, root)
    report.add("undisturbed build of the toy", seconds, "s", detail=f"{len(expected)} bytes")
    report.add("two builds at once: one works, the other says who holds it", "", holds=two_at_once(expected, root))
    fine, took = interrupted(expected, seconds, root)
    report.add("Ctrl-C with two workers ends, and loses nothing", took, "s", "a few s", fine and took < 5)
    for what, good in full_disk(expected, root):
        report.add(f"{what}: an error, and it goes on when there is room", "", holds=good)
    for workers, engine in (("2", "local"), ("3", "local"), ("1", "ray"), ("2", "ray"), ("3", "ray")):
        other, took = reference((*TOY, "--workers", workers, "--engine", engine), root)
        report.add(f"{workers} workers, {engine}: the same bytes", took, "s", holds=other == expected)
    outcomes = [
        killed((*TOY, "--workers", str(1 + i % 2)), expected, seconds * (1 + 0.5 * (i % 2)), root, stream)
        for i in range(toys)
    ]
    _add(report, "toy builds killed with SIGKILL and resumed: identical", outcomes)
    _add(
        report,
        "Ray builds whose workers were killed: identical",
        [ray_worker_killed(expected, root, stream) for _ in range(rays)],
    )
    if faces:
        expected, seconds = reference(FACES, root)
        outcomes = [
            killed((*FACES, "--workers", str(1 + i % 2)), expected, seconds, root, stream) for i in range(faces)
        ]
        _add(report, "face builds killed with SIGKILL and resumed: identical", outcomes)
    report.write(options.json, Path(__file__).parent, seed=options.seed)
    shutil.rmtree(root)
    sys.exit(not all(row["holds"] is not False for row in report.rows))


def _add(report: Report, what: str, outcomes: list[tuple[bool, int]]) -> None:
    good, hits = sum(good for good, _ in outcomes), sum(hits for _, hits in outcomes)
    report.add(what, good, f"of {len(outcomes)}", "all", good == len(outcomes), f"{hits} kills hit a build at work")


if __name__ == "__main__":
    main()
