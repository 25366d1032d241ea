"""Test modules here share `toys` and `surface`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

collect_ignore = ["standin", "small_metrics"]  # somebody else's scripts
