"""What the benchmarks share: rows of figures with their goals, printed and written as JSON."""

from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path
from typing import Any


class Report:
    """Rows of {"what", "figure", "unit", "goal", "holds", "detail"}, printed as they come."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(
        self, what: str, figure: Any, unit: str = "", goal: str = "", holds: bool | None = None, detail: str = ""
    ) -> None:
        """A figure; `holds` says whether it met the goal, where there is one."""
        holds = None if holds is None else bool(holds)  # numpy's own is no JSON
        self.rows.append(
            {"what": what, "figure": figure, "unit": unit, "goal": goal, "holds": holds, "detail": detail}
        )
        verdict = "" if holds is None else "   holds" if holds else "   NOT MET"
        shown = f"{figure:.4g}" if isinstance(figure, float) else str(figure)
        print(f"{what:<66} {shown:>12} {unit:<10} {goal}{verdict}  {detail}", flush=True)

    def write(self, path: Path | None, folder: Path, keep: bool = False, **machine: Any) -> None:
        """Write the rows as JSON, with the machine and the commit.

        Args:
            path: where; nothing is written where it is None.
            folder: of the checkout whose commit it is, or any folder below.
            keep: a part was measured: rows of the file that have no namesake here stay, before those.
            machine: what else is to be known.
        """
        if path is None:
            return
        rows = self.rows
        if keep and path.exists():
            measured = {row["what"] for row in rows}
            rows = [row for row in json.loads(path.read_text())["rows"] if row["what"] not in measured] + rows
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True
        ).stdout.strip()
        about = {"cpu": platform.processor() or platform.machine(), "commit": commit, **machine}
        path.write_text(json.dumps({"machine": about, "rows": rows}, indent=1) + "\n")
