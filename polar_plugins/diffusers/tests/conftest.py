"""Small pipelines, written once."""

from __future__ import annotations

import polarprior as pp
import pytest
from polarprior_diffusers.small import ASKED, made

KIND = {"classes": "consistency", "guided": "sd"}


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """Saved pipelines by name, written once."""
    written = {}

    def write(name):
        if name not in written:
            written[name] = tmp_path_factory.mktemp(name)
            made(KIND.get(name, name), **({"classes": 3} if name == "classes" else {})).save_pretrained(written[name])
        return written[name]

    return write


@pytest.fixture(scope="session")
def load(folder_of):
    return lambda name, **settings: pp.load(f"diffusers:{folder_of(name)}", "cpu", **{**ASKED[name], **settings})
