"""The host: one plugin by name, broken ones skipped, what they return checked."""

from __future__ import annotations

import sys
import textwrap
from dataclasses import replace
from importlib.metadata import EntryPoint

import polarprior as pp
import pytest
import torch
from polarprior.errors import PluginError, PolarPriorError, UsageError
from polarprior.host import Host
from polarprior.plugins import DISABLE, STRICT, Plugins
from torch import nn

GOOD = """
    import polarprior as pp, torch
    from polarprior import hookimpl
    @hookimpl
    def load_generator(source, device, settings):
        return pp.wrap(torch.nn.Linear(3, 5), latent_dim=3, name={name!r})
"""


@pytest.fixture
def make_host(tmp_path, monkeypatch):
    """A host with plugins from source text: {name: source}."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(environ=None, **sources):
        points = []
        for name, source in sources.items():
            module = f"plugin_{tmp_path.name.replace('-', '_')}_{name}"
            (tmp_path / f"{module}.py").write_text(textwrap.dedent(source))
            sys.modules.pop(module, None)
            points.append(EntryPoint(name, module, "polarprior"))
        return Host(Plugins(points, environ or {}))

    return make


def test_one_plugin_is_asked_by_name(make_host):
    host = make_host(a=GOOD.format(name="a"), b=GOOD.format(name="b"))
    assert host.load("a").plugin == "a"
    assert host.load("b").plugin == "b"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import not_there", ["skipped", "ModuleNotFoundError", "pip install --upgrade", "not_there"]),
        ("1 / 0", ["skipped", "ZeroDivisionError", "unknown 0", DISABLE]),
        ("def (", ["skipped", "SyntaxError"]),
        ("from polarprior import nothing", ["skipped", "ImportError", DISABLE]),
        (
            "from polarprior import hookimpl\n@hookimpl\ndef load_generator(nonsense): pass",
            ["skipped", "PluginValidationError", "nonsense"],
        ),
    ],
)
def test_a_broken_plugin_is_skipped_in_one_line(make_host, capsys, source, words):
    host = make_host(bad=source, good=GOOD.format(name="good"))
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    for word in ["bad", *words]:
        assert word in line
    assert host.load("good").plugin == "good"
    with pytest.raises(PluginError, match="bad"):
        host.load("bad")


def test_failures_can_be_fatal(make_host):
    with pytest.raises(PluginError, match="bad"):
        make_host({STRICT: "1"}, bad="1 / 0")


@pytest.mark.parametrize("value", ["bad", "other, bad", "all"])
def test_plugins_can_be_disabled(make_host, capsys, value):
    host = make_host({DISABLE: value}, bad="1 / 0")
    assert not capsys.readouterr().err
    with pytest.raises(PluginError, match=DISABLE):
        host.load("bad")


def test_an_unknown_plugin_names_the_known(make_host):
    with pytest.raises(UsageError, match=r"no plugin 'nope'.* good, torch") as error:
        make_host(good=GOOD.format(name="good")).load("nope:file")
    assert "pip install polarprior-nope" in error.value.hint


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 3", "returned int, expected a Generator"),
        ("raise ValueError('no\\nluck')", "failed in load_generator: ValueError: no luck"),
        ("return pp.wrap(N(), 3, prior=lambda seeds: np.zeros((len(seeds), 4)))", "prior.draw of 2 seeds"),
        ("return pp.wrap(N(), 3, prior=lambda seeds: np.zeros((len(seeds), 3), int))", "expected floats"),
        ("return pp.wrap(N(), 3, prior=lambda seeds: np.full((len(seeds), 3), np.nan))", "prior.draw holds NaN"),
        ("return pp.wrap(N(lambda z: z / 0), 3)", "an image holds NaN"),
        ("return pp.wrap(N(lambda z: z[:1]), 3)", "images of 2 latents"),
        ("return pp.wrap(N(lambda z: z.int()), 3)", "images of 2 latents are torch.int32"),
    ],
)
def test_what_a_plugin_returns_is_checked_and_the_plugin_blamed(make_host, body, message):
    source = f"""
        import polarprior as pp, torch, numpy as np
        from polarprior import hookimpl
        class N(torch.nn.Module):
            def __init__(self, f=lambda z: z):
                super().__init__()
                self.forward = f
        @hookimpl
        def load_generator(source, device, settings):
            {body}
    """
    with pytest.raises(PluginError, match=message) as error:
        make_host(bad=source).load("bad")
    assert "plugin bad" in str(error.value)
    assert "plugin's authors" in error.value.hint


def test_jacobians_samplers_and_feature_maps_are_checked(make_host):
    source = (
        GOOD.format(name="bad")
        + """
    @hookimpl
    def jacobian_fn(generator, space, domain):
        half = lambda latents: pp.LinearMap.of(lambda z: z, latents.z[:1])
        return {"pixel": lambda latents: 3, "half": half}.get(space)
    @hookimpl
    def get_latent_sampler(generator, bank, rho, options):
        return "sampler"
    @hookimpl
    def get_feature_map(generator, space):
        return pp.FeatureMap(space, lambda images: images.sum()) if space == "flat" else None
    """
    )
    host = make_host(bad=source)
    generator = host.load("bad")
    latents = generator.prior.draw([0, 1])
    with pytest.raises(PluginError, match=r"plugin bad .*returned int, expected a LinearMap"):
        host.jacobian_fn(generator)(latents)
    with pytest.raises(PluginError, match="1 Jacobians for 2 latents"):
        host.jacobian_fn(generator, "half")(latents)
    with pytest.raises(PluginError, match="str has no redraw"):
        host.latent_sampler(generator, None, 0.1)
    with pytest.raises(PluginError, match="features of 2 images"):
        host.jacobian_fn(generator, "flat")
    with pytest.raises(UsageError, match="--space: got 'nowhere'"):
        host.jacobian_fn(generator, "nowhere")
    with pytest.raises(UsageError, match="--domain: got 'w'"):
        host.jacobian_fn(generator, domain="w")


def test_a_space_of_another_plugin_is_named_by_it(make_host):
    source = """
        import polarprior as pp
        from polarprior import hookimpl
        @hookimpl
        def get_feature_map(generator, space):
            return pp.FeatureMap(space, lambda images: 2 * images.flatten(1)) if space == "double" else None
    """
    host = make_host(maps=source, model=GOOD.format(name="model"))
    generator = host.load("model")
    z = generator.prior.draw([0])
    doubled, pixel = host.jacobian_fn(generator, "maps:double")(z), host.jacobian_fn(generator)(z)
    one = torch.eye(3)[None]
    torch.testing.assert_close(doubled.jvp(one), 2 * pixel.jvp(one))
    with pytest.raises(UsageError):
        host.jacobian_fn(generator, "double")


def test_an_unknown_sampler_and_device(make_host):
    host = make_host(model=GOOD.format(name="model"))
    with pytest.raises(UsageError, match="no plugin 'boltz'"):
        host.latent_sampler(host.load("model"), None, 0.1, sampler="boltz")
    with pytest.raises(UsageError, match="--device: got 'quantum'"):
        host.load("model", "quantum")
    with pytest.raises(PolarPriorError, match="needs one"):
        host.latent_sampler(host.load("model"), None, 0.1)


def test_torch_models_by_module_and_function(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "users_module.py").write_text(
        "import polarprior as pp, torch\n"
        "def make(): return pp.wrap(torch.nn.Linear(3, 5), latent_dim=3)\n"
        "def other(): return torch.nn.Linear(3, 5)\n"
    )
    host = Host(Plugins([], {}))
    assert host.load("torch:users_module:make").prior.dim == 3
    for model, message in {
        "torch": "expected torch:MODULE:FUNCTION",
        "torch:users_module": "expected torch:MODULE:FUNCTION",
        "torch:users_module:missing": "missing",
        "torch:not_a_module:make": "not_a_module",
        "torch:users_module:other": "returned Linear",
    }.items():
        with pytest.raises(PolarPriorError, match=message):
            host.load(model)
    with pytest.raises(PolarPriorError, match="takes none"):
        host.load("torch:users_module:make", trunc=0.5)


def test_stock_repos_and_commands_of_plugins(make_host):
    import click

    source = """
        import polarprior as pp
        from polarprior import hookimpl
        @hookimpl
        def stock_repos():
            return [pp.StockRepo("somebody/model", ("model.py",), ("sample.py",))]
        @hookimpl
        def register_commands(cli):
            cli.command("extra")(lambda: None)
    """
    host = make_host(extra=source)
    assert [repo.name for repo in host.stock_repos()] == ["somebody/model"]
    group = click.Group()
    host.register_commands(group)
    assert "extra" in group.commands


def test_a_plugin_that_fails_to_register_does_not_disable_the_tool(make_host, capsys):
    import click

    source = "from polarprior import hookimpl\n@hookimpl\ndef register_commands(cli): cli.bogus()"
    fine = "from polarprior import hookimpl\n@hookimpl\ndef register_commands(cli): cli.command('fine')(lambda: None)"
    group = click.Group()
    make_host(bad=source, good=fine).register_commands(group)
    assert "fine" in group.commands
    assert "plugin bad" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("prior", "inside"),
    [
        ("normal", lambda z: (z.mean().abs() < 0.02) & ((z.std() - 1).abs() < 0.02)),
        ("uniform", lambda z: (z.abs().max() <= 1) & ((z.std() - 3**-0.5).abs() < 0.01)),
        ("sphere", lambda z: ((z.norm(dim=1) - 8**0.5).abs() < 1e-5).all()),
        ("truncated-normal:0.5", lambda z: (z.abs().max() <= 0.5) & ((z.std() - 0.2845).abs() < 0.01)),
    ],
)
def test_priors_of_wrap(prior, inside):
    draw = pp.wrap(nn.Linear(8, 9), latent_dim=8, prior=prior).prior.draw
    assert inside(draw(range(3000)).z)
    assert torch.equal(draw([5, 7]).z[1], draw([7]).z[0])


def test_wrap_refuses_a_prior_it_does_not_know():
    for prior in ("gauss", "truncated-normal", "truncated-normal:x", "truncated-normal:-1"):
        with pytest.raises(UsageError, match="prior: got"):
            pp.wrap(nn.Linear(8, 9), latent_dim=8, prior=prior)


def test_fingerprints_tell_weights_apart():
    net = nn.Linear(3, 4)
    one = pp.wrap(net, 3).fingerprint
    assert pp.wrap(net, 3).fingerprint == one
    with torch.no_grad():
        net.bias[0] += 1e-7
    assert pp.wrap(net, 3).fingerprint != one


def test_a_generator_is_checked_before_its_prior_is_replaced():
    generator = pp.wrap(nn.Linear(3, 4), 3)
    with pytest.raises(UsageError, match="rows of shape"):
        pp.jacobian_fn(replace(generator, prior=replace(generator.prior, shape=(7,))))(torch.zeros(1, 3))


@pytest.mark.parametrize("seeds", [[-1], [2**32], [[0, 1]], "x"])
def test_seeds_out_of_range(seeds):
    with pytest.raises((UsageError, ValueError)):
        pp.wrap(nn.Linear(3, 4), 3).prior.draw(seeds)
