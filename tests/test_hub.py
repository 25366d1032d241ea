"""Banks and model files on the Hugging Face Hub, against a server on this machine that speaks its protocol."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import polarprior as pp
import pytest
import torch
from hub_server import serving
from polarprior.bank import from_hub
from polarprior.building.card import model_tag
from polarprior.cli.main import main
from polarprior.errors import running_code
from polarprior.hub.name import HubName, hub_name, is_on_hub
from polarprior.plugins import Plugins
from polarprior.stock.polarity import asked

hub_client = pytest.importorskip("huggingface_hub")
ROWS, SHARDS = 600, 30


def small(seed):
    torch.manual_seed(seed)
    return pp.wrap(
        torch.nn.Sequential(torch.nn.Linear(6, 24), torch.nn.Tanh(), torch.nn.Linear(24, 12)), latent_dim=6
    )


@pytest.fixture(scope="module")
def generator():
    return small(0)


@pytest.fixture(scope="module")
def bank(generator, tmp_path_factory):
    """A bank of 30 shards."""
    built = pp.build_bank(generator, n=ROWS, k=3)
    path = built.save(tmp_path_factory.mktemp("bank") / "small", max_shard_size=built.size // SHARDS + 1)
    return pp.Bank.open(path)


@pytest.fixture
def hub(monkeypatch, tmp_path, capfd):
    """A server, a clean cache, and a token; whatever a test does, the token is in nothing that is shown or kept."""
    from huggingface_hub import constants

    with serving() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("time.sleep", lambda _: None)  # the client waits between its attempts
        monkeypatch.setenv("HF_TOKEN", server.token)
        monkeypatch.setenv("POLARPRIOR_CACHE", str(tmp_path / "cache"))
        said = []
        server.heard = lambda: said.append("".join(capfd.readouterr())) or said[-1]
        yield server
        server.heard()
        kept = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
        assert not any(server.token in text for text in said)
        assert not any(server.token.encode() in content for content in kept)
        assert not any(server.token in path for _, path in server.asked)


def shards(hub, repo="me/small"):
    return sorted(file for file in hub.files(repo) if "-of-00030" in file)


def cached(tmp_path):
    """All files of banks in the cache."""
    return sorted(file.name for file in (tmp_path / "cache").rglob("*.safetensors*"))


def test_thirty_files_arrive_as_they_left(hub, bank, tmp_path):
    name = pp.push_bank(bank, "me/small")
    assert name == f"hf://me/small@{hub.refs['me/small']['main']}/small.safetensors.index.json"
    assert len(shards(hub)) == SHARDS
    assert main(["bank", "pull", "me/small", "--out", str(tmp_path / "out")]) == 0
    assert f"{name}\n" in (said := hub.heard())
    assert "31 files" in said
    for file in bank.files:
        assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes()
    pulled = pp.Bank.open(name)
    assert pulled.origin == name
    assert (pulled.log_volume() == bank.log_volume()).all()
    assert not any(file.is_symlink() for file in pulled.files)


def test_the_card_says_how_far_rho_may_go_and_shows_it(hub, bank):
    pp.push_bank(bank, "me/small", licence="cc-by-4.0")
    files = hub.files("me/small")
    card = files["README.md"].decode()
    assert 'license: "cc-by-4.0"' in card
    assert model_tag(bank.info.fingerprint) in card
    assert "beyond the limits" in card
    assert "(small.png)" in card
    assert files["small.png"].startswith(b"\x89PNG")
    assert "--bank hf://me/small/small" in card


def test_pushing_again_sends_nothing_again_and_takes_old_shards_away(hub, bank, generator, tmp_path):
    pp.push_bank(bank, "me/small")
    before = len(hub.asked)
    pp.push_bank(bank, "me/small")
    assert not any(method == "PUT" for method, _ in hub.asked[before:])
    other = pp.build_bank(generator, n=20, k=3)
    other.save(tmp_path / "small")
    pp.push_bank(pp.Bank.open(tmp_path / "small"), "me/small")
    assert sorted(hub.files("me/small")) == [".gitattributes", "README.md", "small.png", "small.safetensors"]


def test_what_is_pinned_needs_no_server(hub, bank):
    name = pp.push_bank(bank, "me/small")
    pp.Bank.open("hf://me/small")
    hub.down = True
    before = len(hub.asked)
    assert (pp.Bank.open(name).log_volume() == bank.log_volume()).all()
    assert len(hub.asked) == before
    again = pp.Bank.open("hf://me/small")
    assert again.origin == name
    assert "the Hub can't be reached" in hub.heard()


def test_a_transfer_that_was_cut_goes_on(hub, bank, tmp_path):
    pp.push_bank(bank, "me/small")
    hub.breaks_at, hub.goes_down = shards(hub)[14], True
    with pytest.raises(pp.PolarPriorError, match="can't be reached") as error:
        pp.Bank.open("hf://me/small")
    assert "goes on" in error.value.hint
    commit = hub.refs["me/small"]["main"]
    assert not list((tmp_path / "cache" / "hub" / "me--small" / commit).glob("*.safetensors*"))
    hub.down = False
    before = len(hub.asked)
    opened = pp.Bank.open("hf://me/small")
    assert (opened.log_volume() == bank.log_volume()).all()
    fetched = [path for method, path in hub.asked[before:] if method == "GET" and "-of-00030" in path]
    assert len(fetched) == SHARDS - 14


def test_a_file_that_was_cut_once_is_fetched_by_the_same_call(hub, bank):
    pp.push_bank(bank, "me/small")
    hub.breaks_at = shards(hub)[14]
    assert (pp.Bank.open("hf://me/small").log_volume() == bank.log_volume()).all()
    assert hub.breaks_at == ""


def test_one_altered_byte_is_refused_with_the_name_of_its_shard(hub, bank, tmp_path):
    pp.push_bank(bank, "me/small")
    bad = shards(hub)[7]
    files = dict(hub.files("me/small"))
    files[bad] = files[bad][:-1] + bytes([files[bad][-1] ^ 1])
    hub.put("me/small", files)
    with pytest.raises(pp.BankError, match=bad) as error:
        pp.Bank.open("hf://me/small")
    assert "is not that of its contents" in error.value.message
    assert cached(tmp_path) == []


def test_a_tag_that_has_moved_is_noticed(hub, bank, generator, tmp_path):
    pp.push_bank(bank, "me/small")
    first = hub.refs["me/small"]["main"]
    hub.refs["me/small"]["v1"] = first
    pp.Bank.open("hf://me/small@v1")
    small = pp.build_bank(generator, n=20, k=3)
    small.save(tmp_path / "other" / "small")
    second = pp.push_bank(pp.Bank.open(tmp_path / "other" / "small"), "me/small")
    hub.refs["me/small"]["v1"] = hub.refs["me/small"]["main"]
    with pytest.warns(UserWarning, match=rf"has moved .* from commit {first}"):
        assert len(pp.Bank.open("hf://me/small@v1")) == 20
    assert first not in second
    assert len(pp.Bank.open(f"hf://me/small@{first}")) == ROWS


def test_nobody_who_is_not_allowed_may_push(hub, bank, monkeypatch):
    path = str(bank.path)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nowhere")
    assert main(["bank", "push", path, "me/small"]) == 1
    said = hub.heard()
    assert "error: hf://me/small: the Hub refuses you this" in said
    assert "hint: log in with a token that may do it: hf auth login" in said
    monkeypatch.setenv("HF_TOKEN", hub.token)
    hub.refused["/api/repos/create"] = 403
    assert main(["bank", "push", path, "me/small"]) == 1
    said = hub.heard()
    assert "error: hf://me/small: the Hub refuses you this" in said
    assert said.count("hint: ") == 1
    assert "me/small" not in hub.repos


def test_a_checkpoint_with_a_licence_asks_for_one(hub, bank, tmp_path):
    info = replace(bank.info, licence="for research alone")
    pp.Bank.of(info, bank.columns()).save(tmp_path / "own")
    assert main(["bank", "push", str(tmp_path / "own"), "me/small"]) == 2
    assert "--licence: none given" in hub.heard()
    assert main(["bank", "push", str(tmp_path / "own"), "me/small", "--licence", "CC BY"]) == 2
    assert main(["bank", "push", str(tmp_path / "own"), "me/small", "--licence", "other"]) == 0


def test_info_fetches_no_shard(hub, bank, tmp_path):
    pp.push_bank(bank, "me/small")
    hub.heard()
    assert main(["bank", "info", "hf://me/small"]) == 0
    said = hub.heard()
    assert "not checked" in said
    assert bank.info.fingerprint in said
    assert "beyond the limits" in said
    assert hub.gets("-of-00030") == 0
    assert cached(tmp_path) == []
    assert main(["bank", "info", "hf://me/small", "--json"]) == 0
    assert json.loads(hub.heard())["checked"] is False
    pp.Bank.open("hf://me/small")
    assert main(["bank", "info", "hf://me/small"]) == 0
    assert "not checked" not in hub.heard()


def test_info_of_one_large_file_reads_its_start_alone(hub, generator, tmp_path):
    large = pp.build_bank(generator, n=20, k=3)
    repeated = {name: column.repeat(6000, 0) for name, column in large.columns().items()}
    repeated["seeds"] = repeated["seeds"] * 0 + range(len(repeated["seeds"]))
    path = pp.Bank.of(large.info, repeated).save(tmp_path / "large")
    hub.put("me/large", {"large.safetensors": path.read_bytes()})
    found = from_hub.look(hub_name("me/large"))
    assert found.rows == 120_000
    assert found.size == path.stat().st_size > 3e6
    assert found.card == ""


def test_find_names_the_bank_that_fits(hub, bank, generator, tmp_path):
    other = small(1)
    pp.push_bank(bank, "me/small")
    built = pp.build_bank(other, n=20, k=3)
    built.save(tmp_path / "other")
    pp.push_bank(pp.Bank.open(tmp_path / "other"), "you/other")
    files = dict(hub.files("you/other"))
    wrong = model_tag(built.info.fingerprint).encode()
    files["README.md"] = files["README.md"].replace(wrong, model_tag(bank.info.fingerprint).encode())
    hub.put("them/wrong", files)  # our tag, and a bank of another model
    assert [str(found.name) for found in pp.find_banks(generator)] == [
        f"hf://me/small@{hub.refs['me/small']['main']}/small.safetensors.index.json"
    ]
    assert hub.gets("-of-00030") == 0


def test_a_draw_without_a_bank_names_those_of_the_hub(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("of_the_hub.py").write_text(
        "import polarprior as pp, torch\n"
        "def make():\n"
        "    torch.manual_seed(0)\n"
        "    layers = torch.nn.Linear(6, 48), torch.nn.Tanh(), torch.nn.Unflatten(1, (3, 4, 4))\n"
        "    return pp.wrap(torch.nn.Sequential(*layers), latent_dim=6)\n"
    )
    draw = ["sample", "torch:of_the_hub:make", "--tilt=-0.3", "--seeds", "0-3", "--out", "drawn"]
    assert main(draw) == 2
    assert "polarprior bank build torch:of_the_hub:make" in hub.heard()
    assert main(["bank", "build", "torch:of_the_hub:make", "-n", "400", "-k", "4", "--out", "mine"]) == 0
    name = pp.push_bank(pp.Bank.open("mine"), "me/mine")
    hub.heard()
    assert main(draw) == 2
    assert f"hint: add --bank {name}, of the Hub" in hub.heard()
    assert main(["bank", "find", "torch:of_the_hub:make"]) == 0
    assert f"{name}: 400 latents, k 4" in hub.heard()
    assert main([*draw, "--bank", "hf://me/mine"]) == 0
    assert json.loads(Path("drawn/samples.json").read_text())["bank_from"] == name
    assert main([*draw[:-1], "again", "--bank", name]) == 0
    for file in Path("drawn").iterdir():
        assert (Path("again") / file.name).read_bytes() == file.read_bytes()


def test_a_command_of_its_own_uses_the_endpoint_of_the_environment(hub, bank, tmp_path):
    pp.push_bank(bank, "me/small")
    variables = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "polarprior", "bank", "pull", "me/small"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("hf://me/small@")


def test_a_repository_of_something_else_is_refused(hub, bank, tmp_path):
    weights = b"\x02\x00\x00\x00\x00\x00\x00\x00{}"
    hub.put("me/model", {"README.md": b"a model", "model.safetensors": weights})
    with pytest.raises(pp.BankError, match="not a bank"):
        pp.Bank.open("hf://me/model")
    hub.put("me/text", {"README.md": b"nothing"})
    with pytest.raises(pp.BankError, match="holds no bank"):
        pp.Bank.open("hf://me/text")
    one = b"".join(file.read_bytes() for file in bank.files[:1])
    hub.put("me/two", {"a.safetensors": one, "b.safetensors": one, "c/d.safetensors": one})
    with pytest.raises(pp.UsageError, match="holds 3 files") as error:
        pp.Bank.open("hf://me/two")
    assert "a.safetensors, b.safetensors" in error.value.hint
    with pytest.raises(pp.BankError, match="is not there"):
        pp.Bank.open("hf://me/two/e")
    assert cached(tmp_path) == []


def test_a_path_out_of_a_repository_is_no_file_of_it(hub, bank, tmp_path):
    single = pp.Bank.of(bank.info, bank.columns()).save(tmp_path / "single").read_bytes()
    hub.put("me/out", {f"{'../' * 5}out.safetensors": single, ".hidden.safetensors": single})
    with pytest.raises(pp.BankError, match="holds no bank"):
        pp.Bank.open("hf://me/out")
    hub.put("me/in", {"in/side.safetensors": single, "../../out.safetensors": single})
    assert pp.Bank.open("hf://me/in").origin.endswith("/in/side.safetensors")
    assert cached(tmp_path) == ["side.safetensors"]


def test_a_damaged_bank_in_the_cache_is_fetched_again(hub, bank):
    pp.push_bank(bank, "me/small")
    kept = pp.Bank.open("hf://me/small").files
    kept[3].unlink()
    kept[5].write_bytes(kept[5].read_bytes()[:-7])
    assert (pp.Bank.open("hf://me/small").log_volume() == bank.log_volume()).all()
    content = kept[4].read_bytes()
    kept[4].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert main(["bank", "pull", "me/small"]) == 0
    assert kept[4].read_bytes() == content


def test_a_second_bank_does_not_hide_the_first(hub, generator, tmp_path):
    for name, rows in (("one", 20), ("two", 30)):
        pp.build_bank(generator, n=rows, k=3).save(tmp_path / name)
        pp.push_bank(pp.Bank.open(tmp_path / name), "me/both")
    assert [found.rows for found in pp.find_banks(generator)] == [30, 20]
    assert len(pp.Bank.open("hf://me/both/one")) == 20


def test_what_is_no_bank_is_not_replaced(hub, bank, tmp_path):
    hub.put("me/model", {"small.safetensors.index.json": b"{}", "small-00001-of-00002.safetensors": b"weights"})
    with pytest.raises(pp.UsageError, match=r"has a small.safetensors.index.json that is no bank's"):
        pp.push_bank(bank, "me/model")
    hub.put("me/picture", {"small.png": b"mine"})
    with pytest.raises(pp.UsageError, match=r"small.png"):
        pp.push_bank(bank, "me/picture")
    assert hub.files("me/picture") == {"small.png": b"mine"}


def test_private_means_private(hub, bank):
    pp.push_bank(bank, "me/own", private=True)
    pp.push_bank(bank, "me/own", private=True)
    assert hub.private == {"me/own"}
    pp.push_bank(bank, "me/open")
    with pytest.raises(pp.UsageError, match="there already, and public"):
        pp.push_bank(bank, "me/open", private=True)


def test_pull_writes_over_nothing(hub, bank, tmp_path):
    pp.push_bank(bank, "me/small")
    out = tmp_path / "out"
    out.mkdir()
    (out / "small.safetensors").write_bytes(b"mine")
    assert main(["bank", "pull", "me/small", "--out", str(out)]) == 1
    assert "is there already" in hub.heard()
    assert [file.name for file in out.iterdir()] == ["small.safetensors"]


def test_a_bank_is_written_here_and_not_there(bank):
    with pytest.raises(pp.UsageError, match="a name on the Hub, expected a path"):
        bank.save("hf://me/small")


@pytest.mark.parametrize(
    "header",
    [
        b'{"seeds": {}}',
        b'{"seeds": {"dtype": "I64", "shape": 5}}',
        b'{"seeds": {"dtype": "I64", "shape": [-5]}}',
        b'{"seeds": {"dtype": "I64", "shape": [1e40]}}',
        b'{"__metadata__": {"polarprior": 5}}',
        b'{"__metadata__": 7}',
        b"[]",
        b"\xff",
        b"[" * 5000,
    ],
)
def test_headers_of_strangers(hub, header):
    hub.put("me/odd", {"odd.safetensors": len(header).to_bytes(8, "little") + header})
    with pytest.raises(pp.BankError):
        from_hub.look(hub_name("me/odd"))


@pytest.mark.parametrize("file", ["$(touch x).safetensors", "a b.safetensors", "-x.safetensors", "é.safetensors"])
def test_names_of_files_that_a_shell_would_take_otherwise_are_not_seen(hub, bank, tmp_path, file):
    single = pp.Bank.of(bank.info, bank.columns()).save(tmp_path / "single").read_bytes()
    hub.put("me/odd", {file: single})
    with pytest.raises(pp.BankError, match="holds no bank"):
        pp.Bank.open("hf://me/odd")


def test_a_size_that_was_stated_holds(hub, bank, tmp_path):
    pp.push_bank(bank, "me/small")
    hub.lies = {shards(hub)[2]: 5}
    with pytest.raises(pp.PolarPriorError, match="another number of bytes"):
        pp.Bank.open("hf://me/small")
    assert cached(tmp_path / "cache/banks") == []


def test_a_readme_of_somebody_stays(hub, bank):
    hub.put("me/small", {"README.md": b"# mine\n"})
    pp.push_bank(bank, "me/small")
    files = hub.files("me/small")
    assert files["README.md"] == b"# mine\n"
    assert b"library_name: polarprior" in files["small.README.md"]


def test_a_bank_of_a_newer_format_is_refused(hub, bank, tmp_path):
    index = bank.path.read_text().replace("polarprior-bank/1", "polarprior-bank/2")
    hub.put("me/new", {bank.path.name: index.encode()})
    with pytest.raises(pp.BankError, match="expected 'polarprior-bank/1'"):
        pp.Bank.open("hf://me/new")
    assert cached(tmp_path) == []


def test_an_index_whose_files_are_missing_or_too_large_is_refused(hub, bank, tmp_path):
    files = {file.name: file.read_bytes() for file in bank.files}
    lost = bank.files[3].name
    hub.put("me/lost", {name: content for name, content in files.items() if name != lost})
    with pytest.raises(pp.BankError, match=f"lacks {lost}"):
        pp.Bank.open("hf://me/lost")
    hub.put("me/huge", {**files, lost: bytes(100_000_000)})
    with pytest.raises(pp.BankError, match=r"has files of 100,\d+,\d+ bytes"):
        pp.Bank.open("hf://me/huge")
    assert hub.gets("-of-00030") == 0
    assert cached(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "what"),
    [(500, "status 500"), (429, "status 429"), (401, "refuses you this")],
)
def test_whatever_the_server_answers_is_one_error_and_one_hint(hub, status, what):
    hub.refused["/api/models/me/small"] = status
    with pytest.raises(pp.PolarPriorError, match=what) as error:
        pp.Bank.open("hf://me/small")
    assert "\n" not in error.value.message
    assert error.value.hint


def test_without_a_network_nothing_is_left(hub, tmp_path):
    hub.down = True
    assert main(["bank", "pull", "me/small"]) == 1
    said = hub.heard()
    assert "error: hf://me/small: the Hub can't be reached" in said
    assert "hint: check your network" in said
    assert not list((tmp_path / "cache").rglob("*.json"))


@pytest.mark.parametrize(
    "name",
    [
        "hf://",
        "hf://me",
        "hf://me/..",
        "hf://../me/x",
        "hf://me/x/../../y",
        "hf://me/x@a/../b",
        "hf:///etc/passwd",
        "hf://me/x/.git/config",
        "hf://me/x\x1b[2J",
        "hf://me/x@",
        "hf://me/x//y",
        "/etc/passwd",
        "C:\\me\\x",
    ],
)
def test_a_path_is_no_name(name):
    with pytest.raises(pp.UsageError):
        hub_name(name)


def test_names():
    assert hub_name("me/x") == hub_name("hf://me/x") == hub_name(Path("hf://me/x")) == HubName("me/x")
    assert hub_name("hf://me/x@v1.0/a/b.safetensors") == HubName("me/x", "v1.0", "a/b.safetensors")
    assert str(hub_name("hf://me/x@v1/a")) == "hf://me/x@v1/a"
    assert is_on_hub(Path("hf://me/x"))
    assert not is_on_hub("me/x")
    assert not is_on_hub(None)
    assert str(asked(-0.1, "hf://me/x", False, False, None).polarity.bank) == "hf://me/x"


SAFE = """
import polarprior as pp, torch
from dataclasses import replace
from polarprior.plugin import hookimpl, warn

