"""The script for a GPU runs on a CPU too, on a toy network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


def test_it_runs_tiny(tmp_path):
    words = [sys.executable, SCRIPT, "--tiny", "--device", "cpu", "--json", tmp_path / "gpu.json"]
    done = subprocess.run([*map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["what"]: row for row in json.loads((tmp_path / "gpu.json").read_text())["rows"]}
    assert sum(row["holds"] is True for row in rows.values()) == 4
    assert rows["toy DCGAN, 64 pixels: engine"]["figure"] > 0


def test_without_a_gpu_it_says_what_to_type():
    import torch

    if not torch.cuda.is_available():
        done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True)
        assert done.returncode == 1
        assert (
            done.stderr
            == "error: no GPU that torch can use\nhint: type: python benchmarks/gpu.py --tiny --device cpu\n"
        )
