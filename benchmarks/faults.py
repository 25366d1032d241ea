"""What is on the disk when a writer is ended, or refused, at any of its system calls?

    python benchmarks/faults.py [--quick] [--only NAME] [--kills N [--ray]] [--json FILE]

Each scenario (a bank that replaces another, in every form; a build, its resume; a merge; what is kept of a bank) is
run once under strace, which lists the system calls that change a file in its folder. Then it is run again for each of
them: killed before it, and with the call failing with EIO and with ENOSPC. Afterwards the bank is the old one or the
new one, by its base name and by the name of each file; an undisturbed run on what was left gives the bytes of one
that nobody disturbed, and leaves nothing else. From the same trace, what a loss of power could bring: no name is
given to bytes that aren't flushed, and nothing is removed before the folder with its successor's name is flushed.
Needs strace; takes an hour.

With --kills N, and nothing else: a build of more than 50 parts is killed at a random moment, up to three times before
it may end, until there were N kills; what it then leaves is to the byte what one leaves that nobody disturbed. With
--ray it is solved by two workers of Ray, one of which is killed every other time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from polarprior.errors import PolarPriorError
from polarprior_benchmarks.reporting import Report

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import fault_scenarios
from fault_scenarios import SCENARIOS, Scenario

CHANGING = (
    "openat", "write", "pwrite64", "writev", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir",
    "mkdirat", "rmdir", "ftruncate", "fsync", "fdatasync", "chmod", "fchmod", "fchmodat", "link", "linkat", "symlink",
)  # fmt: skip
"""System calls that change a file or a folder, openat where it may make one."""
FAILURES = ("kill", "EIO", "ENOSPC")
MANY, MANY_ON_RAY = "a build of many parts", "a build of many parts on Ray"
"""Too long to be disturbed at each call: these are killed at random."""


class Call(NamedTuple):
    """A system call of a run: its name, its number among those of that name, and its line of the trace."""

    name: str
    number: int
    line: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every fifth call")
    parser.add_argument("--only", help="scenarios whose names begin so")
    parser.add_argument("--kills", type=int, default=0, help="kill a build of many parts so many times")
    parser.add_argument("--ray", action="store_true", help="of --kills: by two workers of Ray, which are killed too")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report, every = Report(), 5 if arguments.quick else 1
    on_ray = ray_cluster() if arguments.ray else nullcontext()
    with on_ray, nursery() as start, tempfile.TemporaryDirectory() as root:
        if arguments.kills:
            name = MANY_ON_RAY if arguments.ray else MANY
            kills, wrong = killed(Tried(Path(root), name, SCENARIOS[name], start), arguments.kills)
            what = f"{name}, more than 50: kills after which it was right"
            report.add(what, kills - len(wrong), "", str(kills), not wrong, " | ".join(wrong[:3]))
            report.write(arguments.json, Path(__file__).parent, keep=True)
            return
        for name, scenario in SCENARIOS.items():
            if not name.startswith(arguments.only or "") or name in (MANY, MANY_ON_RAY):
                continue
            found = Tried(Path(root) / re.sub(r"\W", "-", name), name, scenario, start)
            calls = found.calls()
            wrong = [line for call in calls[::every] for how in FAILURES if (line := found.disturbed(call, how))]
            count = len(calls[::every]) * len(FAILURES)
            for what, figure, goal, complaints in (
                ("system calls that change a file", len(calls), "", []),
                ("killed, EIO, ENOSPC at each: old or new, then right", count - len(wrong), str(count), wrong),
                ("names given to bytes that aren't flushed", *_none_of(unflushed_names(calls))),
                ("removals before the successor is flushed", *_none_of(early_removals(calls))),
            ):
                said = " | ".join(complaints[:3])
                report.add(f"{name}: {what}", figure, "", goal, None if not goal else not complaints, said)
    report.write(arguments.json, Path(__file__).parent, keep=bool(arguments.only))
    sys.exit(any(row["holds"] is False for row in report.rows))


def _none_of(complaints: list[str]) -> tuple[int, str, list[str]]:
    return len(complaints), "0", complaints


Start = Callable[[str, Path], int]
"""(scenario, folder) to the number of a process that will run it, and waits for SIGCONT."""


@contextmanager
def nursery() -> Iterator[Start]:
    """A process that has imported everything, and makes the processes that are disturbed."""
    process = subprocess.Popen(
        [sys.executable, fault_scenarios.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdin
    assert process.stdout

    def start(name: str, folder: Path) -> int:
        print(json.dumps([name, str(folder)]), file=process.stdin, flush=True)
        return int(process.stdout.readline())

    yield start
    process.stdin.close()
    process.wait()


@dataclass
class Tried:
    """A scenario that is tried in folders of its own.

    Attributes:
        root: of these folders.
        name, scenario: which it is.
        start: makes a process for it.
    """

    root: Path
    name: str
    scenario: Scenario
    start: Start

    def calls(self) -> list[Call]:
        """The calls of an undisturbed run that change something in its folder."""
        folder, log = self.prepared("calls"), self.root / "trace"
        self.ran(folder, ["-y", "-e", f"trace={','.join(CHANGING)}", "-o", str(log)])
        self.state = fault_scenarios.snapshot(folder)
        counts: Counter[str] = Counter()
        found = []
        main_thread = None
        for line in log.read_text(errors="replace").splitlines():
            match = re.match(r"(\d+) +(\w+)\((.*)", line)
            if not match or match[2] not in CHANGING:
                continue
            main_thread = main_thread or match[1]
            if match[1] != main_thread:
                continue
            counts[match[2]] += 1
            makes = match[2] != "openat" or re.search("O_CREAT|O_WRONLY|O_RDWR", match[3])
            if str(folder) in match[3] and makes:
                found.append(Call(match[2], counts[match[2]], match[3].replace(str(folder), "")))
        return found

    def disturbed(self, call: Call, how: str) -> str:
        """Disturb a run at a call: what is wrong afterwards; empty where nothing is."""
        folder = self.prepared(f"{call.name}-{call.number}-{how}")
        fault = "signal=SIGKILL" if how == "kill" else f"error={how}"
        code = self.ran(folder, ["-e", f"inject={call.name}:{fault}:when={call.number}", "-o", os.devnull])
        said = f"{how} at {call.name} {call.number} ({call.line[:80]}): "
        if code not in ((-signal.SIGKILL,) if how == "kill" else (0, 1)):
            return f"{said}ended with {code}"
        try:
            self.scenario.check(folder)
            left = [each.name for each in folder.rglob(".*.tmp") if ".parts/" not in str(each)]
            if how != "kill" and call.name not in ("unlink", "unlinkat", "rmdir") and left:
                return f"{said}left {left}"
            self.scenario.run(folder)
        except (PolarPriorError, AssertionError, OSError) as error:
            return f"{said}{type(error).__name__}: {str(error).splitlines()[0]}"
        after = fault_scenarios.snapshot(folder)
        if after != self.state:
            odd = sorted(name for name in {*after, *self.state} if after.get(name) != self.state.get(name))
            return f"{said}an undisturbed run leaves others than it should: {odd[:4]}"
        shutil.rmtree(folder)
        return ""

    def prepared(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir(parents=True)
        self.scenario.prepare(folder)
        return folder

    def ran(self, folder: Path, options: list[str]) -> int:
        """Run the scenario under strace; its exit code, below 0 for a signal."""
        process = self.start(self.name, folder)
        tracer = subprocess.Popen(["strace", "-f", *options, "-p", str(process)], stderr=subprocess.PIPE, text=True)
        assert tracer.stderr
        assert "attached" in tracer.stderr.readline()
        os.kill(process, signal.SIGCONT)
        tracer.communicate(timeout=120)
        return self.status(folder)

    @staticmethod
    def status(folder: Path) -> int:
        """How the process of a folder ended, as the nursery writes it beside the folder once it has."""
        file = folder.parent / f"{folder.name}.status"
        while not (file.exists() and (text := file.read_text())):
            time.sleep(0.002)
        file.unlink()
        return int(text)


def killed(tried: Tried, count: int) -> tuple[int, list[str]]:
    """Kill builds `count` times, on Ray one of their workers every other time; how many kills it were, and what was
    wrong after one."""
    stream = random.Random(0)
    undisturbed = tried.prepared("undisturbed")
    fault_scenarios.many()
    seconds = min(_ended(tried, undisturbed), _ended(tried, tried.prepared("again")))
    whole = fault_scenarios.snapshot(undisturbed)
    kills, wrong = 0, []
    while kills < count:
        folder = tried.prepared(f"killed-{kills}")
        for _ in range(stream.randint(1, 3)):
            process = tried.start(tried.name, folder)
            os.kill(process, signal.SIGCONT)
            time.sleep(stream.uniform(0, seconds))
            others = _workers_of_ray() if tried.name == MANY_ON_RAY and stream.random() < 0.5 else []
            victim = stream.choice(others) if others else process
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
            kills += tried.status(folder) == -signal.SIGKILL or victim != process
        try:
            tried.scenario.check(folder)
            _ended(tried, folder)
        except (PolarPriorError, AssertionError, OSError) as error:
            wrong.append(f"after kill {kills}: {type(error).__name__}: {str(error).splitlines()[0]}")
            continue
        if fault_scenarios.snapshot(folder) != whole:
            wrong.append(f"after kill {kills}: other bytes, or something was left")
        shutil.rmtree(folder)
    return kills, wrong


def _ended(tried: Tried, folder: Path) -> float:
    """Seconds of a run that nobody disturbs."""
    process, began = tried.start(tried.name, folder), time.monotonic()
    os.kill(process, signal.SIGCONT)
    assert tried.status(folder) == 0, "a run that nobody disturbs fails"
    return time.monotonic() - began


def _workers_of_ray() -> list[int]:
    """Processes that solve units, or wait for some."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if each.read_bytes().startswith((b"ray::_solve", b"ray::IDLE")):
                found.append(int(each.parent.name))
    return found