@hookimpl
def load_generator(source, device, settings):
    if source.endswith(".pkl"):
        warn("it is a pickle", pp.RunsCodeWarning)
    network = torch.nn.Linear(4, 8)
    torch.nn.init.constant_(network.weight, len(open(source, "rb").read()))
    return replace(pp.wrap(network, latent_dim=4), plugin="reads")
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host with a plugin that reads files, pickles among them."""
    from importlib.metadata import EntryPoint

    (tmp_path / "reads_files.py").write_text(SAFE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return pp.Host(Plugins([EntryPoint("reads", "reads_files", "polarprior")]))


def test_a_model_file_of_the_hub_is_fetched_once_and_pinned(hub, host):
    commit = hub.put("me/nets", {"nets/small.bin": b"12345", "nets/small.pkl": b"123"})
    generator = host.load("reads:hf://me/nets/nets/small.bin", "cpu")
    assert generator.source == f"reads:hf://me/nets@{commit}/nets/small.bin"
    host.load(generator.source, "cpu")
    assert hub.gets("small.bin") == 1
    with pytest.raises(pp.UsageError, match="is not there"):
        host.load("reads:hf://me/nets/other.bin", "cpu")


def test_a_bank_that_came_as_a_file_is_no_checked_bank(hub, bank, host):
    pp.push_bank(bank, "me/small")
    host.load(f"reads:hf://me/small/{bank.path.name}", "cpu")
    assert len(pp.Bank.open("hf://me/small")) == ROWS


def test_a_pickle_is_refused_in_a_thread_beside_one_that_is_allowed(hub, host):
    hub.put("me/nets", {"small.pkl": b"123"})
    digest = hashlib.sha256(b"123").hexdigest()
    inside, seen = threading.Event(), []

    def allowed():
        with running_code("allowed"):
            inside.set()
            seen.append(threading.current_thread())
            done.wait(30)

    done = threading.Event()
    other = threading.Thread(target=allowed)
    other.start()
    inside.wait(30)
    with pytest.raises(pp.UsageError, match="is a pickle"):
        host.load("reads:hf://me/nets/small.pkl", "cpu")
    done.set()
    other.join()
    assert host.load("reads:hf://me/nets/small.pkl", "cpu", sha256=digest)


def test_a_pickle_of_the_hub_needs_its_digest(hub, host):

    hub.put("me/nets", {"small.pkl": b"123"})
    digest = hashlib.sha256(b"123").hexdigest()
    with pytest.raises(pp.UsageError, match="is a pickle, which runs the code") as error:
        host.load("reads:hf://me/nets/small.pkl", "cpu")
    assert digest in error.value.hint
    assert host.load("reads:hf://me/nets/small.pkl", "cpu", sha256=digest)
    with pytest.raises(pp.PolarPriorError, match="it was not opened"):
        host.load("reads:hf://me/nets/small.pkl", "cpu", sha256="0" * 64)
