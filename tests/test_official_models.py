"""docs/official-models.md: written from its data, complete, and with commands that the command lines take."""

from __future__ import annotations

import shlex
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import click
import pytest
from polarprior.cli.main import cli
from polarprior.plugin import default_host
from polarprior.stock.polarity import taken

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def official():
    spec = spec_from_file_location("official_models", ROOT / "benchmarks/official_models.py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # its NamedTuples look there for their annotations
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_its_data_and_the_measured_sizes_give(official):
    assert official.PAGE.read_text() == official.page()


def test_every_model_of_the_paper_is_there(official):
    used = {file.file for each in official.REPOSITORIES for file in each.files if file.paper}
    assert used >= {
        *(f"stylegan2-{name}.pkl" for name in ("ffhq-config-f", "ffhq-config-e", "church-config-f", "cat-config-f")),
        "stylegan2-car-config-f.pkl",
        "stylegan3-t-ffhq-1024x1024.pkl",
        "stylegan3-t-afhqv2-512x512.pkl",
        "biggan-deep-256-pytorch_model.bin",
        "pggan_celebahq1024.pth",
        "checkpoint.pt",
    }


def test_every_repository_with_a_plugin_is_there(official):
    assert {each.name for each in official.REPOSITORIES} == {
        repo.name for repo in default_host().stock_repos() if not repo.name.startswith("somebody")
    }


def test_every_command_is_one_that_its_command_line_takes(official):
    """Options, their values and their number are checked; no file is opened."""
    scripts = {script: repo.name for repo in default_host().stock_repos() for script in repo.scripts}
    kinds = set()
    for repository in official.REPOSITORIES:
        for line in official.commands_of(repository):
            program, *words = shlex.split(line)
            kinds.add(program)
            if program == "polarprior":
                command: click.Command = cli
                context = None
                while isinstance(command, click.Group):
                    context = click.Context(command, parent=context)
                    name, command, words = command.resolve_command(context, words)
                assert command.make_context(name, words, parent=context).params
            elif program == "python":
                script, *words = words
                assert script in scripts, line
                options, _ = taken(words)
                plain = options["rho"] is None and options["tilt"] is None
                assert plain == (options["bank"] is None), line
            else:
                assert program in {"wget", "sha256sum", "mkdir"}, line
    assert {"polarprior", "python", "wget", "sha256sum"} <= kinds


def test_addresses_are_whole_and_digests_are_those_that_names_state(official):
    for file in (file for each in official.REPOSITORIES for file in each.files):
        assert not file.url or (file.url.startswith("https://") and not file.url.endswith("/"))
        assert len(file.digest) in (0, 8)
        assert file.digest in file.file
