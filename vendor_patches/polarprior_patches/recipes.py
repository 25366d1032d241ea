"""How each script of each stock repository is patched."""

from __future__ import annotations

from collections.abc import Callable

from polarprior_patches.argument_parser import patch_argument_parser
from polarprior_patches.click_command import patch_click_command

Recipe = Callable[[bytes], bytes]

RECIPES: dict[str, dict[str, Recipe]] = {
    "NVlabs/stylegan2-ada-pytorch": dict.fromkeys(
        ["generate.py", "style_mixing.py", "calc_metrics.py"], patch_click_command
    ),
    "NVlabs/stylegan3": dict.fromkeys(["gen_images.py", "gen_video.py", "calc_metrics.py"], patch_click_command),
    "autonomousvision/projected-gan": dict.fromkeys(
        ["gen_images.py", "gen_video.py", "calc_metrics.py"], patch_click_command
    ),
    "autonomousvision/stylegan-xl": dict.fromkeys(["gen_images.py", "gen_video.py"], patch_click_command),
    "brownvc/R3GAN": dict.fromkeys(["gen_images.py", "calc_metrics.py"], patch_click_command),
    "ajbrock/BigGAN-PyTorch": {"sample.py": patch_argument_parser},
    "facebookresearch/pytorch_GAN_zoo": {"eval.py": patch_argument_parser},
    "genforce/genforce": {"synthesize.py": patch_argument_parser},
    "NVlabs/NVAE": {"evaluate.py": patch_argument_parser},
    "NVlabs/edm": {"generate.py": patch_click_command},
    "NVlabs/edm2": {"generate_images.py": patch_click_command},
}
"""Repository to script to recipe: source to patched source, or NoMatchError."""
