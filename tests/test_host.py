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
from polarprior.foreign import Foreign
from polarprior.host import Host
from polarprior.plugins import DISABLE, STRICT, Plugins
from torch import nn

GOOD = """
    import polarprior as pp, torch
    from dataclasses import replace
    from polarprior import hookimpl
    @hookimpl
    def load_generator(source, device, settings):
        return replace(pp.wrap(torch.nn.Linear(3, 5), latent_dim=3), plugin={name!r})
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


def test_a_plugin_has_settings_of_its_own(make_host):
    source = """
    import polarprior as pp, torch
    from dataclasses import replace
    from polarprior import hookimpl
    from polarprior.plugin import OwnSetting, whole
    @hookimpl
    def own_settings(source):
        return {"steps": OwnSetting(int, whole(1, 100, "use such as {name}=18"), "steps, 18 if not given")}
    @hookimpl
    def load_generator(source, device, settings):
        settings = pp.Settings(own={"steps": 18, **dict(settings.own)})
        return replace(pp.wrap(torch.nn.Linear(3, 5), latent_dim=3, settings=settings), plugin="own")
    """
    host = make_host(own=source, good=GOOD.format(name="good"))
    assert host.load("own").settings.given() == {"steps": 18}
    assert host.load("own", steps="7").settings.get("steps") == 7
    for asked, said in (
        ({"steps": 0}, "steps: got 0, expected a whole number from 1 to 100"),
        ({"stps": 3}, "stps: no"),
    ):
        with pytest.raises(UsageError, match=said):
            host.load("own", **asked)
    with pytest.raises(UsageError, match="steps: good has no settings of its own"):
        host.load("good", steps=3)


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
        ("raise SystemExit(0)", ["skipped", "SystemExit"]),
        (
            "from polarprior import hookimpl\n@hookimpl\ndef load_generatr(source): pass",
            ["skipped", "PluginValidationError", "load_generatr"],
        ),
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


def test_a_plugin_without_that_hook_is_not_said_to_be_missing(make_host):
    host = make_host(a="import polarprior")
    with pytest.raises(PluginError, match="answers no load_generator"):
        host.load("a")


def test_what_a_plugin_prints_goes_to_stderr(make_host, capsys):
    noisy = "print('hello')" + GOOD.format(name="noisy").replace("return replace", "print('again'); return replace")
    make_host(noisy=textwrap.dedent(noisy.replace("print('hello')", "    print('hello')", 1))).load("noisy")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello" in captured.err
    assert "again" in captured.err


def test_an_unknown_plugin_names_the_known(make_host):
    with pytest.raises(UsageError, match=r"no plugin 'nope'.* good, torch") as error:
        make_host(good=GOOD.format(name="good")).load("nope:file")
    assert "pip install --find-links dist polarprior-nope" in error.value.hint


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 3", "returned int, expected a Generator"),
        ("raise ValueError('no\\nluck')", "failed in load_generator: ValueError: no luck"),
        ("return pp.wrap(N(), 3)", "says that its plugin is 'torch'"),
        ("return make(prior=lambda seeds: np.zeros((len(seeds), 4)))", "prior.draw of 2 seeds"),
        ("return make(prior=lambda seeds: np.zeros((len(seeds), 3), int))", "expected floats"),
        ("return make(prior=lambda seeds: np.full((len(seeds), 3), np.nan))", "prior.draw holds NaN"),
        ("return make(prior=lambda seeds: 1 / 0)", "failed in load_generator: ZeroDivisionError"),
        ("return make(lambda z: z / 0)", "an image holds NaN"),
        ("return make(lambda z: z[:1])", "images of 2 latents"),
        ("return make(lambda z: z.int())", "images of 2 latents are torch.int32"),
        ("return make(lambda z: z @ z)", "failed in load_generator: RuntimeError"),
        ("return replace(pp.wrap(N(lambda z: z / 0), 3), plugin='bad')", "failed in load_generator: module: for z"),
    ],
)
def test_what_a_plugin_returns_is_checked_and_the_plugin_blamed(make_host, body, message):
    source = f"""
        import polarprior as pp, torch, numpy as np
        from dataclasses import replace
        from polarprior import hookimpl
        class N(torch.nn.Module):
            def __init__(self, f=lambda z: z):
                super().__init__()
                self.forward = f
        def make(f=lambda z: z, prior=None):
            made = replace(pp.wrap(N(), 3), plugin="bad", synthesize=lambda z, label: f(z))
            return made if prior is None else replace(made, prior=replace(made.prior, rows=prior))
        @hookimpl
        def load_generator(source, device, settings):
            {body}
    """
    with pytest.raises(PluginError, match=message) as error:
        make_host(bad=source).load("bad")
    assert "plugin bad" in str(error.value)
    assert "its authors" in error.value.hint


def test_jacobians_samplers_and_feature_maps_are_checked(make_host):
    source = (
        GOOD.format(name="bad")
        + """
    @hookimpl
    def jacobian_fn(generator, space, domain):
        half = lambda latents: pp.LinearMap.of(lambda z: z, latents.z[:1])
        wide = lambda latents: pp.LinearMap(latents.z, 3, jvp=lambda t: t[:, :2], vjp=lambda c: 1 / 0)
        return {"pixel": lambda latents: 3, "half": half, "wide": wide, "crash": lambda latents: {}[1]}.get(space)
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
    with pytest.raises(PluginError, match=r"plugin bad .*failed in jacobian_fn: KeyError"):
        host.jacobian_fn(generator, "crash")(latents)
    wide = host.jacobian_fn(generator, "wide")(latents)
    with pytest.raises(PluginError, match=r"jvp gave \[2, 2, 1\], expected \[2, 3, 1\]"):
        wide.jvp(torch.zeros(2, 3, 1))
    with pytest.raises(PluginError, match="failed in jacobian_fn: ZeroDivisionError"):
        wide.vjp(torch.zeros(2, 3, 1))
    with pytest.raises(PluginError, match="str has no redraw"):
        host.latent_sampler(generator, None, 0.1)
    with pytest.raises(PluginError, match="features of 2 images"):
        host.jacobian_fn(generator, "flat")
    with pytest.raises(UsageError, match=r"^space: got 'nowhere'"):
        host.jacobian_fn(generator, "nowhere")
    with pytest.raises(UsageError, match=r"^domain: got 'w'"):
        host.jacobian_fn(generator, domain="w")


