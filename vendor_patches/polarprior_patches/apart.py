"""A recipe in a process of its own: a parser that a hostile script brings down takes nothing else with it.

The process is this file, run with the names of a repository and of a script: it reads the script on stdin, and writes
what becomes of it.
"""

from __future__ import annotations

import subprocess
import sys

from polarprior_patches.lines import NoMatchError

NO_MATCH = 3
"""Exit code: the script doesn't look as expected, and stderr says where."""
SECONDS = 60


def applied(repo: str, script: str, source: bytes) -> bytes:
    """What the recipe of a script of a stock repository makes of `source`.

    Raises:
        NoMatchError: the script doesn't look as the recipe expects, or can't be parsed at all.
    """
    try:  # by a path, since -m would look for modules in the current folder first
        done = subprocess.run(
            [sys.executable, __file__, repo, script], input=source, capture_output=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        raise NoMatchError(f"it was not parsed in {SECONDS} seconds") from None
    if done.returncode == NO_MATCH:
        raise NoMatchError(done.stderr.decode(errors="replace").strip())
    last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    if done.returncode < 0 or last.startswith(("RecursionError", "MemoryError")):
        raise NoMatchError("it can't be parsed: it is nested too deeply, or too large")
    if done.returncode:
        raise NoMatchError(f"its recipe failed: {last}")
    return done.stdout


if __name__ == "__main__":
    from polarprior_patches.recipes import RECIPES

    try:
        sys.stdout.buffer.write(RECIPES[sys.argv[1]][sys.argv[2]](sys.stdin.buffer.read()))
    except NoMatchError as error:
        print(error, file=sys.stderr)
        sys.exit(NO_MATCH)
