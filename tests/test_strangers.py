"""Files that others made: they select no code, and what they say is shown as text."""

from __future__ import annotations

import copy
import gc
import json
import os
import pickle
import re
import signal
import sys
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from types import SimpleNamespace

import numpy as np
import polarprior as pp
import pytest
import torch
from PIL import Image
from polarprior.bank.index import Shard, index_text
from polarprior.bank.info import BankInfo
from polarprior.building.card import write_card
from polarprior.building.parts import Parts
from polarprior.building.solver import Solver
from polarprior.errors import PolarPriorError, report, warn
from polarprior.foreign import MOST, Foreign, foreign_json, in_html, shown
from polarprior.plugin import default_host, png_bytes, write_atomically
from polarprior.testing import main
from polarprior.user_functions import VARIABLE
from polarprior_boltzmann.bases import GeneralisedGaussian
from polarprior_boltzmann.flow_file import FlowFile, OfModel
from polarprior_boltzmann.networks import KernelMLPs
from polarprior_boltzmann.problems import problem_named
from polarprior_ground_metric.levels import Levels
from polarprior_ground_metric.metric import MultiLevelMetric, Tried
from polarprior_ground_metric.metric_file import MetricFile
from polarprior_ground_metric.signatures import Signatures
from polarprior_pagan.generator import SHIPPED
from polarprior_pagan.model_file import Model
from polarprior_pagan.networks import Encoder, OfImages
from polarprior_pagan.networks import Generator as Drawing
from polarprior_pagan.recipe import Recipe
from polarprior_training.augmentations import named
from polarprior_training.described_file import KEY
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

HARMFUL = [
    *("torch:os:abort", "torch:signal:pause", "torch:__main__:main", "torch:builtins:input"),
    *(f"torch:{module.__name__}:{name}" for module in (os, signal, gc)
      for name in [each for each in dir(module) if each[0].islower()][:50]),
]  # fmt: skip
HARMFUL += [
    *("torch:", "torch::", "torch:os", "torch:os:", "torch::abort", "torch:os.path:getcwd", "torch:a_stranger:make"),
    *(
        "ground-metric:/etc/passwd",
        "ground-metric:metric",
        "ground-metric:",
        "boltzmann:x",
        "nobody:x",
        "../x",
        "x/y",
    ),
    *("perceptual:../vgg16", "perceptual:", "perceptual:vgg17", "mnist:/etc/passwd", ":", ""),
]
HOSTILE = {
    "an escape": "\x1b[31mred\x1b[0m",
    "a newline": "one\ntwo",
    "a bidi mark": "one\u202etwo",
    "a lone surrogate": "one\ud800two",
    "markup": "<script>alert(1)</script>",
}
RAW = ("\x1b", "\u202e", "\ud800")


@pytest.fixture(scope="module")
def generator():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(4, 9), nn.Tanh(), nn.Linear(9, 3 * 8 * 8), nn.Unflatten(1, (3, 8, 8)))
    return pp.wrap(network.eval(), latent_dim=4)


@pytest.fixture(scope="module")
def bank(generator):
    return pp.build_bank(generator, 120, k=3)


@pytest.fixture
def calls(monkeypatch):
    """Every function that a name leads to: what `made_by_the_user` imports is counted in its place."""
    found = []
    modules = SimpleNamespace(import_module=lambda name: found.append(name) or SimpleNamespace())
    monkeypatch.setattr("polarprior.user_functions.importlib", modules)
    monkeypatch.setattr("polarprior_ground_metric.space.MetricFile", _Opening(found))
    return found


class _Opening:
    def __init__(self, found):
        self._found = found

    def open(self, path):
        self._found.append(path)
        raise AssertionError(f"{path} was opened")


def bank_file(generator, bank, tmp_path, **info):
    return pp.Bank.of(replace(bank.info, **info), bank.columns()).save(tmp_path / "stranger")


def flow_file(generator, bank, tmp_path, **of_model):
    of = OfModel.of(generator, bank, 3, 1.0, 1.0, 1.0)
    noise = torch.Generator().manual_seed(0)
    field = KernelMLPs.initial(4, 4, width=4, layers=1, kernels=1, span=(-1.0, 1.0), noise=noise)
    path = tmp_path / "flow.safetensors"
    FlowFile(GeneralisedGaussian.normal(4), field, {"loss": "continuity"}, of_model=replace(of, **of_model)).save(
        path
    )
    return path


