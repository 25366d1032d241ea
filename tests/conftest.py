"""Test modules here share `toys` and `surface`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
