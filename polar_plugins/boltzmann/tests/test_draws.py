"""What a file keeps of a training, and draws of an energy's flow with their weights."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import log

import numpy as np
import pytest
import torch
from polarprior.plugin import UsageError
from polarprior.testing import main
from polarprior_boltzmann import losses
from polarprior_boltzmann import training as training_module
from polarprior_boltzmann.bases import GeneralisedGaussian
from polarprior_boltzmann.energies import OfFunction, two_gaussians
from polarprior_boltzmann.flow_file import FlowFile
from polarprior_boltzmann.interpolations import Linear, OverRho
from polarprior_boltzmann.networks import KernelMLPs, OfTime
from polarprior_boltzmann.problems import problem_named
from polarprior_boltzmann.recipe import Recipe
from polarprior_boltzmann.training import Training
from polarprior_boltzmann.weighted_draws import weighted_draws


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """C is fitted on few ways, in few iterations: that takes most of the time here."""
    monkeypatch.setattr(training_module, "DRAWS_FOR_C", DRAWS)
    monkeypatch.setattr(losses, "FIT_ITERATIONS", 200)


DRAWS = 128
KINDS = ("trainable", "linear", "diffusion")


def trained(path, interpolation="trainable", energy="two-gaussians", **changes):
    recipe = Recipe(interpolation=interpolation, **{"width": 8, "batch": 8, "steps": 4, **changes})
    training = Training(problem_named(energy), recipe)
    for _ in range(3):
        training.advance()
    FlowFile.of(training, energy).save(path)
    return training


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_flow_has_the_interpolation_that_was_learnt(kind, tmp_path):
    training = trained(tmp_path / "flow.safetensors", kind)
    found = FlowFile.open(tmp_path / "flow").interpolation()
    x, t = torch.randn(20, 2, generator=torch.Generator().manual_seed(1)), torch.linspace(0, 1, 20)
    with torch.no_grad():
        torch.testing.assert_close(
            found.derivatives(x, t), training._networks.interpolation.derivatives(x, t), rtol=0, atol=0
        )


def interpolations():
    """One of each, as functions of double precision; the time of the last goes from -1 to 1."""
    problem, noise = problem_named("two-gaussians"), torch.Generator().manual_seed(0)
    for kind in KINDS:
        yield kind, problem.interpolation(Recipe(interpolation=kind, width=8), noise).double()
    yield "over-rho", OverRho(OfFunction(lambda x: x[:, 0].sin(), 2), 0.3)


@pytest.mark.parametrize(
    ("kind", "family"), list(interpolations()), ids=lambda each: each if isinstance(each, str) else ""
)
def test_energies_have_the_derivatives_that_training_takes(kind, family):
    x = torch.randn(9, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64).requires_grad_()
    t = torch.linspace(0.1, 0.9, 9, dtype=torch.float64).requires_grad_()
    slope, change = torch.autograd.grad(family.energy(x, t).sum(), (x, t))
    with torch.no_grad():
        torch.testing.assert_close(family.derivatives(x, t), (change, slope), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("kind", "family"), list(interpolations()), ids=lambda each: each if isinstance(each, str) else ""
)
def test_where_they_start_is_normalised_as_they_say(kind, family):
    """By quadrature over the plane."""
    axis = torch.linspace(-15, 15, 601, dtype=torch.float64)
    x = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        area = (-family.energy(x, x.new_zeros(len(x)))).exp().sum() * (axis[1] - axis[0]) ** 2
    assert float(area.log()) == pytest.approx(family.start_log_z, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_log_z_is_the_integral_of_c(kind, tmp_path):
    """By Gauss and Legendre's rule."""
    training = trained(tmp_path / "flow.safetensors", kind)
    found = FlowFile.open(tmp_path / "flow")
    nodes, weights = np.polynomial.legendre.leggauss(40)
    start, constant = (0.0 if kind == "diffusion" else training.problem.base.log_z), training.fitted_constant()
    for end in (0.5, 1.0):
        at = torch.from_numpy((nodes + 1) / 2 * end).float()
        with torch.no_grad():
            expected = start + float((constant(at).double().numpy() * weights).sum()) * end / 2
        assert found.log_z(end) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_log_z_is_the_mean_log_weight_of_draws(kind, tmp_path):
    """-f_1 - log q, on average over draws of the flow: log Z less the reverse Kullback-Leibler divergence."""
    training = trained(tmp_path / "flow.safetensors", kind)
    z = training.problem.base.sample(DRAWS, torch.Generator().manual_seed(training.recipe.seed))
    x, log_q = training.flow().push(z)
    with torch.no_grad():
        target = training.problem.goals["target"][1](x)
    assert FlowFile.open(tmp_path / "flow").log_z() == pytest.approx(float((-target - log_q).mean()), abs=1e-2)


