"""`polarprior run`: a stock script, on latents of a polarity prior."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from polarprior.stock.launch import Launch
from polarprior.stock.polarity import asked, polarity_options, taken


@click.command(
    context_settings={"allow_interspersed_args": False}, short_help="A stock script, on latents of a polarity prior."
)
@polarity_options
@click.argument("script", type=click.Path(path_type=Path, readable=False))
@click.argument("arguments", metavar="[SCRIPT-ARGUMENTS]...", nargs=-1, type=click.UNPROCESSED)
def run(script: Path, arguments: tuple[str, ...], **options: Any) -> Launch:
    """Run a stock repository's own script, unmodified, with latents from a polarity prior.

    polarprior run gen_images.py --network=ffhq.pkl --seeds=0-3 --outdir=out --tilt=-0.5 --bank=ffhq.safetensors

    The options may stand before or behind SCRIPT; what follows -- is the script's. Without a polarity it is the
    script as it is, where necessary on the CPU. SCRIPT --help shows the script's own help.
    """
    behind, own = taken(arguments)
    options |= {name: value for name, value in behind.items() if value is not None and value is not False}
    asked(**options)  # or an error, before anything is imported for the script
    return Launch(script, own, options)
