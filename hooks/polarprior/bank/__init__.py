"""Banks: latents' seeds with their spectra, in safetensors."""
