"""Makes ``--polarity`` and ``--tilt`` options of the scripts of stock repositories: ``python SCRIPT ... --tilt=T``.

`polarprior_flag.pth` lies beside this file. Python reads its line whenever it starts; the line imports this module
where a word of the command line is one of them, or begins with one and ``=``, and does nothing else. A script
that polarprior can run is then handed over to `polarprior run`; any other program goes on as if this were not here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from runpy import run_module

SWITCH = "POLARPRIOR_FLAG"
"""Environment variable: 0 switches the flag off."""


def look() -> None:
    """Hand this command over to `polarprior run` if its script is one for it.

    Raises:
        Exception: of any kind; the line of the .pth file says so on stderr, and the script runs as it is.
    """
    script, *words = sys.argv
    if "--" in words:
        words = words[: words.index("--")]  # what stands behind it is the script's own
    asked = next((name for word in words if (name := word.split("=")[0]) in ("--polarity", "--tilt")), "")
    if sys.version_info < (3, 10) or os.environ.get(SWITCH) == "0" or not asked or not os.path.isfile(script):
        return
    if os.path.samefile(script, __file__):  # this command has been handed over
        return
    answer = subprocess.run(
        _python(script), env={**os.environ, SWITCH: "0"}, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if answer.returncode != 0:
        raise RuntimeError(answer.stderr.strip().rpartition("\n")[2])
    verdict = answer.stdout.partition("\n")[0]
    if verdict == "run":
        _hand_over(_python("run", *sys.argv))
    elif verdict:
        print(f"warning: {asked}: {verdict}", file=sys.stderr)


def _python(*words: str) -> list[str]:
    """The command that runs this file with the interpreter, and the interpreter's options, of this process."""
    options = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv)]
    return [sys.executable, *options, os.path.abspath(__file__), *words]


def _hand_over(command: list[str]) -> None:
    """Become the process of `command`; where the system has no such thing, run it, and end with its exit code."""
    if sys.platform == "win32":
        os._exit(subprocess.run(command).returncode)  # SystemExit means a failure while Python starts
    os.execv(command[0], command)


if __name__ == "__main__":
    # polarprior_flag.py run SCRIPT ... runs it, polarprior_flag.py SCRIPT says whether that is to be done. By a path,
    # since -m and -c would look for modules in the current folder first, which is somebody's checkout.
    if sys.argv[1:2] == ["run"]:
        run_module("polarprior.cli", run_name="__main__")
    elif find_spec("polarprior"):
        from polarprior.plugin import flag_verdict

        print(flag_verdict(Path(sys.argv[1])))
