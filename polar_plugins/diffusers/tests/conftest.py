"""Small pipelines, written once."""

from __future__ import annotations

from functools import cache

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
    """Generators by name and settings, each made and traced once."""

    @cache
    def made_once(name, **settings):
        return pp.load(f"diffusers:{folder_of(name)}", "cpu", **{**ASKED[name], **settings})

    return made_once
