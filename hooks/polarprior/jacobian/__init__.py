"""From a latent to its Jacobian, known by its products."""
