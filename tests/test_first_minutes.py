"""The first ten minutes of a new user, as commands: what was raw, silent or misleading once, and what is said now."""

from __future__ import annotations

import io
import json
import sys
import time

import polarprior as pp
import pytest
from polarprior import stages
from polarprior.errors import UsageError
from polarprior.host import default_host
from polarprior.stages import heartbeat, stage, waiting
from polarprior.testing import main

USERS = """
import torch, polarprior as pp
from torch import nn
def network():
    return nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 192), nn.Unflatten(1, (3, 8, 8)))
def make(trunc=1.0):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return pp.wrap(network(), latent_dim=16, settings=pp.Settings(trunc=trunc))
def unseeded():
    return pp.wrap(network(), latent_dim=16)
"""
MODEL = "torch:first_minutes:make"


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A folder with a user's module, and a bank of it."""
    folder = tmp_path_factory.mktemp("first")
    (folder / "first_minutes.py").write_text(USERS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        patch.delitem(sys.modules, "first_minutes", raising=False)
        assert main(["bank", "build", MODEL, "-n", "600", "-k", "4", "--device", "cpu", "--out", "bank"]) == 0
        yield folder


def typed(capsys, *words):
    """Exit code, stdout, stderr."""
    code = main([*map(str, words)])
    return code, *capsys.readouterr()


def test_a_strength_that_is_too_small_is_said_to_be(there, capsys):
    """1. A rho copied from another model."""
    words = ["sample", MODEL, "--bank", "bank", "--tilt=-0.03", "--seeds", "0-7", "--out", "faint"]
    code, out, _ = typed(capsys, *words)
    assert code == 0
    assert out.startswith("0 of 8 seeds replaced; ESS ")
    assert "nearly nothing changes at a tilt of -0.03" in out


def test_a_tilt_is_as_strong_in_another_space_of_singular_values(there, capsys):
    bank = pp.Bank.open("bank")
    generator = pp.load(MODEL, "cpu")
    for k in (1, 2, 4):
        found = pp.latent_sampler(generator, bank, tilt=0.5, k=k).diagnostics
        assert found.tilt == pytest.approx(0.5)
        assert found.rho == pytest.approx(0.5 / bank.log_volume(k).std())


def test_weights_that_are_made_anew_are_found_before_a_bank_is_built(there, capsys):
    """5. A factory with weights of no seed."""
    build = ["bank", "build", "torch:first_minutes:unseeded", "-n", "100", "-k", "4", "--device", "cpu"]
    code, _, err = typed(capsys, *build, "--out", "never")
    assert code == 2
    assert "error: MODEL: torch:first_minutes:unseeded gives other weights each time" in err
    assert "torch.manual_seed(0)" in err
    assert not list(there.glob("never*"))


def test_a_build_says_its_cost_before_it_starts(there, capsys):
    """6. and 11."""
    build = ["bank", "build", MODEL, "-n", "120", "-k", "4", "--device", "cpu", "--out", "small"]
    _, _, err = typed(capsys, *build)
    assert "120 latents at " in err
    assert err.index("a second a worker, about ") < err.index("latent/s")


def test_long_work_says_that_it_goes_on(monkeypatch):
    """6. Silence."""
    monkeypatch.setattr(stages, "QUIET", 0.2)
    monkeypatch.setattr(stages, "LOOK", 0.05)
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    with heartbeat("polarprior sample"):
        print("begun", file=sys.stderr)
        with stage("loading a model"):
            time.sleep(0.5)
        with waiting():
            time.sleep(0.3)
        time.sleep(0.5)
    assert sys.stderr is said
    lines = said.getvalue().splitlines()
    assert lines[0] == "begun"
    assert "loading a model: 0 s" in lines
    assert lines[-1] == "polarprior sample: 1 s"
    assert not any(line.startswith(":") for line in lines)


def test_seeds_outside_the_bank_are_named(there, capsys):
    """8."""
    words = ["sample", MODEL, "--bank", "bank", "--tilt=-0.4", "--seeds", "0-2,700,800", "--out", "outside"]
    _, out, _ = typed(capsys, *words)
    assert "warning: 700, 800 are no rows of this bank" in out


def test_a_refusal_says_which_model_and_which_setting(there, capsys):
    """10."""
    code, _, err = typed(capsys, "sample", "dcgan-faces", "--bank", "bank", "--tilt=-0.4", "--seeds", "0")
    assert code == 1
    assert "is a bank of a user's own module, not of dcgan-faces" in err
    words = ["sample", MODEL, "--trunc", "0.5", "--bank", "bank", "--tilt=-0.4", "--seeds", "0"]
    code, _, err = typed(capsys, *words)
    assert code == 1
    assert "is for truncation 1.0, your module was opened with 0.5" in err
    assert "--trunc 1.0, or build one for it: polarprior bank build" in err


def test_rows_of_a_sweep_are_kept_when_it_is_interrupted(there, capsys, monkeypatch):
    """11."""
    from polarprior.sweeps import sweep

    rows, row = [], sweep.sweep_rows

    def interrupted(*arguments):
        for each in row(*arguments):
            if len(rows) == 2:
                raise KeyboardInterrupt
            rows.append(each)
            yield each

    monkeypatch.setattr(sweep, "sweep_rows", interrupted)
    code, _, err = typed(capsys, "sweep", MODEL, "--bank", "bank", "--tilt=-0.4,0,0.4", "--out", "ended")
    assert code == 1
    assert "error: interrupted: 2 rows are in ended/sweep.json" in err
    assert "--tilt" in err
    assert len(json.loads((there / "ended/sweep.json").read_text())["rows"]) == 2


def test_a_sweep_says_its_cost_before_it_starts(there, capsys):
    """11."""
    words = ["--reference", "prior", "--metric-space", "pixel", "--samples", "20", "--sets", "2", "--tilt=-0.4,0"]
    code, _, err = typed(capsys, "sweep", MODEL, "--bank", "bank", *words, "--out", "judged")
    assert code == 0
    assert "2 rows, and as many without polarity, 2 sets of 20 draws each, and 40 images to compare with: " in err
    assert err.index("200 pictures at most, about") < err.index("reference:")


def test_the_command_line_is_a_module_too(monkeypatch):
    """12."""
    import runpy

    monkeypatch.setattr(sys, "argv", ["polarprior", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("polarprior", run_name="__main__")
    assert ended.value.code == 0


def test_the_list_of_commands_is_whole_sentences(capsys):
    """12."""
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out.split("\nDraw:\n")[1].splitlines()
    assert all(line.endswith(".") and not line.endswith("...") for line in listed if line.startswith(" "))
    assert [line for line in listed if line and not line.startswith(" ")] == [
        "Banks:",
        "Measure:",
        "Stock scripts:",
        "More:",
    ]
    assert not any(line.split()[:1] == ["generate"] for line in listed)


def test_pictures_stand_beside_the_stock_ones(there, capsys):
    """14. and 2 of the parts: small pictures are shown large."""
    from PIL import Image

    words = ["sample", MODEL, "--bank", "bank", "--tilt=-0.4", "--seeds", "0-3", "--out", "sheet"]
    assert typed(capsys, *words)[0] == 0
    sheet = Image.open(there / "sheet/samples.png")
    assert sheet.width >= 150 + 4 * 96
    assert sheet.height >= 66 + 2 * 96
    assert Image.open(there / "sheet/seed0000.png").size == (8, 8)


def test_a_user_may_ask_for_both_only_once(there):
    generator = pp.load(MODEL, "cpu")
    bank = pp.Bank.open("bank")
    for sampler in ("bank", "online"):
        with pytest.raises(UsageError, match="which say the same twice"):
            pp.latent_sampler(generator, bank, -0.1, tilt=-0.5, sampler=sampler)
    with pytest.raises(UsageError, match="the standard deviation of the log-volume is a bank's"):
        default_host().latent_sampler(generator, None, tilt=-0.5, sampler="rivals:discriminator")


def test_modes_say_which_are_held(there, capsys):
    """9. Five black squares."""
    code, out, _ = typed(capsys, "modes", MODEL, "--bank", "bank", "-n", "4", "--out", "modes")
    assert code == 0
    assert "held: what a rho of -" in out
    assert "raw: the ends of this bank, further out than any law inside the limits draws" in out
    assert len(json.loads((there / "modes/modes.json").read_text())["groups"]) == 2
    assert typed(capsys, "modes", MODEL, "--bank", "bank", "-n", "4", "--raw", "--out", "raw")[0] == 0
    assert len(json.loads((there / "raw/modes.json").read_text())["groups"]) == 1


def test_help_says_what_an_option_is_for(capsys):
    """13."""
    for command, words in (
        ("sample", ("for a rho beyond the limits", "comparison")),
        ("bank build", ("PLUGIN:SPACE",)),
    ):
        assert main([*command.split(), "--help"]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert all(each in shown for each in words)
        assert not any(each in shown for each in ("to compare; or", "Where latents live", "1.5 k + 60"))


def test_a_report_begins_with_its_answer():
    """14."""
    from types import SimpleNamespace

    from polarprior.sweeps.measuring import Measuring, Spread
    from polarprior.sweeps.verdict import verdict

    def row(rho, *effects, fid=8.0):
        diagnostics = SimpleNamespace(rho=rho, tilt=5 * rho, within_limits=True)
        effect = {"pixel": {"fid": Spread(effects)}} if effects else None
        return SimpleNamespace(
            diagnostics=diagnostics, trunc=None, effect=effect, metrics={"pixel": {"fid": Spread((fid,))}}
        )

    judge = SimpleNamespace(count=10_000, halves={"pixel": {"fid": 0.2}})
    measuring = Measuring(judge, 1000, 3)
    rows = [row(-0.1, -1.2, -1.21, -1.19), row(0.1, 0.5, 0.6, 0.4)]
    said = verdict(rows, "pixel", "fid", measuring)
    assert said.startswith("rho -0.1 (tilt -0.50) lowers fid by 1.200 ± 0.036")
    assert "too high" not in said
    noisy = [row(-0.1, -1.2, 1.1, -0.4), row(0.1, 0.5, 0.6, 0.4)]
    assert verdict(noisy, "pixel", "fid", measuring).startswith(
        "No rho of the 2 tried beats 0 here (fid in pixel, 3 sets"
    )
    few = Measuring(judge, 100, 3)
    assert "every fid is too high by about 5" in verdict(rows, "pixel", "fid", few)
    repeated = [row(-0.1, -1.2, -1.21, -1.19, fid=9.1), row(0, fid=9.0)]
    assert "from this bank it is 9.1, and at rho 0, which repeats fewer latents, 9." in verdict(
        repeated, "pixel", "fid", measuring
    )
    assert "A larger bank" not in verdict([*rows, row(0, fid=9.0)], "pixel", "fid", measuring)
    assert verdict([row(-0.1, -1.2)], "pixel", "fid", Measuring(judge, 100, 1)).startswith("One set of draws")
