"""Serves the page to this machine, and to nobody else."""

from __future__ import annotations

import os
import socket
from importlib.util import find_spec
from typing import TYPE_CHECKING

from polarprior.errors import PIP, PolarPriorError, UsageError

if TYPE_CHECKING:
    from gradio import Blocks

    from polarprior.studio.model import Studio

HERE = "127.0.0.1"
FONT, FONT_OF_CODE = ("system-ui", "sans-serif"), ("ui-monospace", "monospace")
"""The fonts of the machine: the one that Gradio brings lacks letters in bold."""


def check_gradio() -> None:
    """Raise PolarPriorError where what the page needs is missing: before a model is loaded."""
    if not all(map(find_spec, ("gradio", "matplotlib"))):
        raise PolarPriorError("studio: needs Gradio, which is not installed", f'type: {PIP} "polarprior[studio]"')


def check_port(port: int) -> None:
    """Raise UsageError where somebody listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HERE, port))
        except OSError as error:
            raise UsageError(f"port: {port} is taken", f"use such as port={port + 1}") from error


def serve(studio: Studio, port: int, browse: bool) -> Blocks:
    """Serve the page, until its `close`; nothing is sent anywhere.

    Args:
        studio: the model and its banks.
        port: on this machine.
        browse: open the page in a browser.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    import gradio as gr

    from polarprior.studio.page import STYLE, Page

    page = Page(studio).blocks()
    page.queue().launch(
        server_name=HERE,
        server_port=port,
        share=False,
        inbrowser=browse,
        quiet=True,
        footer_links=[],
        css_paths=STYLE,
        theme=gr.themes.Base(font=FONT, font_mono=FONT_OF_CODE).set(
            button_primary_background_fill="*primary_600", button_primary_background_fill_hover="*primary_700"
        ),
        ssr_mode=False,
        run_history=False,
        mcp_server=False,
        enable_monitoring=False,
        prevent_thread_lock=True,
    )
    return page
