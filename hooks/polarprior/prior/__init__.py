"""Samplers of the polarity prior, and what tells whether they can be trusted."""