@pytest.mark.parametrize(
    ("redraw", "message"),
    [
        ("1 / 0", "failed in get_latent_sampler: ZeroDivisionError"),
        ("z", "shape and dtype"),
        ("pp.Latents(z[:, :2])", "shape and dtype"),
        ("pp.Latents(z / 0)", "redraw holds NaN"),
    ],
)
def test_a_sampler_is_tried_on_one_latent(make_host, redraw, message):
    source = (
        GOOD.format(name="bad")
        + f"""
    class Sampler:
        diagnostics = sample = None
        def redraw(self, z, label=None): return {redraw}
    @hookimpl
    def get_latent_sampler(generator): return Sampler()
    """
    )
    host = make_host(bad=source)
    with pytest.raises(PluginError, match=message):
        host.latent_sampler(host.load("bad"), None, 0.1)


def test_a_name_that_is_taken_is_skipped(make_host, tmp_path, capsys):
    """Neither the host's own plugin nor the first of two namesakes is lost."""
    host = make_host(torch=GOOD.format(name="torch"), a=GOOD.format(name="a"))
    assert "another plugin is called torch" in capsys.readouterr().err
    generator = host.load("a")
    assert host.jacobian_fn(generator)(generator.prior.draw([0])).output_dim == 5
    points = [EntryPoint("b", f"plugin_{tmp_path.name}_a", "polarprior")] * 2
    host = Host(Plugins(points, {}))
    assert [status.problem is None for status in host.plugins.statuses] == [True, False]


def test_a_domain_without_a_jacobian_is_blamed(make_host):
    source = (
        GOOD.format(name="a")
        .replace('plugin="a"', 'plugin="a", domains=("z", "w")')
        .replace("plugin='a'", "plugin='a', domains=('z', 'w')")
    )
    host = make_host(a=source)
    for space in ("pixel", "maps:double"):
        with pytest.raises(PolarPriorError, match=r"declares the domain 'w'|no plugin 'maps'"):
            host.jacobian_fn(host.load("a"), space, "w")


def test_settings_are_checked(make_host):
    host = make_host(a=GOOD.format(name="a"))
    for settings in ({"trunc": "x"}, {"trunc": 10**400}):
        with pytest.raises(UsageError, match="trunc: got"):
            host.load("a", **settings)
    with pytest.raises(UsageError, match="turnc: no such option"):
        host.load("a", turnc=0.7)


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
    with pytest.raises(UsageError, match=r"^space: got 'double'"):
        host.jacobian_fn(generator, "double")
    with pytest.raises(UsageError, match="no plugin 'nope'"):
        host.jacobian_fn(generator, "nope:pixel")


def test_a_file_may_name_the_spaces_that_a_plugin_lists(make_host):
    source = """
        import polarprior as pp
        from polarprior import hookimpl
        @hookimpl
        def space_names():
            return ["triple"]
        @hookimpl
        def get_feature_map(generator, space):
            return pp.FeatureMap(space, lambda images: 2 * images.flatten(1))
    """
    host = make_host(maps=source, model=GOOD.format(name="model"))
    generator = host.load("model")
    host.feature_map(generator, Foreign("maps:triple"))
    host.feature_map(generator, Foreign("pixel"))
    for space in ("maps:other", "maps:../triple", "maps:", "triple", "model:triple"):
        with pytest.raises(PolarPriorError, match="a file names"):
            host.feature_map(generator, Foreign(space))
        with pytest.raises(PolarPriorError, match="a file names"):
            host.jacobian_fn(generator, Foreign(space))
    host.feature_map(generator, "maps:other")
    host.feature_map(generator, Foreign("maps:other"))  # the user has just named it


