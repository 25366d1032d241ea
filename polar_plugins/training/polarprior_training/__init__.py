"""What plugins that train something share: checkpoints that a training goes on from, and the loop around it."""
