"""Files on the Hugging Face Hub: their names, where they lie here, and how they come and go."""
