"""Says whether a script is one for `polarprior run`: what `polarprior-flag` asks when it sees ``--polarity``.

It asks in a process of its own, so that a program with a ``--polarity`` of its own is left as it was.
"""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path

from polarprior.errors import PIP, UsageError
from polarprior.host import Host, default_host
from polarprior.stock_repo import published_at, repo_of_script

RUN = "run"


def flag_verdict(script: Path) -> str:
    """What becomes of ``python script ... --polarity=RHO``: `RUN`, if the launcher is to run it; else the script runs
    as it is, after a warning that gives the reason that is returned, or after none where it is empty."""
    if script.suffix != ".py":
        return ""  # a program of an environment, such as torchrun
    text = script.read_bytes()
    if b"import polarprior.stock.patched" in text:
        return ""  # a patched script reads the option itself
    with redirect_stderr(io.StringIO()):  # plugins that are skipped are no concern of other people's programs
        host = default_host()
        repos = host.stock_repos()
    try:
        repo, root = repo_of_script(script, repos)
    except UsageError:
        return _missing(script, host)
    if repo.package:
        return "" if b"polarity" in text else RUN  # a user's own script may have an option of that name
    return "" if _in_an_environment(script, root) else RUN


def _missing(script: Path, host: Host) -> str:
    """What is wrong where the script lies in a checkout whose plugin is published, and not at work here."""
    found = published_at(script.resolve().parent)
    if found is None or _in_an_environment(script, found[1]):
        return ""
    distribution, repo = found[0]
    own = [status for status in host.plugins.statuses if status.distribution == distribution]
    if own:  # one distribution may bring several plugins
        return next((str(status) for status in own if status.problem), "")
    return f"{script} is of {repo.name}, whose plugin is not installed; type: {PIP} {distribution}"


def _in_an_environment(script: Path, root: Path) -> bool:
    """Whether the script belongs to an environment of Python that somebody has made inside the checkout."""
    inside = [folder for folder in script.resolve().parents if root in folder.parents]
    return any((folder / "pyvenv.cfg").is_file() or (folder / "conda-meta").is_dir() for folder in inside)
