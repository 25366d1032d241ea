"""Public functions refuse what they would have to guess, before they do anything, by the argument's name."""

from __future__ import annotations

import re
from inspect import unwrap
from pathlib import Path

import numpy as np
import polarprior as pp
import pytest
import torch
from arguments_page import PAGE, domains_of, page, parameters_of, public
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from polarprior.errors import PluginError, PolarPriorError, UsageError
from torch import nn

EVERY = [(name, parameter) for name, found in public() for parameter in parameters_of(found)]


def odd_values():
    """What somebody may put in the place of anything else."""
    plain = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.complex_numbers(),
        st.text(),
        st.sampled_from(["", "10", "cat", "x" * 5000, "a\0b", "\x1b[31m", "\u202e", "\ud800", "prior\n"]),
        st.binary(max_size=5),
        st.sampled_from([2**70, -(2**70), 10**400, 1.7, 0.5, -5, 2.0, float("nan"), float("inf")]),
        st.sampled_from([np.float64(1.5), np.int8(-3), np.datetime64("2020-01-01"), np.bool_(True), np.str_("x")]),
        st.sampled_from([np.zeros(3), np.zeros((2, 2), np.int64), np.array([0.5])]),
        st.sampled_from([torch.zeros(2), torch.ones(3, dtype=torch.int64)]),
        st.sampled_from([object(), object, len, Path("x"), Path("y" * 5000), nn.Linear(1, 1), ..., NotImplemented]),
    )  # fmt: skip
    return st.one_of(
        plain, st.lists(plain, max_size=3), st.tuples(plain), st.dictionaries(st.text(), plain, max_size=2)
    )


@pytest.fixture(scope="module")
def things():
    """A generator that must not be drawn from, and a bank that must not be looked at."""
    generator = pp.wrap(nn.Linear(4, 6), latent_dim=4)
    bank = pp.build_bank(generator, 20, 2)

    def forbidden(*_):
        raise AssertionError("drawn from")

    untouched = pp.Generator(
        plugin="torch",
        version="0",
        prior=pp.LatentPrior("normal", (4,), forbidden),
        synthesize=forbidden,
        fingerprint=generator.fingerprint,
    )
    linear_map = pp.jacobian_fn(generator)(generator.prior.draw([0]))
    return {"generator": untouched, "bank": bank, "linear_map": linear_map, "latents": generator.prior.draw([0])}


def call(name, things, folder):
    """The function with arguments that are right, but for those that are given to it."""
    options, bank, generator = pp.TuneOptions(pp.Comparison("prior"), "fid"), things["bank"], things["generator"]
    right = {
        "load": {"model": "dcgan-faces"},
        "feature_map": {"generator": generator, "space": "pixel"},
        "jacobian_fn": {"generator": generator},
        "latent_sampler": {"generator": generator, "bank": bank, "rho": -0.1},
        "build_bank": {"generator": generator, "n": 4, "k": 2, "out": folder / "bank"},
        "calibrate": {"generator": generator, "k": 2},
        "verify": {"bank": bank},
        "sample": {"generator": generator, "bank": bank, "rho": -0.1, "seeds": [0]},
        "sweep": {"generator": generator, "bank": bank},
        "tune": {"generator": generator, "bank": bank, "options": options},
        "modes": {"generator": generator, "bank": bank},
        "score": {"generator": generator, "seeds": [0]},
        "log_volume": {"generator": generator, "latents": things["latents"]},
        "wrap": {"module": nn.Linear(4, 6), "latent_dim": 4},
        "open_reference": {"path": folder},
        "top_singular_values": {"linear_map": things["linear_map"], "k": 2},
        "Bank.open": {"path": folder / "bank"},
        "Bank.save": {"self": bank, "path": folder / "bank"},
        "Bank.log_volume": {"self": bank},
        "Bank.rows_of": {"self": bank},
        "Bank.top": {"self": bank, "n": 2},
        "Generator.__call__": {"self": generator, "latents": things["latents"]},
        "LatentPrior.draw": {"self": generator.prior, "seeds": [0]},
        "TuneOptions": {"comparison": pp.Comparison("prior")},
        "Comparison": {"reference": "prior"},
    }
    found = dict(public())[name]
    return lambda **given: found(**{**right.get(name, {}), **given})


def test_every_argument_has_its_domain():
    assert len(EVERY) > 90
    missing = [
        f"{name}({parameter})"
        for name, parameter in EVERY
        if parameter not in domains_of(dict(public())[name]) and (name, parameter) not in OF_THEIR_OWN
    ]
    assert missing == []


def test_the_table_in_the_docs_is_what_the_functions_say():
    assert PAGE.read_text() == page(), "type: python tests/arguments_page.py"


OF_THEIR_OWN = {
    ("LatentPrior.draw", "seeds"): r"seeds: got",
    ("LatentPrior.draw", "label"): r"label: got",
    ("Generator.__call__", "latents"): r"latents: got",
    ("Generator.__call__", "label"): r"label: (got|given with)",
    ("log_volume", "latents"): r"latents: got",
    ("log_volume", "label"): r"label: (got|given with)",
}
"""Checked where they are made into arrays."""


