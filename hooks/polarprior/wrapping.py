"""Any torch generator, with no plugin."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from scipy.special import ndtr, ndtri
from torch import Tensor, nn

from polarprior.arguments import MOST_CLASSES, Domain, checked, either, function, instance, text, whole
from polarprior.errors import UsageError
from polarprior.generator import Generator, LatentPrior, weights_fingerprint
from polarprior.jacobian.of_generator import on_sphere
from polarprior.module_trial import check_module
from polarprior.settings import Settings
from polarprior.user_functions import NAME
from polarprior.version import __version__

RowsFn = Callable[[np.ndarray], np.ndarray]
MODULE_HINT = "make it one: class Mine(torch.nn.Module), whose forward takes z [n, latent_dim]"


@checked(
    module=Domain("a torch module", lambda value: isinstance(value, nn.Module), MODULE_HINT),
    latent_dim=whole(1, 2**31, "use such as latent_dim=512"),
    prior=either(text("use prior='normal'"), function("seeds")),
    num_classes=whole(1, MOST_CLASSES).or_none(),
    settings=instance("polarprior.settings:Settings", "use pp.Settings(trunc=0.7)").or_none(),
)
def wrap(
    module: nn.Module,
    latent_dim: int,
    prior: str | RowsFn = "normal",
    num_classes: int | None = None,
    settings: Settings | None = None,
) -> Generator:
    """A Generator from a torch module.

    Args:
        module: takes z [n, latent_dim] (and, with `num_classes`, a label int64 [n]) to [n, ...]: images
            [n, C, H, W] in [-1, 1], or points, or anything else; its output is the space ``pixel``. It is
            put in eval mode, tried on two latents, and must treat each row on its own.
        latent_dim: K.
        prior: ``"normal"``; ``"uniform"`` on [-1, 1]^K; ``"sphere"`` of radius sqrt(K), for a module that
            is only ever fed normalised latents (volume is then that of the sphere's image, k < K);
            ``"truncated-normal:T"``, each number a standard normal on [-T, T]; or a function from seeds
            int64 [n] to latents [n, K], row i from seeds[i] alone.
        num_classes: of a class-conditional module.
        settings: truncation, temperature or noise mode that the module works at; a bank holds and compares them.

    Raises:
        UsageError: a prior that isn't one of these, or a module that can't take its latents, or gives no batch of
            finite floats for them.

    >>> import polarprior as pp
    >>> generator = pp.wrap(torch.nn.Linear(4, 6), latent_dim=4, prior="truncated-normal:2")
    >>> bool(generator.prior.draw(range(100)).z.abs().max() <= 2)
    True
    """
    module.eval()
    parameter = next(module.parameters(), torch.empty(0))
    spherical = prior == "sphere"

    def synthesize(z: Tensor, label: Tensor | None) -> Tensor:
        z = on_sphere(z) if spherical else z
        return module(z) if num_classes is None else module(z, label)

    generator = Generator(
        plugin=NAME,
        version=__version__,
        prior=latent_prior(prior, latent_dim),
        synthesize=synthesize,
        fingerprint=_fingerprint(module),
        device=parameter.device,
        dtype=parameter.dtype,
        settings=settings or Settings(),
        num_classes=num_classes,
        normalizes_latent=spherical,
        network=module,
    )
    check_module(generator)
    return generator


def _fingerprint(module: nn.Module) -> str:
    """sha256 of the weights and of all layers with their settings as torch prints them: without these, modules
    that differ in their activations alone would pass for each other. What else a forward pass depends on
    belongs in `settings`."""
    layers = [(name, type(layer).__qualname__, layer.extra_repr()) for name, layer in module.named_modules()]
    return hashlib.sha256(f"{weights_fingerprint(module)}{layers}".encode()).hexdigest()


def latent_prior(prior: str | RowsFn, latent_dim: int) -> LatentPrior:
    """A LatentPrior of rows [K] by its name (see `wrap`), which can be pickled, or from a function of seeds."""
    if callable(prior):
        return LatentPrior(getattr(prior, "__name__", "custom"), (latent_dim,), prior)
    kind, _, threshold = prior.partition(":")
    if kind == "truncated-normal" and _positive(threshold):
        draw = partial(_truncated_normal, float(threshold), latent_dim)
    elif prior in _DRAWS:
        draw = partial(_DRAWS[prior], latent_dim)
    else:
        raise UsageError(
            f"prior: got {prior!r}, expected normal, uniform, sphere or truncated-normal:T with T > 0",
            "or pass a function from seeds int64 [n] to latents [n, K]",
        )
    return LatentPrior(prior, (latent_dim,), partial(_rows, draw, latent_dim))


def _rows(draw: Callable[[np.random.RandomState], np.ndarray], latent_dim: int, seeds: np.ndarray) -> np.ndarray:
    # RandomState(seed) is what stock scripts use, and numpy keeps its streams for good. To seed one again gives the
    # same stream, and takes a tenth of the time.
    out, stream = np.empty((len(seeds), latent_dim), np.float32), np.random.RandomState(0)
    for row, seed in zip(out, seeds.tolist(), strict=True):
        stream.seed(seed)
        row[:] = draw(stream)
    return out


def _normal(latent_dim: int, stream: np.random.RandomState) -> np.ndarray:
    return stream.randn(latent_dim)


def _sphere(latent_dim: int, stream: np.random.RandomState) -> np.ndarray:
    z = stream.randn(latent_dim)
    return z / np.linalg.norm(z) * latent_dim**0.5


def _uniform(latent_dim: int, stream: np.random.RandomState) -> np.ndarray:
    return stream.uniform(-1, 1, latent_dim)


_DRAWS = {"normal": _normal, "sphere": _sphere, "uniform": _uniform}


def _truncated_normal(threshold: float, latent_dim: int, stream: np.random.RandomState) -> np.ndarray:
    """Standard normal numbers, given that each is within `threshold`, by inversion."""
    low = ndtr(-threshold)
    return ndtri(low + (1 - 2 * low) * stream.uniform(size=latent_dim)).clip(-threshold, threshold)


def _positive(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False
