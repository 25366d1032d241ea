"""Banks on the Hugging Face Hub: put there, and found."""
