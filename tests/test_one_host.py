"""A plugin that only one host knows is what everything asks that was handed this host, and nobody else is asked."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import polarprior as pp
import pytest
from polarprior import builtin
from polarprior.building.build import Labour, build_at
from polarprior.building.plan import Request
from polarprior.building.ranks import Share
from polarprior.plugins import Plugins

HERE = Path(__file__).parent
N, K = 700, 4
IMAGES = {"metrics": ("fid",), "metric_space": ("pixel",), "samples": 50, "sets": 2}


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """A host that knows the plugin, in a process whose default host does not; the host's own Jacobian is refused."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HERE)
        patch.setenv("COUNTED", str(tmp_path_factory.mktemp("counted")))
        patch.setattr("polarprior.host.default_host", no_default_host)
        patch.setattr("polarprior.api.models.default_host", no_default_host)
        patch.setattr("polarprior.api.banks.default_host", no_default_host)
        patch.setattr("polarprior.api.draws.default_host", no_default_host)
        patch.setattr(builtin, "jacobian_fn", None)
        found = pp.Host(Plugins([EntryPoint("counting", "counting_plugin", "polarprior")], {}))
        patch.setattr("polarprior.jacobian.of_generator.pixel_jacobian_fn", no_default_host)
        yield found


def no_default_host(*_, **__):
    raise AssertionError("the default host, or the built-in Jacobian, was asked")


@pytest.fixture
def counted(monkeypatch, tmp_path):
    """Jacobians so far in this test, of all processes."""
    folder = tmp_path / "counted"
    folder.mkdir()
    monkeypatch.setenv("COUNTED", str(folder))
    return lambda: sum(path.stat().st_size for path in folder.iterdir())


@pytest.fixture(scope="module")
def generator(host):
    return host.load("counting", "cpu")


@pytest.fixture(scope="module")
def bank(host, generator, tmp_path_factory):
    return pp.build_bank(generator, N, K, out=tmp_path_factory.mktemp("bank") / "bank", host=host)


def test_the_default_host_does_not_know_it():
    with pytest.raises(pp.UsageError, match="no plugin 'counting'"):
        pp.Host().load("counting")


def test_build_bank_in_memory_and_in_a_file(host, generator, tmp_path, counted):
    pp.build_bank(generator, 20, K, host=host)
    assert counted() >= 20
    before = counted()
    pp.build_bank(generator, 20, K, out=tmp_path / "bank", host=host)
    assert counted() >= before + 20


def test_a_build_with_workers_loads_the_host_there(host, generator, tmp_path, counted):
    pp.build_bank(generator, 60, K, out=tmp_path / "bank", workers=2, memory=40_000, host=host)
    processes = len(list((tmp_path / "counted").iterdir()))
    assert counted() >= 60
    assert processes >= 2, "workers count in files of their own"


def test_a_host_that_workers_can_not_load_is_refused_by_name(monkeypatch, generator, tmp_path):
    alone = type(sys)("only_in_this_process")
    monkeypatch.setitem(sys.modules, "only_in_this_process", alone)
    host = pp.Host(Plugins([EntryPoint("lonely", "only_in_this_process", "polarprior")], {}))
    with pytest.raises(
        pp.UsageError, match=r"host: its plugin lonely \(only_in_this_process\) is in this process alone"
    ):
        pp.build_bank(generator, 20, K, out=tmp_path / "bank", workers=2, host=host)
    assert not list(tmp_path.glob("bank*"))


def test_resume(host, generator, tmp_path, counted):
    """What a share has left, and what goes on with it."""
    request = Request(40, K, "pixel", "z", None, 0, None, 0.05, 40_000)
    assert build_at(host, generator, request, tmp_path / "bank", Labour(share=Share(1, 2, 0))) is None
    before = counted()
    assert len(pp.build_bank(generator, 40, K, out=tmp_path / "bank", memory=40_000, host=host)) == 40
    assert counted() > before


def test_verify(host, generator, bank, counted):
    assert pp.verify(bank, generator, host=host).recomputed == 8
    assert counted() == 8


def test_calibrate(host, generator, counted):
    pp.calibrate(generator, k=K, n=4, host=host)
    assert counted() >= 4


def test_online(host, generator, bank, counted):
    sampler = pp.latent_sampler(generator, bank, 0.2, sampler="online", force=True, host=host)
    sampler.sample(range(10**6, 10**6 + 4))
    assert counted() >= 1
    assert sampler.diagnostics.spending.solved <= counted()


def test_score(host, generator, counted):
    pp.score(generator, range(3), k=K, host=host)
    assert counted() >= 3


def test_sample(host, generator, bank, counted):
    options = pp.SamplerOptions(sampler="online", force=True)
    pp.sample(generator, bank, 0.3, range(2 * 10**6, 2 * 10**6 + 4), options=options, host=host)
    assert counted() >= 1


def test_sweep(host, generator, bank, counted):
    options = pp.SamplerOptions(sampler="online", force=True)
    found = pp.sweep(generator, bank, pp.SweepOptions([0.25], range(3 * 10**6, 3 * 10**6 + 3), options), host=host)
    assert len(found.rows) == 1
    assert counted() >= 1


def test_modes(host, generator, bank, counted):
    """Far beyond the limits it looks whether the law leaves the shell, by true log-volumes."""
    with pytest.warns(UserWarning, match="rho"):
        pp.modes(generator, bank, pp.ModesOptions(n=2, rho=-40.0, force=True), host=host)
    assert counted() >= 1


def test_tune(host, generator, bank, counted):
    options = pp.SamplerOptions(sampler="online", force=True)
    comparison = pp.Comparison("prior", **IMAGES)
    found = pp.tune(generator, bank, pp.TuneOptions(comparison, minimise="fid", sampler=options), host=host)
    assert len(found.tried) > 2
    assert counted() >= 1
