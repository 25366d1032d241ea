"""What a polarity does: draws, sweeps, searches, modes and scores, each one call."""
