"""Samplers of the polarity prior."""
