"""What the parts of the benchmark share."""

from __future__ import annotations

SEEDS = range(5)
NEIGHBOURS = 3
OF_ALL, OF_CLASSES = (1.0, 100.0), (0.1, 100.0)
"""Candidates for rho_0 and rho_t: the paper's 1 and 1 / C, and where they begin to tell."""