def metric_file(generator, bank, tmp_path, space="pixel"):
    points = Signatures.of(torch.randn(2, 3, 192, generator=torch.Generator().manual_seed(0)))
    tried = Tried(None, None, 0.5)
    levels = Levels(torch.eye(192), torch.zeros(2, 192, 192))
    metric = MultiLevelMetric(1).given(
        np.array(["three", "five"]), levels, 1.0, 1.0, points, torch.tensor([0, 1]), [tried], tried
    )
    return MetricFile(metric, space).save(tmp_path / "metric")


def pagan_file(generator, bank, tmp_path):
    parts = (Drawing(16, 1, 2, 4), Encoder(16, 1, 2, 4, False), OfImages(16, 1, 4, False))
    path = tmp_path / "pagan.safetensors"
    Model(Recipe(size=16, latent_dim=2, width=4, judge_width=4), *parts, None, {"fid": 1.0}).save(path)
    return path


def test_no_name_in_a_bank_is_called(generator, bank, tmp_path, monkeypatch, calls):
    monkeypatch.chdir(tmp_path)
    assert len(HARMFUL) > 100
    for space in HARMFUL:
        opened = pp.Bank.open(bank_file(generator, bank, tmp_path, space=space))
        assert opened.info.space == space
        for use in (
            lambda opened=opened: pp.verify(opened, generator),
            lambda opened=opened: pp.score(generator, [1, 2], bank=opened),
            lambda opened=opened: pp.latent_sampler(generator, opened, -0.1, sampler="online"),
        ):
            with pytest.raises(PolarPriorError, match="a file names"):
                use()
    assert calls == []


def test_no_name_in_a_flow_or_a_metric_is_called(generator, bank, tmp_path, monkeypatch, calls):
    monkeypatch.chdir(tmp_path)
    for space in HARMFUL:
        flow = flow_file(generator, bank, tmp_path, space=space)
        with pytest.raises(PolarPriorError, match="a file names"):
            pp.latent_sampler(generator, None, -0.1, sampler=f"boltzmann:{flow}")
        with pytest.raises(PolarPriorError, match=r"a file names|energy: got"):
            problem_named(Foreign(space))
    assert calls == []
    monkeypatch.setattr("polarprior_ground_metric.space.MetricFile", MetricFile)
    for space in HARMFUL:
        with pytest.raises(PolarPriorError, match=r"a file names|no features of images"):
            pp.feature_map(generator, f"ground-metric:{metric_file(generator, bank, tmp_path, space)}")
    assert calls == []


def test_no_name_in_an_index_or_a_plan_is_called(generator, bank, tmp_path, monkeypatch, calls):
    monkeypatch.chdir(tmp_path)
    for space in HARMFUL:
        named = pp.Bank.of(replace(bank.info, space=space), bank.columns()).save(tmp_path / "bank", 50 * 20)
        assert named.name.endswith(".index.json")
        for use in (
            lambda named=named: pp.verify(pp.Bank.open(named), generator),
            lambda named=named: pp.score(generator, [1, 2], bank=pp.Bank.open(named)),
        ):
            with pytest.raises(PolarPriorError, match="a file names"):
                use()
        plan = json.dumps({"request": {"n": 8, "k": 2, "space": space}, "settings": {}, "calibration": ""})
        (tmp_path / "new.parts").mkdir()
        (tmp_path / "new.parts/plan.json").write_text(plan)
        with pytest.raises(PolarPriorError, match="holds a build with"):
            pp.build_bank(generator, 8, 2, out=tmp_path / "new")
    assert calls == []


def test_no_name_in_a_pagan_file_is_called(generator, bank, tmp_path, monkeypatch, calls):
    """Nor where somebody takes the augmentation that it was trained with."""
    monkeypatch.chdir(tmp_path)
    path = pagan_file(generator, bank, tmp_path)
    about = about_of(path)
    taking = [{**about, "recipe": {**about["recipe"], "augment": text}} for text in HARMFUL]
    for each in [*taking, *changed(about, HARMFUL[0])]:
        with_about(path, lambda _, each=each: each)
        with suppress(PolarPriorError):
            named(Model.open(path).recipe.augment)
    assert calls == []


def test_the_user_may_name_what_a_file_names(generator, bank, tmp_path, monkeypatch):
    (tmp_path / "a_friend.py").write_text("def halves():\n    return lambda images: images.flatten(1)[:, ::2]\n")
    monkeypatch.chdir(tmp_path)
    name = "torch:a_friend:halves"
    opened = pp.Bank.open(bank_file(generator, bank, tmp_path, space=name))
    with pytest.raises(PolarPriorError, match="a file names 'torch:a_friend:halves'") as refused:
        pp.score(generator, [1], bank=opened)
    assert f"{VARIABLE}={name}" in refused.value.hint
    assert "a_friend" not in sys.modules
    with monkeypatch.context() as there:
        there.setenv(VARIABLE, f"other,{name}")
        assert len(pp.score(generator, [1], bank=opened)) == 1
    with pytest.raises(PolarPriorError, match="a file names"):
        pp.score(generator, [1], bank=opened)
    pp.feature_map(generator, name)
    assert len(pp.score(generator, [1], bank=opened)) == 1