def test_an_unknown_sampler_and_device(make_host):
    host = make_host(model=GOOD.format(name="model"))
    with pytest.raises(UsageError, match=r"^sampler: got 'boltz'"):
        host.latent_sampler(host.load("model"), None, 0.1, sampler="boltz")
    with pytest.raises(UsageError, match=r"^device: got 'quantum'"):
        host.load("model", "quantum")
    with pytest.raises(PolarPriorError, match="needs one"):
        host.latent_sampler(host.load("model"), None, 0.1)


def test_torch_models_by_module_and_function(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "users_module.py").write_text(
        "import polarprior as pp, torch\n"
        "def make(): return pp.wrap(torch.nn.Linear(3, 5), latent_dim=3)\n"
        "def other(): return torch.nn.Linear(3, 5)\n"
        "def leave(): raise SystemExit(0)\n"
    )
    host = Host(Plugins([], {}))
    assert host.load("torch:users_module:make").prior.dim == 3
    (tmp_path / "users_broken.py").write_text("1 / 0")
    for model, message in {
        "torch:users_broken:make": "ZeroDivisionError",
        "torch:users_module:leave": "SystemExit",
        "torch": "expected torch:MODULE:FUNCTION",
        "torch:users_module": "expected torch:MODULE:FUNCTION",
        "torch:users_module:missing": "missing",
        "torch:not_a_module:make": "not_a_module",
        "torch:users_module:other": "returned Linear",
    }.items():
        with pytest.raises(PolarPriorError, match=message):
            host.load(model)
    with pytest.raises(PolarPriorError, match=r"got trunc 0\.5"):
        host.load("torch:users_module:make", trunc=0.5)


def test_stock_repos_and_commands_of_plugins(make_host):
    import click

    source = """
        import polarprior as pp
        from polarprior import hookimpl
        @hookimpl
        def stock_repos():
            return [pp.StockRepo("somebody/model", ("model.py",), ("sample.py",), connect=print)]
        @hookimpl
        def register_commands(cli):
            cli.command("extra")(lambda: None)
        @hookimpl
        def register_training(train):
            train.command("flow")(lambda: None)
    """
    host = make_host(extra=source)
    assert [repo.name for repo in host.stock_repos()] == ["somebody/model"]
    group = click.Group()
    host.register_commands(group)
    assert list(group.commands) == ["extra"]
    host.register_training(group)
    assert list(group.commands) == ["extra", "flow"]


BROKEN_SEAM = """
    import polarprior as pp
    from polarprior import hookimpl
    @hookimpl
    def stock_repos():
        return [pp.StockRepo("somebody/model", ("model.py",), ("sample.py",), connect={connect!r})]
"""


@pytest.mark.parametrize(
    ("connect", "words"),
    [
        ("json:no_such_function", ["AttributeError", "no_such_function"]),
        ("no_such_module:connect", ["ModuleNotFoundError", "no_such_module", "pip install --upgrade"]),
        ("nonsense", ["ModuleNotFoundError", "nonsense"]),
    ],
)
def test_a_plugin_that_names_a_seam_which_is_not_there_is_skipped_in_one_line(make_host, capsys, connect, words):
    host = make_host(seam=BROKEN_SEAM.format(connect=connect))
    (repo,) = host.stock_repos()
    assert host.connector(repo) is None
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    for word in ["plugin seam", "skipped", *words]:
        assert word in line


def test_a_seam_is_imported_when_it_is_asked_for(make_host):
    host = make_host(seam=BROKEN_SEAM.format(connect="json:dumps"))
    (repo,) = host.stock_repos()
    assert host.connector(repo) is __import__("json").dumps


def test_a_plugin_that_fails_to_register_does_not_disable_the_tool(make_host, capsys):
    import click

    source = "from polarprior import hookimpl\n@hookimpl\ndef register_commands(cli): cli.bogus()"
    rude = "from polarprior import hookimpl\n@hookimpl\ndef register_commands(cli): raise SystemExit(0)"
    fine = "from polarprior import hookimpl\n@hookimpl\ndef register_commands(cli): cli.command('fine')(lambda: None)"
    group = click.Group()
    make_host(bad=source, rude=rude, good=fine).register_commands(group)
    assert "fine" in group.commands
    lines = capsys.readouterr().err
    assert "plugin bad" in lines
    assert "plugin rude" in lines


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
    with pytest.raises(UsageError, match="got shape"):
        pp.jacobian_fn(replace(generator, prior=replace(generator.prior, shape=(7,))))(torch.zeros(1, 3))


def test_the_fingerprint_of_wrap_tells_layers_apart():
    """The same weights behind another activation are another model."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = nn.Linear(3, 4), nn.Linear(4, 5)
    activations = (nn.ReLU(), nn.Tanh(), nn.LeakyReLU(0.2), nn.LeakyReLU(0.9))
    nets = [nn.Sequential(first, activation, second) for activation in activations]
    assert len({pp.wrap(net, 3).fingerprint for net in nets}) == 4


@pytest.mark.parametrize("seeds", [[-1], [2**32], [2**63], [[0, 1]], [], "x", None])
def test_seeds_out_of_range(seeds):
    with pytest.raises(UsageError, match="seeds"):
        pp.wrap(nn.Linear(3, 4), 3).prior.draw(seeds)
