"""Runs a pipeline's own ``__call__`` from given latents to pictures, so that torch can differentiate it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

DENOISERS = ("unet", "transformer")
KEPT = 8
"""Answers of a text encoder that are kept."""


def denoiser_of(pipe: Any) -> Any:
    """The network that a pipeline's loop goes through, a torch module; None where there is none."""
    found = (getattr(pipe, name, None) for name in DENOISERS)
    return next((each for each in found if isinstance(each, torch.nn.Module)), None)


def parameters_of(pipe: Any) -> Mapping[str, inspect.Parameter]:
    """What a pipeline's ``__call__`` takes."""
    return inspect.signature(type(pipe).__call__).parameters


@contextmanager
def replaced(owner: Any, **values: Any) -> Iterator[None]:
    """Let an object have other attributes of its own while the body runs."""
    before = {name: vars(owner)[name] for name in values if name in vars(owner)}
    vars(owner).update(values)
    try:
        yield
    finally:
        for name in values:
            vars(owner).pop(name, None)
        vars(owner).update(before)


@contextmanager
def raw_pictures(pipe: Any) -> Iterator[None]:
    """Let a pipeline give its pictures as its last network makes them, [n, C, H, W] about [-1, 1]: neither clipped
    nor looked at by a safety checker; and without a progress bar."""
    with ExitStack() as stack:
        stack.enter_context(replaced(pipe, _progress_bar_config={"disable": True}))
        if hasattr(pipe, "image_processor"):
            stack.enter_context(replaced(pipe.image_processor, postprocess=lambda image, *_, **__: image))
        if hasattr(pipe, "postprocess_image"):
            stack.enter_context(replaced(pipe, postprocess_image=lambda sample, *_, **__: sample))
        if hasattr(pipe, "run_safety_checker"):
            stack.enter_context(replaced(pipe, run_safety_checker=lambda image, *_: (image, None)))
        yield


class Runner:
    """A pipeline with the arguments that it is called with.

    Args:
        pipe: of diffusers, with a denoiser.
        arguments: of its ``__call__``, those that are the same for all pictures.

    Attributes:
        pipe: the pipeline.
        network: its denoiser.
        vae: its decoder, or None.
        num_classes: of a class-conditional one, else None.
    """

    def __init__(self, pipe: Any, arguments: Mapping[str, Any]):
        self.pipe, self._arguments = pipe, dict(arguments)
        self.network: Any = denoiser_of(pipe)
        self.vae: Any = getattr(pipe, "vae", None)
        self._call: Callable[..., Any] = inspect.unwrap(type(pipe).__call__)  # behind torch.no_grad
        self._takes = parameters_of(pipe)
        classes = getattr(self.network.config, "num_class_embeds", None)
        self.num_classes: int | None = classes if "class_labels" in self._takes else None
        self._encoded: dict[str, Any] = {}

    @property
    def like(self) -> Tensor:
        """An empty tensor of the network's dtype, where the network is."""
        weight: Tensor = next(self.network.parameters())
        return weight.detach().new_empty(0)

    def first_label(self, n: int) -> Tensor | None:
        """Class 0 for n pictures, where there are classes."""
        return None if self.num_classes is None else torch.zeros(n, dtype=torch.long)

    def run(self, n: int, label: Tensor | None = None, output_type: str = "pt", **more: Any) -> Tensor:
        """What ``__call__`` gives for n pictures, of classes int64 [n] where there are some, raw: see
        `raw_pictures`."""
        arguments = {
            name: [value] * n if name in ("prompt", "negative_prompt") else value
            for name, value in self._arguments.items()
        }
        arguments |= {"batch_size": n} if "batch_size" in self._takes else {}
        arguments |= {} if label is None else {"class_labels": label}
        encoding = {"encode_prompt": self._encode} if hasattr(self.pipe, "encode_prompt") else {}
        with raw_pictures(self.pipe), replaced(self.pipe, **encoding):
            found = self._call(self.pipe, output_type=output_type, return_dict=False, **arguments, **more)
        images: Tensor = found[0]
        return images

    def pictures(self, latents: Tensor, label: Tensor | None = None) -> Tensor:
        """Latents [n, *shape], as ``latents=`` takes them, to pictures [n, C, H, W] about [-1, 1], not clipped."""
        return self.run(len(latents), label, latents=latents)

    def _encode(self, *args: Any, **kwargs: Any) -> Any:
        """The pipeline's own ``encode_prompt``, whose last `KEPT` answers are kept."""
        key = repr((args, sorted(kwargs.items()), self.like.dtype))
        if key not in self._encoded:
            while len(self._encoded) >= KEPT:
                self._encoded.pop(next(iter(self._encoded)))
            with torch.no_grad():
                self._encoded[key] = type(self.pipe).encode_prompt(self.pipe, *args, **kwargs)
        return self._encoded[key]
