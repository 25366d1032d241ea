"""Wrong first calls in Python: a line that names what the user typed, and what to type instead; no traceback of ours,
and no plugin blamed that is not at fault."""

from __future__ import annotations

import numpy as np
import polarprior as pp
import pytest
import torch
from torch import nn


class Module(nn.Module):
    """A user's, with a mistake at its end."""

    def __init__(self, end=lambda images: images):
        super().__init__()
        self.layer = nn.Linear(16, 192)
        self.end = end

    def forward(self, z):
        return self.end(self.layer(z).tanh().reshape(-1, 3, 8, 8))


class OfClass(nn.Module):
    """A user's, with classes."""

    def __init__(self):
        super().__init__()
        self.layer, self.classes = nn.Linear(16, 192), nn.Embedding(5, 192)

    def forward(self, z, label):
        return (self.layer(z) + self.classes(label)).reshape(-1, 3, 8, 8)


@pytest.fixture(scope="module")
def generator():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return pp.wrap(Module(), latent_dim=16)


@pytest.fixture(scope="module")
def of_class():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return pp.wrap(OfClass(), latent_dim=16, num_classes=5)


@pytest.fixture(scope="module")
def bank(generator):
    return pp.build_bank(generator, 400, k=4)


Z = torch.zeros(2, 16)
CALLS = [
    # the module
    ("module", lambda g, c, b: pp.wrap(lambda z: z, 16), "class Mine"),
    ("module", lambda g, c, b: pp.wrap(nn.Linear(16, 3).state_dict(), 16), "class Mine"),
    ("latent_dim", lambda g, c, b: pp.wrap(Module()), "latent_dim=..."),
    ("module", lambda g, c, b: pp.wrap(Module(), 64), "latent_dim=16"),
    ("latent_dim", lambda g, c, b: pp.wrap(Module(), "16"), "latent_dim=512"),
    ("module", lambda g, c, b: pp.wrap(OfClass(), 16), "num_classes=10"),
    ("module", lambda g, c, b: pp.wrap(Module(), 16, num_classes=5), "leave num_classes out"),
    ("module", lambda g, c, b: pp.wrap(Module(lambda x: x.detach().numpy()), 16), "stay in torch"),
    ("module", lambda g, c, b: pp.wrap(Module(lambda x: (x, x)), 16), "the images alone"),
    ("module", lambda g, c, b: pp.wrap(Module(lambda x: {"images": x}), 16), "the images alone"),
    ("module", lambda g, c, b: pp.wrap(Module(lambda x: x.byte()), 16), "before uint8"),
    ("module", lambda g, c, b: pp.wrap(Module(lambda x: x / 0), 16), "weights"),
    ("module", lambda g, c, b: pp.wrap(Module(lambda x: x.mean()), 16), "keep the batch"),
    ("module", lambda g, c, b: pp.wrap(nn.ConvTranspose2d(16, 3, 4), 16), "z[:, :, None, None]"),
    ("prior", lambda g, c, b: pp.wrap(Module(), 16, prior="gauss"), "function from seeds"),
    ("prior", lambda g, c, b: pp.wrap(Module(), 16, prior=lambda seeds: np.zeros(3)), "row i from seeds[i]"),
    ("priors", lambda g, c, b: pp.wrap(Module(), 16, priors="normal"), "use prior"),
    # loading
    ("model", lambda g, c, b: pp.load(), "model=..."),
    ("", lambda g, c, b: pp.load("tiny.pkl"), "name its plugin"),
    ("", lambda g, c, b: pp.load("net:make"), "torch:net:make"),
    ("model", lambda g, c, b: pp.load("torch:net:make"), "torch:my_module:make_generator"),
    ("trunk", lambda g, c, b: pp.load("dcgan-faces", trunk=0.7), "trunc"),
    ("device", lambda g, c, b: g.on("gpu"), "device=cpu"),
    ("bank", lambda g, c, b: pp.Bank.open("nowhere"), "polarprior bank build"),
    # latents
    ("latents", lambda g, c, b: g(np.zeros((2, 16))), "torch.from_numpy"),
    ("latents", lambda g, c, b: g(torch.zeros(16)), "prior.draw"),
    ("latents", lambda g, c, b: g(torch.zeros(2, 64)), "prior.draw"),
    ("latents", lambda g, c, b: g(Z.half()), "stock script"),
    ("latents", lambda g, c, b: g([1, 2, 3]), "prior.draw"),
    ("label", lambda g, c, b: g(Z, label=3), "leave the class out"),
    ("label", lambda g, c, b: c(Z), "0 to 4"),
    ("label", lambda g, c, b: c(Z, label="cat"), "label=0"),
    ("label", lambda g, c, b: c(Z, label=7), "counted from 0"),
    ("seeds", lambda g, c, b: g.prior.draw([0.5]), "seeds=range"),
    # banks and draws
    ("n", lambda g, c, b: pp.build_bank(g), "n=..."),
    ("n", lambda g, c, b: pp.build_bank(g, "10"), "n=10000"),
    ("k", lambda g, c, b: pp.build_bank(g, 10, k=2.0), "k=30"),
    ("k", lambda g, c, b: pp.build_bank(g, 10, k=99), "k=16"),
    ("bank", lambda g, c, b: pp.latent_sampler(g, "bank.safetensors", -0.1), "pp.Bank.open"),
    ("bank", lambda g, c, b: pp.latent_sampler(g, None, -0.1), "bank=BANK"),
    ("holds", lambda g, c, b: pp.latent_sampler(g, b, -0.1, holds="contrast"), "use hold"),
    ("hold", lambda g, c, b: pp.latent_sampler(g, b, -0.1, hold="contrasts"), "contrast"),
    ("tilt", lambda g, c, b: pp.latent_sampler(g, b, -0.1, tilt=-0.5), "leave one of them out"),
    ("tilt", lambda g, c, b: pp.latent_sampler(g, b, tilt=-50), "tilt=-"),
    ("rho", lambda g, c, b: pp.latent_sampler(g, b, "-0.1"), "rho=-0.1"),
    ("rho", lambda g, c, b: pp.latent_sampler(g, b, float("nan")), "rho=-0.1"),
    ("sampler", lambda g, c, b: pp.latent_sampler(g, b, -0.1, sampler="banks"), "sampler=bank"),
    ("bank", lambda g, c, b: pp.sample(c, b, -0.1, label=0), "polarprior bank build"),
    ("generator", lambda g, c, b: pp.sample(Module(), b, -0.1), "pp.wrap"),
    ("tilt", lambda g, c, b: pp.SweepOptions(tilt=(-0.5, 0.5)), "use tilts"),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("name", "call", "hint"), CALLS, ids=range(len(CALLS)))
def test_a_wrong_first_call_says_what_to_type(generator, of_class, bank, tmp_path, monkeypatch, name, call, hint):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pp.PolarPriorError) as refused:
        call(generator, of_class, bank)
    error = refused.value
    assert "\n" not in error.message
    assert error.message.startswith(f"{name}: " if name else "no plugin")
    assert hint in error.message + error.hint
    assert "authors" not in error.hint
    assert "plugin torch" not in error.message


def test_there_are_enough_of_them():
    assert len(CALLS) >= 40
