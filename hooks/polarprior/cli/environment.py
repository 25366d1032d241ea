"""`polarprior plugins` and `polarprior doctor`: what is installed, and what to type where something isn't."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, requires, version

import click

from polarprior.cli.options import json_option
from polarprior.errors import PIP, PolarPriorError
from polarprior.saying import say
from polarprior.tables import table
from polarprior.version import __version__


@click.command(short_help="Installed plugins, and what they answer.")
@json_option
def plugins(as_json: bool) -> None:
    """Installed plugins, the hooks they answer, and why one was skipped."""
    from polarprior.host import default_host

    statuses = default_host().plugins.statuses
    if as_json:
        say(json.dumps([asdict(status) for status in statuses], indent=2))
        return
    rows = [("name", "distribution", "version", "hooks", "status")]
    for status in statuses:
        state = "ok" if status.problem is None else f"skipped: {status.problem}; {status.hint}"
        hooks = ", ".join(status.hooks) or "-"
        rows.append((status.name, status.distribution, status.version, hooks, state))
    say(table(rows) if statuses else f"no plugins; try: {PIP} polarprior-dcgan-faces")


@click.command(short_help="What is installed here, and what works.")
def doctor() -> None:
    """What is installed, which device would be used, which plugins are skipped and why."""
    import re

    from polarprior.host import default_host

    rows = [("polarprior", __version__), ("python", f"{platform.python_version()} on {platform.platform()}")]
    missing = []
    for requirement in requires("polarprior") or ():
        if "extra ==" in requirement:
            continue
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        try:
            rows.append((name, version(name)))
        except PackageNotFoundError:
            missing.append(name)
            rows.append((name, f"missing; type: pip install '{requirement}'"))
    if "torch" not in missing:
        import torch

        cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA; models run on the CPU"
        rows.append(("device", f"{cuda}, {torch.get_num_threads()} threads"))
    rows.append(("--polarity", _flag()))
    for status in default_host().plugins.statuses:
        rows.append((f"plugin {status.name}", (status.problem and f"skipped: {status.problem}") or "ok"))
        if status.hint:
            rows.append(("", status.hint))
    say(table(rows))
    if missing:
        raise PolarPriorError(f"missing: {', '.join(missing)}", f"type: pip install {' '.join(missing)}")


def _flag() -> str:
    """Whether stock scripts take ``--polarity`` under this Python with no launcher."""
    import os
    import site
    from pathlib import Path

    folders = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    if not any(Path(folder, "polarprior_flag.pth").is_file() for folder in folders):
        return f"no option of stock scripts here; type: {PIP} polarprior-flag"
    if os.environ.get("POLARPRIOR_FLAG") == "0":
        return "no option of stock scripts: POLARPRIOR_FLAG=0 switches it off"
    return "ok, an option of stock scripts: python SCRIPT ... --tilt=T --bank=FILE"


COMMANDS = (plugins, doctor)
