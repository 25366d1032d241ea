"""From a latent to its log-volume."""
