"""Processes that a launched script spawns: they import the script again, and have to be made ready for it first."""

from __future__ import annotations

import json
from importlib.util import find_spec
from multiprocessing import spawn
from typing import Any


def prepare_children(options: dict[str, Any]) -> None:
    """Let processes that this one spawns begin as it did.

    Args:
        options: the polarity options' values, see `polarprior.stock.polarity.taken`.
    """
    original = spawn.get_preparation_data
    found = find_spec("polarprior.stock.spawned")
    spawned = str(found and found.origin)

    def get_preparation_data(name: str) -> dict[str, Any]:
        data: dict[str, Any] = original(name)
        if "init_main_from_path" in data:
            first, *arguments = data["sys_argv"]
            data["sys_argv"] = [first, json.dumps([data["init_main_from_path"], options]), *arguments]
            data["init_main_from_path"] = spawned
        return data

    spawn.get_preparation_data = get_preparation_data
