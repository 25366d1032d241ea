"""Processes that a launched script spawns: they import the script again, and have to be made ready for it first."""

from __future__ import annotations

import json
from multiprocessing import spawn
from typing import Any

from polarprior.stock import spawned


def prepare_children(options: dict[str, Any]) -> None:
    """Let processes that this one spawns begin as it did.

    Args:
        options: the polarity options' values, see `polarprior.stock.polarity.taken`.
    """
    original = spawn.get_preparation_data

    def get_preparation_data(name: str) -> dict[str, Any]:
        data: dict[str, Any] = original(name)
        if "init_main_from_path" in data:
            first, *arguments = data["sys_argv"]
            data["sys_argv"] = [first, json.dumps([data["init_main_from_path"], options]), *arguments]
            data["init_main_from_path"] = spawned.__file__
        return data

    spawn.get_preparation_data = get_preparation_data
