"""Says whether a script is one for `polarprior run`: what `polarprior-flag` asks when it sees ``--polarity``.

It asks in a process of its own, so that a program with a ``--polarity`` of its own is left as it was.
"""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path

from polarprior.errors import UsageError
from polarprior.host import default_host
from polarprior.stock_repo import published_at, repo_of_script

RUN = "run"


def flag_verdict(script: Path) -> str:
    """What becomes of ``python script ... --polarity=RHO``: `RUN`, if the launcher is to run it; else the script runs
    as it is, after a warning that gives the reason that is returned, or after none where it is empty."""
    text = script.read_bytes()
    if b"import polarprior.stock.patched" in text:
        return ""  # a patched script reads the option itself
    with redirect_stderr(io.StringIO()):  # plugins that are skipped are no concern of other people's programs
        host = default_host()
        repos = host.stock_repos()
    try:
        repo, _ = repo_of_script(script, repos)
        return "" if repo.package and b"polarity" in text else RUN  # a script of the user's own may have its own
    except UsageError:
        published = published_at(script.resolve().parent)
    if published is None:
        return ""
    for status in host.plugins.statuses:
        if status.distribution == published.distribution:
            return str(status) if status.problem else ""
    return (
        f"{script} is of {published.name}, whose plugin is not installed; type: pip install {published.distribution}"
    )
