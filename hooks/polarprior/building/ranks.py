"""Which share of a build is this process's own? For those who bring their own scheduler."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polarprior.building.plan import Unit
from polarprior.errors import UsageError

_SCHEDULERS = (
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"),
    ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
)


@dataclass(frozen=True)
class Share:
    """Share `number` of `count`, counted from 1; `local` counts those on one machine, from 0."""

    number: int
    count: int
    local: int

    def of(self, units: Sequence[Unit]) -> list[Unit]:
        """This share's units."""
        return list(units[self.number - 1 :: self.count])

    def device(self, asked: str | None) -> str | None:
        """Where it works: of several GPUs on one machine each share has its own, in turn."""
        import torch

        if asked in (None, "cuda") and torch.cuda.is_available():
            return f"cuda:{self.local % torch.cuda.device_count()}"
        return asked

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def parse_share(text: str) -> Share:
    """``2/8``: the second of eight; UsageError where that is no share."""
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    number, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= count:
        raise UsageError(f"shard: got {text[:40]!r}, expected i/n with i from 1 to n", "use such as shard=1/8")
    return Share(number, count, number - 1)


def share_of_environment(environment: Mapping[str, str] = os.environ) -> Share | None:
    """The share that torchrun or SLURM has given this process; None where there is but one.

    >>> print(share_of_environment({"RANK": "1", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}))
    2/8
    """
    for rank, size, local in _SCHEDULERS:
        numbers = [environment.get(name, "") for name in (rank, size)]
        if all(number.isdecimal() for number in numbers):
            if int(numbers[1]) < 2:
                return None
            here = environment.get(local, "")
            return Share(int(numbers[0]) + 1, int(numbers[1]), int(here) if here.isdecimal() else int(numbers[0]))
    return None
