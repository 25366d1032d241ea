"""Building banks: a plan, workers that solve its parts, and a folder that survives whatever happens to them."""
