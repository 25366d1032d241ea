"""The state of a build: a plan and its parts, in ``BANK.parts``. A part exists only when it is whole."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from polarprior.bank.format import Columns
from polarprior.building import calibration_bytes
from polarprior.building.plan import Plan, Unit
from polarprior.errors import PolarPriorError
from polarprior.files import read_regular, write_atomically
from polarprior.volume.calibration import Calibration

FILE_LIMIT, PLAN_LIMIT = 1 << 30, 1 << 20
_OWN = (
    "plan.json",
    "calibration.safetensors",
    "lock*",
    "part-*.safetensors",
    "audit-*.safetensors",
    ".*.tmp",
    ".tmp*",
)
_ARGUMENTS = ("n", "k", "seeds_from", "space", "domain", "estimator", "tol", "memory", "compile", "trunc", "device")


class Parts:
    """The folder of a build.

    Attributes:
        folder: ``BANK.parts``.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._plan: Plan | None = None

    def lock(self, name: str = "lock") -> Path:
        """The path of a lock file in the folder, see `polarprior.building.lock.held`.

        Raises:
            PolarPriorError: the folder is a link, which leads to somebody else's files, or something else.
        """
        if self.folder.is_symlink() or (self.folder.exists() and not self.folder.is_dir()):
            raise PolarPriorError(
                f"out: {self.folder} is a link, or no folder", f"remove it: rm {shlex.quote(str(self.folder))}"
            )
        return self.folder / name

    def calibration(self) -> Calibration | None:
        """The calibration that the build was begun with; None where there is no plan yet, or it needs none.

        Raises:
            PolarPriorError: it is damaged.
        """
        stored = self._stored_plan()
        if stored is None:
            return None
        try:
            wanted = json.loads(stored)["calibration"]
            if not wanted:
                return None
            content = read_regular(self.folder / "calibration.safetensors", FILE_LIMIT)
            if hashlib.sha256(content).hexdigest() == wanted:
                return calibration_bytes.from_bytes(content)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError, AttributeError):
            pass  # it is said below
        raise PolarPriorError(
            f"out: the plan or the calibration in {self.folder} is damaged", f"start again: {self._removal()}"
        )

    def check(self, plan: Plan) -> None:
        """Raise PolarPriorError, naming the field, if a build with another plan was begun here."""
        stored = self._stored_plan()
        found = None if stored is None else plan.difference(stored)
        if found is not None:
            field, was, now = found
            can_be_asked = field in _ARGUMENTS and was not in ("None", "False") and re.fullmatch(r"[\w.:-]+", was)
            asked = f"use {field}={was}, " if can_be_asked else ""
            raise PolarPriorError(
                f"out: {self.folder} holds a build with {field} {was}, got {now}",
                f"{asked}name another out=BANK, or start again: {self._removal()}",
            )

    def begin(self, plan: Plan, calibration: Calibration | None) -> None:
        """Write the plan, or see that it is the one the build was begun with.

        Raises:
            PolarPriorError: it is another, naming the field.
        """
        stored = self._stored_plan()
        if stored is None:
            if calibration is not None:
                write_atomically(self.folder / "calibration.safetensors", calibration_bytes.to_bytes(calibration))
            write_atomically(self.folder / "plan.json", plan.to_json().encode())
        self.check(plan)
        self._plan = plan

    def put(self, unit: Unit, columns: Columns) -> None:
        """Keep what a unit gave."""
        content = save(dict(columns), {"polarprior": self._digest(unit, columns)})
        write_atomically(self._file(unit), content)

    def get(self, unit: Unit) -> dict[str, np.ndarray] | None:
        """What a unit gave; None where it has not been done, or its file is damaged or of another plan."""
        with suppress(OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError):
            found = self._file(unit).lstat()
            if not S_ISREG(found.st_mode) or found.st_size > FILE_LIMIT:
                return None
            with safe_open(self._file(unit), framework="numpy") as opened:
                columns = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
                if (opened.metadata() or {}).get("polarprior") == self._digest(unit, columns):
                    return columns
        return None

    def begun(self) -> bool:
        """Whether anything of a build is here."""
        return self.folder.is_dir()

    def remove_unless_begun(self) -> None:
        """`remove`, where nothing has been solved or calibrated yet: a build that failed at once leaves nothing."""
        work = ("calibration.safetensors", "part-*.safetensors", "audit-*.safetensors")
        if not any(any(self.folder.glob(pattern)) for pattern in work):
            self.remove()

    def remove(self) -> None:
        """Remove all that a build leaves, its lock last; what isn't its own stays."""
        for pattern in sorted(_OWN, key=lambda each: each == "lock*"):
            for file in self.folder.glob(pattern):
                file.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()

    def _removal(self) -> str:
        return f"rm -r {shlex.quote(str(self.folder))}"

    def _stored_plan(self) -> str | None:
        try:
            return read_regular(self.folder / "plan.json", PLAN_LIMIT).decode(errors="replace")
        except FileNotFoundError:
            return None

    def _file(self, unit: Unit) -> Path:
        return self.folder / f"{unit.name}.safetensors"

    def _digest(self, unit: Unit, columns: Columns) -> str:
        """sha256, as hex, over the plan, the unit and the columns."""
        if self._plan is None:
            raise RuntimeError("begin first")
        total = hashlib.sha256(f"{self._plan.digest}:{unit};".encode())
        for name in sorted(columns):
            total.update(f"{name}:{columns[name].dtype}:{columns[name].shape};".encode())
            total.update(np.ascontiguousarray(columns[name]).data)
        return total.hexdigest()
