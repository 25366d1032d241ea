"""What a build did and when: a line of JSON a unit, beside the bank. It is no part of the bank."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from polarprior.files import open_regular


class Journal:
    """``BANK.log.jsonl``: whole lines, appended, by as many builders as there are."""

    def __init__(self, path: Path):
        self._path = path

    def write(self, **fields: Any) -> None:
        """Append a line with the time (UTC) and `fields`."""
        line = json.dumps({"time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"), **fields})
        descriptor = open_regular(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        with os.fdopen(descriptor, "ab+") as file:
            torn = file.seek(0, os.SEEK_END) and (file.seek(-1, os.SEEK_END), file.read())[1] != b"\n"
            file.write(b"\n" * bool(torn) + line.encode() + b"\n")
