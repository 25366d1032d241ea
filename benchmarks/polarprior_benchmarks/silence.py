"""How long a command writes nothing to stderr."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Heard(NamedTuple):
    """A command that has ended: its exit code, its seconds, and the longest time without a byte on stderr."""

    code: int
    seconds: float
    silent: float


def listen(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Heard:
    """Run a command and read its stderr as it comes."""
    began = last = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    assert process.stderr is not None
    silent, waiting = 0.0, selectors.DefaultSelector()
    waiting.register(process.stderr, selectors.EVENT_READ)
    while True:
        waiting.select(0.1)
        now = time.perf_counter()
        silent = max(silent, now - last)
        if process.poll() is not None:
            return Heard(process.returncode, now - began, silent)
        if waiting.select(0) and os.read(process.stderr.fileno(), 1 << 16):
            last = now