def test_files_without_a_constant_say_why(tmp_path):
    trained(tmp_path / "reverse.safetensors", loss="reverse-kl")
    trained(tmp_path / "flow.safetensors")
    old = FlowFile.open(tmp_path / "flow")
    FlowFile(old.base, old.field, old.recipe, old.problem).save(tmp_path / "old.safetensors")
    for name, why in (("reverse", "reverse KL learns none"), ("old", "of an older version")):
        found = FlowFile.open(tmp_path / name)
        for ask in (found.log_z, found.interpolation):
            with pytest.raises(UsageError, match=why):
                ask()


def exact(tmp_path, module="of_draws"):
    """A flow that does nothing, of a target that is the base: its weights are all Z."""
    base = problem_named("four-gaussians").base
    weights = [torch.zeros(1, 4, 3), torch.zeros(1, 2, 4)]
    field = KernelMLPs(weights, [torch.zeros(1, 1, 4), torch.zeros(1, 1, 2)])
    FlowFile(base, field, asdict(Recipe()), f"torch:{module}:make").save(tmp_path / "exact.safetensors")
    return tmp_path / "exact.safetensors"


MODULE = """
from polarprior_boltzmann.energies import OfFunction

def make():
    return OfFunction(lambda x: x.square().sum(1) / 2, 2)
"""


def test_draws_of_a_perfect_flow_weigh_the_same(tmp_path, monkeypatch, capsys):
    (tmp_path / "of_draws.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    words = ["boltzmann", "draw", str(exact(tmp_path)), "-n", "500", "--energy", "torch:of_draws:make"]
    assert main([*words, "--out", str(tmp_path / "a.npz")]) == 0
    said = json.loads(capsys.readouterr().out.partition(": ")[2])
    assert said["ess"] == pytest.approx(500)
    assert said["log_z"] == pytest.approx(log(2 * torch.pi), abs=1e-5)
    arrays = np.load(tmp_path / "a.npz")
    assert {name: each.shape for name, each in arrays.items()} == {
        "x": (500, 2),
        "log_q": (500,),
        "energy": (500,),
        "log_weight": (500,),
    }
    np.testing.assert_allclose(arrays["energy"], (arrays["x"].astype(float) ** 2).sum(1) / 2, rtol=1e-5)
    np.testing.assert_allclose(arrays["log_weight"], -arrays["energy"] - arrays["log_q"])
    before = (tmp_path / "a.npz").read_bytes()
    assert main([*words, "--out", str(tmp_path / "a.npz")]) == 0
    assert (tmp_path / "a.npz").read_bytes() == before
    assert main([*words, "--seed", "1", "--out", str(tmp_path / "b.npz")]) == 0
    assert (tmp_path / "b.npz").read_bytes() != before


def test_weights_correct_what_the_flow_gets_wrong():
    """The mean of the target, from draws of the base alone: E of exp(-f) / q is Z, of x exp(-f) / q is Z times it."""
    base = GeneralisedGaussian.normal(2, 2.0)
    field = KernelMLPs([torch.zeros(1, 4, 3), torch.zeros(1, 2, 4)], [torch.zeros(1, 1, 4), torch.zeros(1, 1, 2)])
    drawn = weighted_draws(FlowFile(base, field, asdict(Recipe()), "two-gaussians"), 200_000)
    near = two_gaussians().modes[0].numpy()
    weights = np.exp(drawn.log_weight)
    inside = ((drawn.x - near) ** 2).sum(1) < 16
    assert weights[inside].sum() / len(weights) == pytest.approx(1 / 3, rel=0.1), "the near mode's share of Z = 1"


def test_flows_that_can_not_be_drawn_from(tmp_path, capsys):
    trained(tmp_path / "flow.safetensors")
    flow, out = str(tmp_path / "flow"), str(tmp_path / "a.npz")
    for words, said in (
        ([flow, "-n", "4", "--out", out, "--energy", "four-gaussians"], "was trained on 'two-gaussians'"),
        ([flow, "-n", "4", "--out", str(tmp_path / "a.csv")], "expected a file that ends in .npz"),
        ([str(exact(tmp_path, "never_imported")), "-n", "4", "--out", out], "never_imported"),
        ([str(tmp_path / "none"), "-n", "4", "--out", out], "no file"),
    ):
        assert main(["boltzmann", "draw", *words]) in (1, 2)
        told = capsys.readouterr().err
        assert said in told
        assert "\nhint: " in told
    assert not (tmp_path / "a.npz").exists()


def test_c_of_another_shape_is_refused(tmp_path):
    training = trained(tmp_path / "flow.safetensors")
    found = FlowFile.open(tmp_path / "flow")
    other = KernelMLPs.initial(3, 1, width=4, noise=torch.Generator().manual_seed(0))
    FlowFile(found.base, found.field, found.recipe, found.problem, f_theta=other).save(tmp_path / "a.safetensors")
    with pytest.raises(Exception, match="holds no flow"):
        FlowFile.open(tmp_path / "a")
    assert isinstance(training.constant, OfTime)
    assert isinstance(FlowFile.open(tmp_path / "flow").interpolation(), Linear)