@contextmanager
def ray_cluster() -> Iterator[None]:
    """A Ray of this machine that outlives the builds on it."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
    yield
    ray.shutdown()


def unflushed_names(calls: list[Call]) -> list[str]:
    """Renames of files whose last write no fsync follows: after a loss of power the name may hold nothing."""
    flushed: dict[str, bool] = {}
    found = []
    for call in calls:
        named = re.search(r"<([^>]*)>", call.line)
        if call.name in ("write", "pwrite64", "writev", "ftruncate") and named:
            flushed[named[1]] = False
        elif call.name in ("fsync", "fdatasync") and named:
            flushed[named[1]] = True
        elif call.name.startswith("rename"):
            source, name = re.findall(r'"([^"]*)"', call.line)[:2]
            if not flushed.get(source, False) and ".tmp" not in name:
                found.append(call.line)
    return found


def early_removals(calls: list[Call]) -> list[str]:
    """Removals of files that had a name before, while a rename in the same folder is not flushed yet."""
    pending: set[str] = set()
    found = []
    for call in calls:
        names = re.findall(r'"([^"]*)"', call.line)
        if call.name.startswith("rename") and ".tmp" not in names[-1]:
            pending.add(str(Path(names[-1]).parent))
        elif call.name == "fsync":
            flushed = re.search(r"<([^>]*)>", call.line)
            pending.discard((flushed[1] if flushed else "") or "/")
        elif call.name.startswith("unlink") and names and ".tmp" not in names[-1]:
            done = call.line.rstrip().endswith("= 0")
            if done and str(Path(names[-1]).parent) in pending:
                found.append(call.line)
    return found


if __name__ == "__main__":
    main()
