"""Test modules here share `toys` and `surface`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

collect_ignore = ["standin", "small_metrics"]  # somebody else's scripts
collect_ignore += ["uses_all_of_it.py"]  # only a type checker reads it
