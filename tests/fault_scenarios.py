"""Writers that `benchmarks/faults.py` disturbs. As a program it forks a process a line of its input, which waits for
SIGCONT and then runs a scenario: everything has been imported by then."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polarprior as pp
import torch
from polarprior.building.merge import merge
from polarprior.errors import PolarPriorError
from torch import nn
from toys import toy_bank

FORMS = {"file": 10**9, "2 shards": 150 * 28, "3 shards": 100 * 28}


class Scenario(NamedTuple):
    """A writer.

    Attributes:
        prepare: makes what is there before, in an empty folder.
        run: writes.
        check: AssertionError unless what is there is what was there before, or what should be.
    """

    prepare: Callable[[Path], None]
    run: Callable[[Path], object]
    check: Callable[[Path], None]


def snapshot(folder: Path) -> dict[str, bytes]:
    """All files by their names, but for logs, which hold times, and what an ended writer left in a cache."""
    files = (each for each in folder.rglob("*") if each.is_file() and not each.name.endswith(".log.jsonl"))
    names = {str(each.relative_to(folder)): each for each in files}
    return {
        name: each.read_bytes() for name, each in names.items() if not (name.startswith("cache/") and "/." in name)
    }


@cache
def generator() -> pp.Generator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return pp.wrap(nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5)), latent_dim=4)


@cache
def bank(number: int) -> pp.Bank:
    return toy_bank(300, 1.0, seed=number)


def one_of(folder: Path, *known: pp.Bank, none: bool = False) -> None:
    """The bank of a folder is one of those that are known, by its base name and by that of each whole file."""
    paths = [folder / "bank", *folder.glob("bank*.json"), *folder.glob("bank.safetensors")]
    if none and len(paths) == 1:
        return
    for path in paths:
        opened = pp.Bank.open(path, cached=False)
        pp.verify(opened)
        same = [
            all(np.array_equal(column, each.columns()[name]) for name, column in opened.columns().items())
            for each in known
            if len(each) == len(opened)
        ]
        assert any(same), f"{path.name} is neither the old nor the new bank"


def replacing(before: str, after: str) -> Scenario:
    return Scenario(
        lambda folder: bank(0).save(folder / "bank", FORMS[before]),
        lambda folder: bank(1).save(folder / "bank", FORMS[after]),
        lambda folder: one_of(folder, bank(0), bank(1)),
    )


BUILD = {"n": 60, "k": 2, "memory": 1 << 12}


@cache
def built() -> pp.Bank:
    return pp.build_bank(generator(), **BUILD)


MANY = {"n": 1250, "k": 2, "memory": 1 << 12}
"""More than 50 parts."""


def build(folder: Path, **options: int) -> None:
    pp.build_bank(generator(), **{**BUILD, **options}, out=folder / "bank")


@cache
def many() -> pp.Bank:
    return pp.build_bank(generator(), **MANY)


def on_ray(folder: Path) -> None:
    loaded = pp.load("torch:fault_scenarios:generator", "cpu")
    pp.build_bank(loaded, **MANY, out=folder / "bank", workers=2, engine="ray")


def of_many_parts(folder: Path) -> None:
    one_of(folder, many(), none=True)


def half_built(folder: Path) -> None:
    """A build that was ended before its last parts, while one of them was being written."""
    from polarprior.building import in_folder

    written, in_folder.writing.write_files = in_folder.writing.write_files, _fails
    try:
        build(folder)
    except OSError:
        pass
    finally:
        in_folder.writing.write_files = written
    parts = sorted((folder / "bank.parts").glob("part-*"))
    for each in parts[len(parts) // 2 :]:
        each.unlink()
    (folder / "bank.parts/.part.0123.tmp").write_bytes(b"half of it")


def _fails(*_: object, **__: object) -> Path:
    raise OSError("ended")


def two_banks(folder: Path) -> None:
    for name, first in (("one", 0), ("two", 100)):
        pp.build_bank(generator(), 8, 2, seeds_from=first).save(folder / name)


def merged(folder: Path) -> None:
    merge([pp.Bank.open(folder / name, cached=False) for name in ("one", "two")], folder / "bank")


@cache
def both() -> pp.Bank:
    parts = [pp.build_bank(generator(), 8, 2, seeds_from=first) for first in (0, 100)]
    columns = {name: np.concatenate([part.columns()[name] for part in parts]) for name in parts[0].columns()}
    return pp.Bank.of(parts[0].info, columns)


def keep(folder: Path, number: int) -> None:
    os.environ["POLARPRIOR_CACHE"] = str(folder / "cache")
    pp.Bank.open(folder / "bank").keep("thing", {"number": np.full(1000, number)})


def with_something_kept(folder: Path) -> None:
    bank(0).save(folder / "bank")
    keep(folder, 1)


def kept_is_old_or_new(folder: Path) -> None:
    os.environ["POLARPRIOR_CACHE"] = str(folder / "cache")
    found = pp.Bank.open(folder / "bank").recall("thing")
    assert found is not None
    assert set(found["number"].tolist()) in ({1}, {2})


SCENARIOS = {
    **{f"{before} -> {after}": replacing(before, after) for before in FORMS for after in FORMS},
    "a build": Scenario(lambda _: None, build, lambda folder: one_of(folder, built(), none=True)),
    "a build of many parts": Scenario(lambda _: None, lambda folder: build(folder, **MANY), of_many_parts),
    "a build of many parts on Ray": Scenario(lambda _: None, on_ray, of_many_parts),
    "a build in shards": Scenario(
        lambda _: None,
        lambda folder: build(folder, max_shard_size=200),
        lambda folder: one_of(folder, built(), none=True),
    ),
    "a resumed build": Scenario(half_built, build, lambda folder: one_of(folder, built(), none=True)),
    "a merge": Scenario(two_banks, merged, lambda folder: one_of(folder, both(), none=True)),
    "what is kept of a bank": Scenario(with_something_kept, lambda folder: keep(folder, 2), kept_is_old_or_new),
}


def serve() -> None:
    generator(), bank(0), bank(1), built()  # what the first build imports takes longer than the build
    for line in sys.stdin:
        name, folder = json.loads(line)
        child = os.fork()
        if child == 0:
            _in_a_child(name, Path(folder))
            os._exit(0)


def _in_a_child(name: str, folder: Path) -> None:
    """Fork again: this process waits for the other, which is disturbed, and writes how it ended."""
    worker = os.fork()
    if worker == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what Ray says of its dead goes there
        os.kill(os.getpid(), signal.SIGSTOP)
        try:
            SCENARIOS[name].run(folder)
        except (PolarPriorError, OSError):
            os._exit(1)
        except BaseException:
            os._exit(70)
        os._exit(0)
    os.waitpid(worker, os.WUNTRACED)  # it has stopped
    print(worker, flush=True)
    _, status = os.waitpid(worker, 0)
    code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    (folder.parent / f"{folder.name}.status").write_text(str(code))


if __name__ == "__main__":
    serve()