@pytest.mark.parametrize("space", ["mnist:classifier", "perceptual:efficientnet-lite0", "pixel"])
def test_spaces_that_are_known_by_name_need_nobody_to_vouch_for_them(generator, space):
    default_host()._check_named(generator, Foreign(space))


def texts_of(value):
    """All texts in what a reader gives, but for names of fields in classes."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from texts_of(getattr(value, field.name))
    elif isinstance(value, dict):
        yield from (each for pair in value.items() for part in pair for each in texts_of(part))
    elif isinstance(value, list | tuple):
        yield from (each for part in value for each in texts_of(part))


def test_what_readers_give_is_marked_as_foreign(generator, bank, tmp_path):
    info = pp.Bank.open(bank_file(generator, bank, tmp_path, licence="MIT")).info
    flow = FlowFile.open(flow_file(generator, bank, tmp_path))
    texts = [*texts_of(info), *texts_of(flow.of_model), *texts_of(flow.recipe), flow.problem]
    texts.append(MetricFile.open(metric_file(generator, bank, tmp_path)).space)
    texts += texts_of(Model.open(SHIPPED).recipe)
    assert len(texts) > 20
    assert {type(each) for each in texts} == {Foreign}


@pytest.mark.parametrize("field", ["plugin", "space", "licence", "settings", "estimator", "prior", "dtype"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_of_a_bank_is_never_shown_raw(generator, bank, tmp_path, capsys, field, text):
    hostile = pp.Settings(noise_mode="const")
    object.__setattr__(hostile, "noise_mode", text)  # as nobody could write it with ours
    value = {"settings": hostile, "estimator": {**bank.info.estimator, "name": text, text: text}}
    path = bank_file(generator, bank, tmp_path, **{field: value.get(field, text)})
    for words in (["info"], ["info", "--json"], ["verify"], ["top", "-n", "3"]):
        main(["bank", words[0], str(path), *words[1:]])
    with suppress(PolarPriorError):
        write_card(pp.Bank.open(path), path)
    main(["sample", "mnist", "--bank", str(path), "--polarity=-0.1", "--seeds=0", "--out", str(tmp_path / "out")])
    out = "".join(capsys.readouterr())
    cards = "".join(each.read_text() for each in tmp_path.glob("*README.md"))
    assert not any(raw in out + cards for raw in RAW)
    assert "one\ntwo" not in out + cards
    body = cards.partition("\n---\n")[2]  # the header is YAML, its texts are quoted
    assert "<script>" not in body
    if text == HOSTILE["markup"] and field in ("licence", "prior"):
        assert "&lt;script&gt;" in body
    with suppress(FileNotFoundError):
        assert not any(raw in (tmp_path / "out/samples.json").read_text() for raw in RAW)


def about_of(path):
    """What a described file says of itself."""
    with safe_open(path, "pt") as opened:
        return json.loads(opened.metadata()[KEY])


def with_about(path, change):
    """A described file whose description says something else."""
    save_file(load_file(path), path, {KEY: json.dumps(change(about_of(path)))})


def changed(value, text):
    """Copies of a description, each with one of its texts, or of the names in it, in another's words."""
    if isinstance(value, str):
        yield text
    elif isinstance(value, dict):
        for name, part in value.items():
            yield {text if other == name else other: each for other, each in value.items()}
            yield from ({**value, name: each} for each in changed(part, text))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from ([*value[:index], each, *value[index + 1 :]] for each in changed(part, text))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("make", [flow_file, metric_file, pagan_file])
