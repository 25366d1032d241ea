"""A cheap guess of the log-volume, from one forward pass."""
