"""Long work says that it goes on: a line on stderr where nothing has been written there for some seconds."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from polarprior.foreign import shown

QUIET = 2.0
"""Seconds without a word, after which one is said."""
LOOK = 0.25
_stages: list[tuple[str, float]] = []


@contextmanager
def stage(what: str) -> Iterator[None]:
    """Say what is being done while the body runs, for whoever has a `heartbeat`: ``reading the bank``."""
    _stages.append((what, time.monotonic()))
    try:
        yield
    finally:
        _stages.pop()


@contextmanager
def heartbeat(what: str) -> Iterator[None]:
    """Write to stderr, while the body runs, what the innermost `stage` is and how long it has taken, whenever nothing
    else has been written there for `QUIET` seconds: a line each time, or on a terminal the same line anew.

    Args:
        what: is being done where no stage says more.
    """
    heard, ended = _Heard(sys.stderr), threading.Event()
    beat = threading.Thread(target=_beat, args=(heard, ended), daemon=True)
    before, sys.stderr = sys.stderr, heard
    try:
        with stage(what):
            beat.start()
            yield
    finally:
        ended.set()
        beat.join()
        heard.clear()
        if sys.stderr is heard:
            sys.stderr = before


@contextmanager
def waiting() -> Iterator[None]:
    """Let a `heartbeat` rest while the body waits for somebody to do something."""
    with stage(""):
        yield


def quiet() -> None:
    """Take the last word of a `heartbeat` back, on a terminal, before something is written to stdout."""
    if isinstance(sys.stderr, _Heard):
        sys.stderr.clear()


def _beat(heard: _Heard, ended: threading.Event) -> None:
    while not ended.wait(LOOK):
        if time.monotonic() - heard.last >= QUIET:
            what, since = _stages[-1]
            if what:
                heard.beat(f"{what}: {time.monotonic() - since:.0f} s")


class _Heard:
    """A stream that knows when it was last written to. Everything else is the stream's own."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._shown = False
        self._lock = threading.Lock()
        self.last = time.monotonic()

    def write(self, text: str) -> int:
        with self._lock:
            self._erase()
            self.last = time.monotonic()
            return self._stream.write(text)

    def beat(self, text: str) -> None:
        """Say that it goes on."""
        with self._lock:
            self._erase()
            self._shown = self._stream.isatty()
            text = shown(text)
            self._stream.write(text if self._shown else f"{text}\n")
            self._stream.flush()
            self.last = time.monotonic()

    def clear(self) -> None:
        """Take the last word back, on a terminal."""
        with self._lock:
            self._erase()

    def _erase(self) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._shown = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
