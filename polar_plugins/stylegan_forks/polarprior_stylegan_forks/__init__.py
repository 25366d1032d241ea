"""Networks of repositories that descend from StyleGAN, a plugin each: `projected_gan`, `stylegan_xl`, `r3gan`.

Their latents, loader and seam are those of `polarprior_stylegan2`. Importing a plugin does not import torch.
"""
