"""Recipes that add `--polarity` to stock scripts. None has been written yet."""
