"""Pictures and their files: what a generator's images are saved as, and real images that are read."""
