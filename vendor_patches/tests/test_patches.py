"""`polarprior patch` on small scripts written here."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from polarprior_patches.argument_parser import patch_argument_parser
from polarprior_patches.click_command import patch_click_command
from polarprior_patches.lines import NoMatchError, reverted

SCRIPT = '''"""What the script does."""
from __future__ import annotations

import os
import click

# A remark on what follows.
@click.command()
@click.option("--seeds", default="0-3")   # with a remark
@click.option(
    "--outdir",
    help="several lines")
def draw(seeds, outdir):
    """Help."""
    print(seeds)

if __name__ == "__main__":
    draw() # pylint: disable=no-value-for-parameter
'''


ARGPARSE = '''"""What the script does."""
import argparse

def read():
    parser = argparse.ArgumentParser()
    parser.add_argument("--num", type=int, default=1,
                        help="several lines")
    parser.add_argument("--seed")  # with a remark

    return parser.parse_args()

if __name__ == "__main__":
    args = read()
    print(sorted(vars(args)))
'''


def test_of_an_argument_parser_two_lines_are_added(tmp_path):
    """Below the last argument; where its arguments are added elsewhere, before the line that reads them."""
    elsewhere = ARGPARSE.replace("parser.add_argument", "print")
    for script, before in ((ARGPARSE, "# with a remark"), (elsewhere, "")):
        patched = patch_argument_parser(script.encode())
        lines = patched.decode().splitlines()
        ours = lines.index("    polarprior.stock.patched.arguments(parser)  # polarprior patch")
        assert lines[ours - 1].endswith(before)
        assert (
            lines.index("import polarprior.stock.patched  # polarprior patch") == lines.index("import argparse") - 1
        )
        assert reverted(patched) == script.encode()
    path = tmp_path / "script.py"
    path.write_bytes(patch_argument_parser(ARGPARSE.replace("\n", "\r\n").encode()))
    assert reverted(path.read_bytes()) == ARGPARSE.replace("\n", "\r\n").encode()
    shown = subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True).stdout
    assert "--polarity RHO" in shown
    assert "--bank FILE" in shown
    plain = subprocess.run([sys.executable, path, "--num=3"], capture_output=True, text=True).stdout
    assert plain == "['num', 'seed']\n"
    short = subprocess.run([sys.executable, path, "--polar=-0.1"], capture_output=True, text=True)
    assert short.returncode == 2
    assert "write --polarity in full" in short.stderr


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import argparse\n", "0 places read its command line"),
        (ARGPARSE + "\ndef again(parser):\n    return parser.parse_args()\n", "2 places"),
    ],
)
def test_what_reads_no_command_line_is_left_with_a_reason(source, reason):
    with pytest.raises(NoMatchError, match=reason):
        patch_argument_parser(source.encode())


def test_two_lines_are_added():
    patched = patch_click_command(SCRIPT.encode()).decode()
    added = [line for line in patched.splitlines() if line not in SCRIPT.splitlines()]
    assert added == [
        "import polarprior.stock.patched  # polarprior patch",
        "@polarprior.stock.patched.options  # polarprior patch",
    ]
    lines = patched.splitlines()
    assert lines.index(added[0]) == lines.index("import os") - 1
    assert lines[lines.index(added[1]) + 1].startswith("def draw")
    ast.parse(patched)


@pytest.mark.parametrize(
    "source",
    [
        SCRIPT.encode(),
        SCRIPT.replace("\n", "\r\n").encode(),
        SCRIPT.rstrip("\n").encode(),
        SCRIPT.replace("    ", "\t").encode(),
        b"\xef\xbb\xbf" + SCRIPT.encode(),
        ("# -*- coding: latin-1 -*-\n" + SCRIPT.replace("remark", "remarqu\xe9")).encode("latin-1"),
        ("#!/usr/bin/env python\n\n\n# a licence\n" + SCRIPT.replace("import os\n", "\n\nimport os\n")).encode(),
    ],
    ids=["plain", "crlf", "no-newline-at-end", "tabs", "byte-order-mark", "latin-1", "shebang"],
)
def test_a_revert_gives_the_bytes_back(source):
    patched = patch_click_command(source)
    assert patched != source
    assert reverted(patched) == source
    compile(patched, "patched.py", "exec")


def test_a_revert_keeps_what_was_changed_since():
    patched = patch_click_command(SCRIPT.encode())
    assert (
        reverted(patched.replace(b"print(seeds)", b"print(outdir)"))
        == SCRIPT.replace("(seeds)\n", "(outdir)\n").encode()
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def broken(:\n", "no Python"),
        ("import click\n", "0 functions are called under __main__"),
        (SCRIPT + "    draw()\n", "2 functions"),
        (SCRIPT.replace("def draw", "def other"), "no function of its own"),
        (SCRIPT.replace("click.option", "given"), "no click options"),
        ("# coding: nonsense\n" + SCRIPT, "its encoding"),
    ],
)
def test_what_does_not_match_is_left_with_a_reason(source, reason):
    with pytest.raises(NoMatchError, match=reason):
        patch_click_command(source.encode())


@pytest.fixture
def checkout(tmp_path):
    """A folder that looks like a checkout of StyleGAN3, with two of its three scripts as expected."""
    for name in ("legacy.py", "avg_spectra.py", "training/networks_stylegan3.py", "torch_utils/persistence.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "gen_images.py").write_text(SCRIPT)
    (tmp_path / "gen_images.py").chmod(0o755)
    (tmp_path / "gen_video.py").write_text("print('somebody has rewritten it')\n")
    return tmp_path


def patch(*words):
    command = [sys.executable, "-m", "polarprior.cli", "patch", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_command(checkout):
    pytest.importorskip("polarprior_stylegan3", reason="the repository is known by its plugin")
    shown = patch(checkout, "--diff")
    assert "+import polarprior.stock.patched" in shown.stdout
    assert (checkout / "gen_images.py").read_text() == SCRIPT
    done = patch(checkout)
    assert done.stdout == "gen_images.py: patched\n"
    assert "gen_video.py: left untouched: 0 functions are called under __main__" in done.stderr
    assert "calc_metrics.py: left untouched: it is not there" in done.stderr
    assert done.returncode == 0
    once = (checkout / "gen_images.py").read_bytes()
    assert patch(checkout).stdout == "gen_images.py: patched already\n"
    half = once.replace(b"import polarprior.stock.patched  # polarprior patch\n", b"")
    (checkout / "gen_images.py").write_bytes(half)
    assert patch(checkout).stdout == "gen_images.py: patched\n"
    assert (checkout / "gen_images.py").read_bytes() == once
    assert (checkout / "gen_images.py").stat().st_mode & 0o777 == 0o755
    helped = subprocess.run([sys.executable, checkout / "gen_images.py", "--help"], capture_output=True, text=True)
    assert "--polarity RHO" in helped.stdout
    assert "gen_images.py: reverted\n" in patch(checkout, "--revert").stdout
    assert (checkout / "gen_images.py").read_text() == SCRIPT


@pytest.mark.parametrize(
    "hostile",
    ["(" * 3000 + ")" * 3000, "x = " + "-" * 50_000 + "1", "if x:\n " * 300 + "pass", "x" + ".x" * 20_000],
    ids=["brackets", "signs", "blocks", "dots"],
)
def test_a_script_that_brings_the_parser_down_is_left_untouched(checkout, hostile):
    pytest.importorskip("polarprior_stylegan3", reason="the repository is known by its plugin")
    (checkout / "gen_video.py").write_text(f"{SCRIPT}\n{hostile}\n")
    done = patch(checkout)
    assert done.returncode == 0
    assert "gen_images.py: patched" in done.stdout
    assert "gen_video.py: left untouched: it " in done.stderr
    assert (checkout / "gen_video.py").read_text() == f"{SCRIPT}\n{hostile}\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets only some users make links")
def test_a_link_out_of_the_checkout_is_not_followed(checkout, tmp_path_factory):
    pytest.importorskip("polarprior_stylegan3", reason="the repository is known by its plugin")
    outside = tmp_path_factory.mktemp("outside") / "of_the_user.py"
    outside.write_text(SCRIPT)
    (checkout / "gen_video.py").unlink()
    (checkout / "gen_video.py").symlink_to(outside)
    assert "gen_video.py: left untouched: it is a link that leads out of the checkout" in patch(checkout).stderr
    assert outside.read_text() == SCRIPT


def test_a_folder_that_is_no_checkout(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        done = patch(path)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert "Traceback" not in done.stderr


def test_a_checkout_of_which_nothing_matches(checkout):
    pytest.importorskip("polarprior_stylegan3", reason="the repository is known by its plugin")
    (checkout / "gen_images.py").write_text("print()\n")
    done = patch(checkout)
    assert done.returncode == 1
    assert "polarprior run SCRIPT needs no patch" in done.stderr
