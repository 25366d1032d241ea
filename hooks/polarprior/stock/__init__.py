"""Runs somebody else's script, unmodified, on latents of a polarity prior."""
