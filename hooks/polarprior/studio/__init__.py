"""A page to play with: what a polarity does to a model's pictures, and what a bank knows of them."""
