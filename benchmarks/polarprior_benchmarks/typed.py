"""Runs a command that a user types, in the process of a benchmark."""

from __future__ import annotations

import time

from polarprior.cli.main import main


def typed(*words: object) -> float:
    """Run ``polarprior WORDS`` and return its CPU seconds; SystemExit where it fails."""
    began = time.process_time()
    if main([str(word) for word in words]):
        raise SystemExit(f"failed: polarprior {' '.join(map(str, words))}")
    return round(time.process_time() - began, 1)
