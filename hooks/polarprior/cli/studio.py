"""`polarprior studio`: a page in the browser, on this machine alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from polarprior.cli.opening import open_model
from polarprior.cli.options import banks_option, loading_options, model_argument, settings_options
from polarprior.saying import say
from polarprior.stages import waiting

PORT = 7860


@click.command(short_help="A page to play with: draw, look, compare.")
@model_argument
@banks_option("Bank of MODEL, one for each truncation; the one that the plugin brings if not given.")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(1, 65535), help="Port of the page.")
@click.option("--open/--no-open", "browse", default=True, help="Open the page in a browser; it is opened by default.")
@settings_options
@loading_options
def studio(
    model: str,
    banks: tuple[Path, ...],
    port: int,
    browse: bool,
    trunc: float | None,
    own: tuple[tuple[str, str], ...],
    **loading: Any,
) -> None:
    """Draw from MODEL's polarity priors on a page in the browser: move rho, click a picture, walk from it.

    The page is at http://127.0.0.1:PORT, for this machine alone, and loads nothing from elsewhere. It needs Gradio:
    pip install "polarprior[studio]". End it with Ctrl-C.
    """
    from polarprior.studio.model import Opened, Studio
    from polarprior.studio.serving import HERE, check_gradio, check_port, serve

    check_gradio()
    check_port(port)
    settings = {"trunc": trunc, **dict(own)}
    opened = []
    for named in banks or (None,):
        generator, bank = open_model(model, named, "welcome", settings, loading)
        opened.append(Opened(generator, bank, None if named is None or bank is None else bank.place))
    page = serve(Studio(opened), port, browse)
    say(f"http://{HERE}:{port} (Ctrl-C ends it)")
    with waiting():
        page.block_thread()
