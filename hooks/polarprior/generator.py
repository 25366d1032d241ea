"""What a model plugin returns: a Generator, and the LatentPrior of its Latents."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from polarprior.arguments import MOST_CLASSES, SEEDS_OF_A_DRAW, checked, in_short, seeds_in, whole
from polarprior.devices import torch_device
from polarprior.errors import YOURS, UsageError, nearest
from polarprior.settings import Settings
from polarprior.user_functions import NAME

Seeds = Iterable[int] | np.ndarray | Tensor | int
"""Stock seeds: whole numbers, 0 <= seed < 2**32, or one of them."""
Labels = Iterable[int] | np.ndarray | Tensor | int | None
"""Classes: one a seed, or one for all of them; None where the model has no classes."""


_DRAW = "draw them with generator.prior.draw(seeds)"


@dataclass(frozen=True, eq=False)
class Latents:
    """A batch of latents.

    Attributes:
        z: ``[n, *shape]``, a row a latent, as the stock script makes it: before normalisation,
            truncation or class embedding.
        label: int64 [n], the classes; None where the model has none.
    """

    z: Tensor
    label: Tensor | None = None

    @property
    def shape(self) -> torch.Size:
        """The shape of z: ``[n, *shape]``."""
        return self.z.shape

    def __len__(self) -> int:
        return len(self.z)

    def __getitem__(self, rows: int | slice | Tensor) -> Latents:
        if isinstance(rows, int):
            row = range(len(self))[rows]  # or an IndexError
            rows = slice(row, row + 1)
        return Latents(self.z[rows], None if self.label is None else self.label[rows])

    def to(self, device: torch.device, dtype: torch.dtype) -> Latents:
        """The same latents on `device`, z as `dtype`."""
        return Latents(
            self.z.to(device=device, dtype=dtype),
            None if self.label is None else self.label.to(device),
        )


@dataclass(frozen=True)
class LatentPrior:
    """A model's own latent distribution, as a function of seeds.

    Attributes:
        name: what it is called in banks and messages, such as ``normal``.
        shape: shape of one latent.
        rows: seeds int64 [n] to rows ``[n, *shape]``. Row i depends on seeds[i] and on nothing else.
        stock_seeds: a stock script takes these seeds, one a picture. False where it seeds a whole run: then they
            name rows of a bank, and nothing that a script could be given.
    """

    name: str
    shape: tuple[int, ...]
    rows: Callable[[np.ndarray], np.ndarray] = field(repr=False)
    stock_seeds: bool = True

    @property
    def dim(self) -> int:
        """Numbers in one latent: K."""
        return prod(self.shape)

    def draw(self, seeds: Seeds, label: Labels = None) -> Latents:
        """The latents of `seeds`.

        Args:
            seeds: whole numbers, [n] or one, 0 <= seed < 2**32.
            label: whole numbers, [n] or a single class; it never changes z.

        Returns:
            Latents with z ``[n, *shape]`` on the CPU.

        Raises:
            UsageError: a seed or a class that is no whole number, or out of range.
        """
        seeds = as_seeds(seeds)
        z = torch.from_numpy(np.ascontiguousarray(self.rows(seeds)))
        if label is None:
            return Latents(z)
        return Latents(z, torch.from_numpy(_as_labels(label, len(seeds))))


class Styles(NamedTuple):
    """The two halves of a generator with a mapping network: its images are ``images(of(z, label))``.

    Attributes:
        of: z ``[n, *shape]`` and classes int64 [n], or None where there are none, to styles w [n, w_dim], truncated
            as the settings say.
        images: styles w [n, w_dim], one for all layers, to images [n, C, H, W].
    """

    of: Callable[[Tensor, Tensor | None], Tensor]
    images: Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Generator:
    """A pretrained generator, ready to draw from.

    Attributes:
        plugin: the plugin's name on the command line.
        version: version of the plugin's distribution.
        prior: the model's own latent prior.
        synthesize: (z ``[n, *shape]`` of `dtype` on `device`, label int64 [n] | None) to images [n, C, H, W]
            in [-1, 1] (or any [n, ...] outside image models). Differentiable by torch, deterministic, each
            row depending on its own latent alone: batch norm in eval mode, noise fixed.
        fingerprint: sha256 of the weights, see `weights_fingerprint`.
        device, dtype: where and in what precision `synthesize` works.
        settings: truncation, temperature, noise mode in force.
        num_classes: of a class-conditional model, else None.
        class_names: its classes' names in their order, where they have any, with synonyms behind commas: the command
            line takes them for numbers.
        normalizes_latent: the model puts z on a sphere first, so that G(c z) = G(z) for c > 0. Then the
            Jacobian is taken at ``|z| = sqrt(K)``, and its rank is at most K - 1.
        domains: where latents may live, see `jacobian_fn`; the first is the default.
        spaces: spaces of its own beside ``pixel``.
        licence: of the checkpoint, repeated as its authors state it.
        source: what `polarprior.load` made it from, ``PLUGIN:SOURCE``, so that another process can; None where it
            was made otherwise.
        default_bank: a bank that comes with the plugin, used where none is named.
        discriminator: (images [n, C, H, W], label int64 [n] | None) to logits [n], estimates of log p_data / p_G,
            where the model comes with one: samplers that are compared with polarity need it. A
            `polarprior.plugin.Discriminator` says what it was trained by, and gives a space.
        encode: images [n, C, H, W] in [-1, 1] to the z ``[n, *shape]`` that makes them again as nearly as the model
            can, where it has an encoder: real images can be placed then.
        classifier: the one of `spaces` that is a classifier's, whose classes a reconstruction should keep; its
            logits are the space ``CLASSIFIER-logits``. None where there is none.
        styles: its two halves, where it has a mapping network: perceptual paths can go between styles then.
        network: the loaded network, for the plugin's own hooks and for the curious.
        evaluations: how often a picture goes through it, where the model is a chain of steps.
    """

    plugin: str
    version: str
    prior: LatentPrior
    synthesize: Callable[[Tensor, Tensor | None], Tensor] = field(repr=False)
    fingerprint: str
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    settings: Settings = field(default_factory=Settings)
    num_classes: int | None = None
    class_names: tuple[str, ...] = field(default=(), repr=False)
    normalizes_latent: bool = False
    domains: tuple[str, ...] = ("z",)
    spaces: tuple[str, ...] = ()
    licence: str = ""
    source: str | None = None
    default_bank: Path | None = None
    discriminator: Callable[[Tensor, Tensor | None], Tensor] | None = field(default=None, repr=False)
    encode: Callable[[Tensor], Tensor] | None = field(default=None, repr=False)
    classifier: str | None = None
    styles: Styles | None = field(default=None, repr=False)
    network: nn.Module | None = field(default=None, repr=False)
    evaluations: int = 1

    @property
    def called(self) -> str:
        """What messages call it: its plugin, or that it is the user's own."""
        return YOURS if self.plugin == NAME else self.plugin

    @property
    def model(self) -> str:
        """The model, as the command line names it where it can."""
        return self.source or self.plugin

    @property
    def rank_bound(self) -> int:
        """The largest rank that the Jacobian in z can have by its input alone."""
        return self.prior.dim - 1 if self.normalizes_latent else self.prior.dim

    @checked(batch_size=whole(1, 2**31))
    def __call__(self, latents: Latents | Tensor, label: Labels = None, *, batch_size: int = 16) -> Tensor:
        """Images of `latents`: [n, C, H, W] in [-1, 1], on `device`, `batch_size` at a time.

        Args:
            latents: Latents, or their bare z ``[n, *shape]``.
            label: of a bare z: its classes, [n] or a single one, where the model has classes.
            batch_size: how many go through the network at once.

        Raises:
            UsageError: latents of another shape or dtype, or classes that the model needs or doesn't have.

        >>> import torch, polarprior as pp
        >>> generator = pp.wrap(torch.nn.Linear(4, 6), latent_dim=4)
        >>> generator(generator.prior.draw(range(5))).shape
        torch.Size([5, 6])
        """
        latents = self.latents(latents, label).to(self.device, self.dtype)
        with torch.no_grad():
            batches = [
                self.synthesize(batch.z, batch.label)
                for batch in (latents[i : i + batch_size] for i in range(0, len(latents), batch_size))
            ]
        return torch.cat(batches)

    def on(self, device: torch.device | str) -> Generator:
        """The same generator on `device`; its network is moved there.

        Raises:
            UsageError: no such device here.
        """
        device = torch_device(device)
        if self.network is not None:
            self.network.to(device)
        return replace(self, device=device)

    def latents(self, z: Latents | Tensor, label: Labels = None) -> Latents:
        """Latents, as they are or of a bare z with its classes, if this model has such; see `check`."""
        if not isinstance(z, Latents):
            n = len(z) if isinstance(z, Tensor) and z.ndim else 1
            z = Latents(z, None if label is None else torch.from_numpy(_as_labels(label, n)))
        elif label is not None:
            raise UsageError("label: given with Latents, which have their own", "leave it out, or give the bare z")
        self.check(z)
        return z

    def check(self, latents: Latents) -> None:
        """Raise UsageError unless `latents` may be rows of this model's prior: float32 or float64, with labels where
        it needs them."""
        if not isinstance(latents, Latents) or not isinstance(latents.z, Tensor):
            got = in_short(getattr(latents, "z", latents))
            numpy = isinstance(getattr(latents, "z", latents), np.ndarray)
            raise UsageError(
                f"latents: got {got}, expected a Tensor [n, {', '.join(map(str, self.prior.shape))}], or Latents",
                "give torch.from_numpy(z)" if numpy else _DRAW,
            )
        if latents.z.dtype not in (torch.float32, torch.float64):
            raise UsageError(
                f"latents: got {latents.z.dtype}, expected float32 or float64: a seed gives no other latents",
                "give them as the stock script draws them, and cast the latents that come back",
            )
        self.check_label(latents.label)
        if not latents.z.ndim or tuple(latents.z.shape[1:]) != tuple(self.prior.shape) or not len(latents):
            raise UsageError(
                f"latents: got shape {tuple(latents.z.shape)}, expected (n, {', '.join(map(str, self.prior.shape))})",
                _DRAW,
            )
        if latents.label is not None and tuple(latents.label.shape) != (len(latents),):
            raise UsageError(
                f"label: got shape {tuple(latents.label.shape)} for {len(latents)} latents", "give one a latent"
            )

    def class_index(self, text: str) -> int:
        """The number of a class, from its number or its name; spaces, underscores and case don't matter.

        Raises:
            UsageError: no such name, or several classes of that name.
        """
        if text.strip().isdecimal() and len(text.strip()) < 10:
            return int(text)
        if self.num_classes is None:
            raise UsageError(f"label: {self.called} has no classes", "leave the class out")
        names = [
            (_plain(name), str(index))
            for index, synonyms in enumerate(self.class_names)
            for name in synonyms.split(",")
        ]
        found = [index for name, index in names if name == _plain(text)]
        if not names:
            raise UsageError(f"label: got {text!r}, {self.called} knows its classes by number", "use such as 0")
        if not found:
            raise UsageError(
                f"label: no class is called {text!r}",
                f"use label={nearest(_plain(text), [name for name, _ in names])}",
            )
        if len(found) > 1:
            raise UsageError(
                f"label: {text!r} are {' and '.join(found)}", f"use its number, such as label={found[0]}"
            )
        return int(found[0])

    def check_label(self, label: Tensor | None) -> None:
        """Raise UsageError unless `label` is what this model needs: None, or classes in range."""
        if self.num_classes is None:
            if label is not None:
                raise UsageError(f"label: {self.called} has no classes", "leave the class out")
        elif label is not None and not (isinstance(label, Tensor) and label.dtype == torch.int64):
            raise UsageError(
                f"label: got {in_short(label)}, expected an int64 Tensor", "use such as torch.tensor([0])"
            )
        elif label is None:
            raise UsageError(
                f"label: {self.called} needs one of its {self.num_classes} classes, got none",
                f"name a class: 0 to {self.num_classes - 1}",
            )
        elif len(label) and not (int(label.min()) >= 0 and int(label.max()) < self.num_classes):
            raise UsageError(
                f"label: got {int(label.min())} to {int(label.max())}, expected 0 to {self.num_classes - 1}",
                f"{self.called} has {self.num_classes} classes, counted from 0",
            )


def _plain(name: str) -> str:
    return "_".join(name.lower().replace("_", " ").split())


def as_seeds(seeds: Seeds) -> np.ndarray:
    """`seeds` as int64 [n]; UsageError unless there is one at least, and each is 0 <= seed < 2**32.

    >>> as_seeds(range(3))
    array([0, 1, 2])
    """
    found = seeds_in(seeds)
    if found is None:
        raise SEEDS_OF_A_DRAW.refusal("seeds", seeds)
    return found


def _as_labels(label: Labels, n: int) -> np.ndarray:
    """`label` as int64 [n]; UsageError unless it is one class, or n of them."""
    found = seeds_in(label)
    if found is None or len(found) not in (1, n) or found.max() > MOST_CLASSES:
        raise UsageError(
            f"label: got {in_short(label)}, expected the number of a class, or of {n} classes", "use such as label=0"
        )
    return np.broadcast_to(found, n).copy()


def weights_fingerprint(network: nn.Module) -> str:
    """sha256, as hex, of a network's parameters and buffers with their names, dtypes and shapes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
