"""What a PAGAN is trained on, against formulas written out and against numerical maximisation, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from polarprior_pagan.losses import Networks, losses
from polarprior_pagan.matching import DIVERGENCES, MAKERS, MATCHINGS
from polarprior_pagan.penalty import gradient_penalty
from polarprior_pagan.recipe import Recipe
from polarprior_training.augmentations import AUGMENTATIONS, flip, shift
from scipy.optimize import minimize_scalar


def noise(seed=0):
    return torch.Generator().manual_seed(seed)


def small(**changes):
    recipe = Recipe(size=16, latent_dim=3, width=8, judge_width=8, batch=4, augment="none", **changes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        networks = Networks(recipe).double().eval()  # one batch norm and one power iteration for all
    return networks, recipe


def parts(networks, x):
    """What the formulas speak of: logits of D_x and D of (x, y), both of images made and of images made again."""
    stream = noise()
    z = torch.randn(len(x), 3, generator=stream).double()
    mean, log_scale = networks.encoder(x)
    encoded = mean + log_scale.exp() * torch.randn(mean.shape, generator=stream).double()
    return networks.generator(z), encoded, networks.generator(encoded), z


@pytest.mark.parametrize("maker", MAKERS)
def test_gradients_are_those_of_the_losses_term_by_term(maker):
    """Equations 14 to 17 as printed, log(1 - D), and Algorithm 1's -log D, with D the logistic function; the
    gradient of G is that of its own two terms, E's of its own, though they are taken of one sum."""
    networks, recipe = small(maker=maker)
    x = torch.rand(4, 1, 16, 16, generator=noise(1)).double() * 2 - 1
    of_judges, of_makers = losses(networks, recipe, x, AUGMENTATIONS["none"], noise())
    of_g, of_e = list(networks.generator.parameters()), list(networks.encoder.parameters())
    ours = torch.autograd.grad(of_makers, of_g + of_e, retain_graph=True)
    ours_of_judges = torch.autograd.grad(of_judges, networks.judges())
    made, encoded, again, z = parts(networks, x)
    d_x, d_z, d_xx = (
        judge(*inputs).sigmoid()
        for judge, inputs in (
            (networks.of_images, (made,)),
            (networks.of_latents, (encoded,)),
            (networks.of_pairs, (x, again)),
        )
    )
    term = (lambda d: (1 - d).log().mean()) if maker == "minimax" else (lambda d: -d.log().mean())
    theirs = [
        *torch.autograd.grad(term(d_x) + term(d_xx), of_g, retain_graph=True),  # (15), or L_g
        *torch.autograd.grad(term(d_z) + term(d_xx), of_e, retain_graph=True),  # (17), or L_e
    ]
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-12)
    of_real = [
        networks.of_images(x).sigmoid(),
        networks.of_latents(z).sigmoid(),
        networks.of_pairs(x, x).sigmoid(),
    ]
    of_fake = (d_x, d_z, d_xx)
    written = sum(-real.log().mean() - (1 - fake).log().mean() for real, fake in zip(of_real, of_fake, strict=True))
    for mine, other in zip(ours_of_judges, torch.autograd.grad(written, networks.judges()), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-12)


def test_l1_takes_the_place_of_the_pairs():
    networks, recipe = small(reconstruction="l1")
    x = torch.rand(4, 1, 16, 16, generator=noise(1)).double() * 2 - 1
    _, of_makers = losses(networks, recipe, x, AUGMENTATIONS["none"], noise())
    made, encoded, again, _ = parts(networks, x)
    expected = 10 * (again - x).abs().mean()
    expected = expected - networks.of_images(made).sigmoid().log().mean()
    expected = expected - networks.of_latents(encoded).sigmoid().log().mean()
    torch.testing.assert_close(of_makers, expected, rtol=1e-10, atol=0)
    assert not hasattr(networks, "of_pairs")


@pytest.mark.parametrize("name", DIVERGENCES)
def test_conjugates_are_those_of_a_numerical_maximisation(name):
    """f*(t) = sup over u >= 0 of u t - f(u), at every t that an output function gives; f(1) = 0."""
    divergence = DIVERGENCES[name]

    def f(u):
        return float(divergence.f(torch.tensor(u, dtype=torch.float64)))

    assert f(1.0) == pytest.approx(0, abs=1e-12)
    for logit in (-3.0, -2.0, -0.5, 0.0, 0.3, 1.5):
        t = float(divergence.output(torch.tensor(logit, dtype=torch.float64)))
        found = minimize_scalar(lambda s, t=t: f(np.exp(s)) - np.exp(s) * t, bounds=(-14, 14), method="bounded")
        conjugate = float(divergence.conjugate(torch.tensor(logit, dtype=torch.float64)))
        assert conjugate == pytest.approx(-found.fun, abs=1e-5)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_games_of_float32_stay_finite_where_a_discriminator_is_sure(name):
    for value in (-40.0, 18.0, 40.0):
        logits = torch.tensor([value], requires_grad=True)
        for maker in MATCHINGS[name].makers.values():
            loss = MATCHINGS[name].judge(-logits, logits) + maker(logits)
            (slope,) = torch.autograd.grad(loss, logits)
            assert bool(loss.isfinite())
            assert bool(slope.isfinite().all())


