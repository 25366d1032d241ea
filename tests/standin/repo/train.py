"""A stock script that no polarity prior belongs in."""
