"""Settings of a plugin's own: typed, stored in banks, compared."""

from __future__ import annotations

import json
import sys

import polarprior as pp
import pytest
from polarprior.bank.info import BankInfo
from polarprior.errors import BankError, UsageError
from polarprior.settings import Settings
from polarprior.testing import main

USERS = """
import polarprior as pp, torch
def make(steps=3, strength=1.0, prompt="a cat", fine=False, trunc=1.0):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Linear(6, 32), torch.nn.Tanh(), torch.nn.Linear(32, 48))
    module = torch.nn.Sequential(network, torch.nn.Tanh(), torch.nn.Unflatten(1, (3, 4, 4)))
    own = {"steps": steps, "strength": strength, "prompt": prompt, "fine": fine}
    return pp.wrap(module, latent_dim=6, settings=pp.Settings(trunc=trunc, own=own))
"""
MODEL = "torch:own_settings_of_users:make"


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A folder with a user's module, and a bank of it at 5 steps."""
    folder = tmp_path_factory.mktemp("settings")
    (folder / "own_settings_of_users.py").write_text(USERS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        patch.delitem(sys.modules, "own_settings_of_users", raising=False)
        words = ["bank", "build", MODEL, "-n", "200", "-k", "3", "--device", "cpu", "--out", "bank.safetensors"]
        assert main([*words, "--set", "steps=5", "--set", "fine=true", "--set", "strength=2"]) == 0
        yield folder


def typed(capsys, *words):
    code = main([*map(str, words)])
    return code, *capsys.readouterr()


def test_a_bank_stores_them_by_their_types(there):
    settings = pp.Bank.open(there / "bank.safetensors").info.settings
    assert dict(settings.own) == {"fine": True, "prompt": "a cat", "steps": 5, "strength": 2.0}
    assert settings.given()["trunc"] == 1.0
    assert isinstance(settings.get("strength"), float)


def test_a_model_is_opened_with_those_of_its_bank(there, capsys):
    sample = ["sample", MODEL, "--bank", "bank.safetensors", "--tilt=-0.4", "--seeds", "0-3", "--out", "drawn"]
    assert typed(capsys, *sample)[0] == 0
    code, _, err = typed(capsys, *sample, "--set", "steps=7")
    assert code == 1
    assert "is for steps 5, your module was opened with 7" in err
    assert "open your module with steps=5, or build one for it: polarprior bank build" in err
    assert "--set steps=7" in err
    code, out, _ = typed(capsys, "bank", "info", "bank.safetensors")
    assert "settings        trunc 1.0, fine True, prompt a cat, steps 5, strength 2.0" in out
    assert json.loads(typed(capsys, "bank", "info", "bank.safetensors", "--json")[1])["settings"]["own"]["steps"] == 5


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("stps=5", "stps: no such option, expected some of trunc, temperature, noise_mode, steps, strength"),
        ("steps=many", "steps: got 'many', expected a whole number"),
        ("steps=2.5", "steps: got 2.5, expected a whole number"),
        ("fine=3", "fine: got 3, expected True or False"),
        ("strength=nan", "strength: got nan, expected a finite number"),
        ("steps", "Invalid value for '--set': got 'steps', expected NAME=VALUE such as steps=18"),
        ("=5", "Invalid value for '--set': got '=5', expected NAME=VALUE"),
    ],
)
def test_what_is_none_is_refused_by_its_name(there, capsys, given, said):
    code, _, err = typed(capsys, "sample", MODEL, "--set", given, "--seeds", "0", "--out", "never")
    assert code == 2
    assert said in err
    assert "hint:" in err
    assert not (there / "never").exists()


def test_they_are_keywords_in_python(there):
    assert pp.load(MODEL, steps=4).settings.get("steps") == 4
    with pytest.raises(UsageError, match="steps: got 'x'"):
        pp.load(MODEL, steps="x")
    with pytest.raises(UsageError, match="own: got"):
        pp.Settings(own={"trunc": 3})
    assert pp.Settings(own={"b": 1, "a": "x"}) == pp.Settings(own={"a": "x", "b": 1})
    assert hash(pp.Settings(own={"a": 1})) == hash(pp.Settings(own={"a": 1}))


def test_old_banks_say_what_they_said():
    assert Settings(trunc=0.7).to_dict() == {"trunc": 0.7, "temperature": None, "noise_mode": None}


@pytest.mark.parametrize(
    "own",
    [
        {},
        [],
        {"steps": [1]},
        {"a b": 1},
        {"trunc": 1},
        {"a": None},
        {"a": "\n"},
        {f"a{i}": 1 for i in range(65)},
        "x",
    ],
)
def test_foreign_settings_are_looked_at(there, own):
    values = json.loads(pp.Bank.open(there / "bank.safetensors").info.to_json())
    values["settings"]["own"] = own
    with pytest.raises(BankError):
        BankInfo.from_json(json.dumps(values, sort_keys=True, separators=(",", ":")))