def test_hostile_text_of_other_files_is_never_shown_raw(generator, bank, tmp_path, make, text):
    path = make(generator, bank, tmp_path)
    opening = {flow_file: FlowFile, metric_file: MetricFile, pagan_file: Model}[make].open
    about = about_of(path)
    about.pop("tried", None)  # numbers, of which there are many
    for each in changed(about, text):
        with_about(path, lambda _, each=each: each)
        if text == HOSTILE["markup"]:  # it can be printed: what takes it takes it as text
            with suppress(PolarPriorError):
                opening(path)
            continue
        with pytest.raises(PolarPriorError) as refused:
            opening(path)
        assert not any(raw in f"{refused.value}" for raw in (*RAW, "one\ntwo"))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_of_an_index_is_never_shown_raw(bank, tmp_path, capsys, text):
    """Each text of the JSON as it is, and each text of the metadata, with a digest that is right."""
    path = bank.save(tmp_path / "bank", 50 * 20)
    index = json.loads(path.read_text())
    shards = [Shard(**line) for line in index["shards"]]
    indexes = [json.dumps(each) for each in changed(index, text)]
    for about in changed(json.loads(index["metadata"]["polarprior"]), text):
        indexes.append(json.dumps({**index, "metadata": {**index["metadata"], "polarprior": json.dumps(about)}}))
        with suppress(TypeError, AttributeError, KeyError):
            settings = pp.Settings(**about["settings"])
            indexes.append(index_text(BankInfo(**{**about, "settings": settings}), shards))
    assert len(indexes) > 60
    codes = [main(["bank", "info", str(path)]) for each in indexes if path.write_text(each)]
    assert codes.count(0) == 2, "whose digest or shard, made right again, is ours"
    assert_clean(capsys)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_of_a_plan_is_never_shown_raw(generator, tmp_path, capsys, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "users.py").write_text(
        "import polarprior as pp\nfrom torch import nn\ndef make(): return pp.wrap(nn.Tanh(), latent_dim=4)\n"
    )
    monkeypatch.delitem(sys.modules, "users", raising=False)
    build = ["bank", "build", "torch:users:make", "-n", "8", "-k", "2", "--device", "cpu", "--out", "bank"]
    with monkeypatch.context() as ended:
        ended.setattr(Solver, "__call__", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        ended.setattr(Parts, "remove_unless_begun", lambda _: None)
        ended.setattr("polarprior.building.build.say_cost", lambda *_: None)
        main(build)
    plan = tmp_path / "bank.parts/plan.json"
    whole = json.loads(plan.read_text())
    for each in changed(whole, text):
        plan.parent.mkdir(exist_ok=True)
        plan.write_text(json.dumps(each))
        assert main(build) == 1
    sys.modules.pop("users", None)
    assert_clean(capsys)


def assert_clean(capsys):
    said = "".join(capsys.readouterr())
    assert not any(raw in said for raw in RAW)
    assert "one\ntwo" not in said


def test_hostile_names_of_tensors_and_shards(generator, bank, tmp_path, capsys):
    for number, text in enumerate(HOSTILE.values()):
        path = tmp_path / f"{number}.safetensors"
        header = {"__metadata__": {"polarprior": bank.info.to_json()}, text: {"dtype": text, "shape": [0]}}
        content = json.dumps(header).encode()
        path.write_bytes(len(content).to_bytes(8, "little") + content)
        assert main(["bank", "info", str(path)]) == 1
        index = tmp_path / f"{number}.safetensors.index.json"
        line = {"file": text, "digest": text, "rows": 1}
        index.write_text(json.dumps({"metadata": {"polarprior": bank.info.to_json()}, "shards": [line, line]}))
        assert main(["bank", "info", str(index)]) == 1
    assert not any(raw in "".join(capsys.readouterr()) for raw in RAW)


def test_there_is_one_escape(tmp_path, capsys):
    """Terminals, errors, warnings, pages, cards and pictures show text by it."""
    assert shown("".join(HOSTILE.values())).isprintable()
    assert shown("a\nb", lines=True) == "a\nb"
    assert in_html("<a|b>\x1b") == "&lt;a&#124;b&gt;\\x1b"
    for text in HOSTILE.values():
        error = PolarPriorError(text, text)
        assert error.message.isprintable()
        assert error.hint.isprintable()
        report(text, text)
        with pytest.warns(UserWarning, match=re.escape(shown(text))) as warned:
            warn(text)
        assert str(warned[0].message).isprintable()
    assert not any(raw in capsys.readouterr().err for raw in RAW)
    write_atomically(tmp_path / "a.png", png_bytes(Image.new("L", (1, 1)), HOSTILE["an escape"]))
    assert Image.open(tmp_path / "a.png").text["Title"] == "\\x1b[31mred\\x1b[0m"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "a": 2}', "there twice"),
        ("[" * 100_000, "too deeply"),
        ('["' + "x" * (MOST + 1) + '"]', "more than 4096"),
        ('["\\u001b"]', "can't be printed"),
        ("nonsense", "Expecting value"),
    ],
)
def test_json_that_is_none_of_ours(text, why):
    with pytest.raises(ValueError, match=why):
        foreign_json(text)


def test_a_foreign_text_stays_one():
    text = foreign_json('{"a": ["b"]}')["a"][0]
    for each in (text, str(text), copy.deepcopy(text), pickle.loads(pickle.dumps(text))):
        assert type(each) is Foreign
    with pytest.raises(ValueError, match="int in place of text"):
        Foreign(3)