@pytest.mark.parametrize(("name", "parameter"), [each for each in EVERY if each not in OF_THEIR_OWN])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=odd_values())
def test_what_is_outside_is_refused_by_its_name(things, tmp_path, name, parameter, value):
    domain = domains_of(dict(public())[name])[parameter]
    assume(not (value is None and domain.none) and not domain.holds(value))
    with pytest.raises(UsageError, match=f"^{parameter}: got ") as refused:
        call(name, things, tmp_path)(**{parameter: value})
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 400
    assert not any(tmp_path.iterdir())


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(seeds=odd_values())
def test_seeds_are_whole_numbers(seeds):
    """What is taken for seeds is what they say: no other number is."""
    drawn = []
    prior = pp.LatentPrior("normal", (4,), lambda seeds: drawn.append(seeds) or np.zeros((len(seeds), 4), np.float32))
    try:
        prior.draw(seeds)
    except UsageError:
        assert not drawn
    else:
        assert np.array_equal(drawn[0], np.atleast_1d(np.asarray(seeds)))


@pytest.mark.parametrize(
    "seeds", [0.5, 1.7, [1.0, 2.0], np.datetime64("2020-01-01"), True, "3", [], -1, 2**32, {1}, None]
)
def test_seeds_that_are_none(seeds):
    generator = pp.wrap(nn.Linear(4, 6), latent_dim=4)
    for use in (generator.prior.draw, lambda seeds: pp.score(generator, seeds, k=2)):
        with pytest.raises(UsageError, match=r"^seeds: got "):
            use(seeds)


@pytest.mark.parametrize("label", [1.7, "cat", 2**70, -1, [0, 1, 2], [0.5, 1.0], True, np.datetime64("2020-01-01")])
def test_labels_that_are_none(label):
    generator = pp.wrap(nn.Linear(4, 6), latent_dim=4)
    with pytest.raises(UsageError, match=r"^label: got "):
        generator.prior.draw([0, 1], label)


class OfClasses(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 6)

    def forward(self, z, label):
        return self.inner(z) + label[:, None]


@pytest.fixture(scope="module")
def samplers():
    """A sampler that the host makes of each kind, with its generator."""
    generator = pp.wrap(nn.Linear(4, 6), latent_dim=4)
    bank = pp.build_bank(generator, 120, 2)
    return generator, [
        pp.latent_sampler(generator, bank, 1e-6, sampler=name, force=True) for name in ("bank", "online")
    ]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.complex64, torch.bool])
def test_latents_of_another_dtype_are_refused(samplers, dtype):
    """In halves no latent is a row of the bank: every picture would become another one without a word."""
    generator, made = samplers
    z = generator.prior.draw(range(8)).z
    for sampler in made:
        with pytest.raises(UsageError, match=rf"^latents: got {dtype}, expected float32 or float64"):
            sampler.redraw(z.to(dtype))
    with pytest.raises(UsageError, match=r"^latents: got "):
        generator(pp.Latents(z.to(dtype)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_latents_in_float32_and_float64_stay_themselves(samplers, dtype):
    generator, made = samplers
    z = generator.prior.draw(range(8)).z.to(dtype)
    for sampler in made:
        assert torch.equal(sampler.redraw(z).z, z)


@pytest.mark.parametrize("z", [np.zeros((2, 4), np.float32), [[0.0] * 4], None, "z", 3])
def test_latents_that_are_no_tensor(samplers, z):
    generator, made = samplers
    for use in (made[0].redraw, made[1].redraw, lambda z: generator(pp.Latents(z)), generator):
        with pytest.raises(UsageError, match=r"^latents: got "):
            use(z)


@pytest.mark.parametrize(
    "label", [torch.zeros(2), torch.zeros(2, dtype=torch.int32), np.zeros(2, np.int64), [0, 1], "cat"]
)
def test_labels_of_latents(label):
    generator = pp.wrap(OfClasses(), latent_dim=4, num_classes=3)
    with pytest.raises(UsageError, match=r"^label: got "):
        generator(pp.Latents(torch.zeros(2, 4), label))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 2.0}, "k: got 2.0, expected a whole number"),
        ({"bank": "bank.safetensors"}, "bank: got 'bank.safetensors', expected a Bank"),
        ({"draws": -5}, "draws: got -5"),
        ({"label": "cat"}, "label: got 'cat'"),
        ({"label": 2**70}, "label: got "),
        ({"rho": None}, "rho: got None, expected a finite number"),
        ({"sampler": "x" * 5000}, "sampler: got a str of 5000 characters"),
        ({"holds": ("contrast",)}, "holds: no such option"),
        ({"force": "no"}, "force: got 'no', expected True or False"),
    ],
    ids=lambda each: str(each)[:30],
)
def test_a_users_mistake_is_no_plugins_fault(things, options, message):
    with pytest.raises(UsageError, match=re.escape(message)) as refused:
        pp.latent_sampler(**{"generator": things["generator"], "bank": things["bank"], "rho": -0.1, **options})
    assert not isinstance(refused.value, PluginError)
    assert "plugin" not in str(refused.value)


@pytest.mark.parametrize("n", ["10", 2.0, None, True, 0, -1, 2**33])
def test_a_number_of_latents_that_is_none(things, tmp_path, n):
    with pytest.raises(UsageError, match=r"^n: got "):
        pp.build_bank(things["generator"], n, 2, out=tmp_path / "bank")
    assert not any(tmp_path.iterdir())


def test_a_name_that_is_too_long_is_one_short_line():
    with pytest.raises(PolarPriorError) as refused:
        pp.load("x" * 5000)
    assert len(str(refused.value)) < 300


def test_what_is_checked_is_still_what_it_was():
    assert pp.build_bank.__doc__.startswith("Take the spectra")
    assert unwrap(pp.load).__name__ == "load"