@pytest.mark.parametrize("name", DIVERGENCES)
def test_the_bound_reaches_the_divergence(name):
    """Eq. 29: the best T makes eq. 28 the divergence of eq. 27, here of two laws on four points."""
    p = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    q = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    divergence = DIVERGENCES[name]
    logits = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.LBFGS([logits], max_iter=400, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def bound():
        t = divergence.output(logits)
        return (p * t).sum() - (q * divergence.conjugate(logits)).sum()

    def closure():
        adam.zero_grad()
        loss = -bound()
        loss.backward()
        return loss

    adam.step(closure)
    expected = float((q * divergence.f(p / q)).sum())
    assert float(bound().detach()) == pytest.approx(expected, abs=1e-7)


def test_f_games_are_two_sides_of_one_value():
    """Eq. 30: the discriminator maximises what the generator minimises."""
    real, made = torch.randn(50, generator=noise()).double() / 3, torch.randn(60, generator=noise(1)).double() / 3
    for name in DIVERGENCES:
        game, of = MATCHINGS[name], DIVERGENCES[name]
        value = of.output(real).mean() - of.conjugate(made).mean()
        torch.testing.assert_close(game.judge(real, made), -value)
        torch.testing.assert_close(game.makers["minimax"](made), value - of.output(real).mean())


@pytest.mark.parametrize("name", DIVERGENCES)
def test_both_makers_raise_the_logit_and_where_the_laws_agree_by_the_same(name):
    """T = f'(1) is where p / q = 1; there f*(T) and T have the same slope in the logit, since f*' = p / q."""
    game, of = MATCHINGS[name], DIVERGENCES[name]
    ratio = torch.ones(1, dtype=torch.float64, requires_grad=True)
    (at_one,) = torch.autograd.grad(of.f(ratio), ratio)
    logits = torch.linspace(-30, 30, 60_001, dtype=torch.float64)
    balanced = logits[(of.output(logits) - at_one).abs().argmin()]
    for value, agree in ((balanced, True), (balanced - 1, False), (balanced + 1, False)):
        logit = value.reshape(1).clone().requires_grad_()
        slopes = [torch.autograd.grad(maker(logit), logit)[0] for maker in game.makers.values()]
        assert bool((torch.cat(slopes) < 0).all())
        assert torch.isclose(slopes[0], slopes[1], rtol=1e-2).item() == agree


def test_the_penalty_of_a_linear_critic_of_norm_1_is_0():
    direction = torch.randn(2 * 12, generator=noise()).double()
    direction /= direction.norm()

    def critic(x, y):
        return torch.cat([x.flatten(1), y.flatten(1)], 1) @ direction

    images = [torch.randn(5, 3, 2, 2, generator=noise(seed)).double() for seed in range(4)]
    for independent in (False, True):
        pairs = (tuple(images[:2]), tuple(images[2:]))
        assert float(gradient_penalty(critic, *pairs, noise(), independent)) < 1e-15
        twice = gradient_penalty(lambda x, y: 2 * critic(x, y), *pairs, noise(), independent)
        assert float(twice) == pytest.approx(1)


@pytest.mark.parametrize("independent", [False, True])
def test_penalties_are_taken_between_pairs(independent):
    """Equations 38 and 39: one share for both, or one for each."""
    seen = []

    def critic(x, y):
        seen.append((x.detach(), y.detach()))
        return x.flatten(1).sum(1) + y.flatten(1).sum(1)

    zeros, ones = torch.zeros(50, 1, 2, 2), torch.ones(50, 1, 2, 2)
    gradient_penalty(critic, (ones, ones), (zeros, zeros), noise(), independent)
    ((x, y),) = seen
    assert bool(((x >= 0) & (x <= 1)).all())
    assert float(x.flatten(1).std(1).max()) == 0, "one share an image"
    assert float(x.std()) > 0.2
    assert torch.equal(x, y) is not independent


def test_the_other_pair_of_a_penalty_is_of_another_image():
    """With the same x both of equations 38 and 39 would leave x as it is."""
    networks, recipe = small(matching="wasserstein", pairs="channel", gain=0)
    x = torch.rand(4, 1, 16, 16, generator=noise(1)).double() * 2 - 1
    seen = []
    networks.of_pairs.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    losses(networks, recipe, x, AUGMENTATIONS["none"], noise())
    between = next(each for each in seen if not torch.equal(each, x))
    shares = ((between - x.roll(1, 0)) / (x - x.roll(1, 0))).flatten(1)
    assert float(shares.std(1).max()) < 1e-9
    assert bool(((shares >= 0) & (shares <= 1)).all())


def test_shifts_pad_by_reflection_and_crop():
    """A tenth of 20 pixels is two: each image is one of the 25 crops of its padded self, and all of them come."""
    image = torch.arange(400.0).reshape(1, 1, 20, 20)
    padded = np.pad(image[0, 0].numpy(), 2, mode="reflect")
    crops = {padded[i : i + 20, j : j + 20].tobytes() for i in range(5) for j in range(5)}
    found = {each.numpy().tobytes() for each in shift(image.repeat(400, 1, 1, 1), noise())[:, 0].contiguous()}
    assert found == crops
    colours = torch.randn(6, 3, 16, 16, generator=noise())
    assert shift(colours, noise()).shape == colours.shape


def test_augmentations_keep_what_they_must():
    images = torch.rand(200, 3, 16, 16, generator=noise()) * 2 - 1
    mirrored = flip(images, noise())
    turned = torch.tensor([torch.equal(a, b.flip(2)) for a, b in zip(mirrored, images, strict=True)])
    kept = torch.tensor([torch.equal(a, b) for a, b in zip(mirrored, images, strict=True)])
    assert bool((turned ^ kept).all())
    assert 60 < int(turned.sum()) < 140
    for name, augment in AUGMENTATIONS.items():
        changed = augment(images, noise())
        assert changed.shape == images.shape, name
        assert float(changed.abs().max()) <= 1, name
        assert torch.equal(changed, augment(images, noise())), name
