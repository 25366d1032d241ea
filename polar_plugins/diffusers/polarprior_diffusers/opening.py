"""Opens a pipeline that was saved to a folder, or that the Hub has: tensors from safetensors, and nobody's code."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from polarprior.plugin import PolarPriorError, UsageError, foreign_json, refusing

from polarprior_diffusers.importing import import_diffusers

INDEX = "model_index.json"
INDEX_LIMIT = 1 << 20
LIBRARIES = ("diffusers", "transformers", "stable_diffusion", "flux", "stable_diffusion_xl", "kandinsky")
"""Packages, and pipelines of diffusers, that the parts of a pipeline may come from."""
HINT = "name a folder that pipe.save_pretrained wrote, or a model of the Hub: diffusers:stabilityai/sd-turbo"


class Opened(NamedTuple):
    """A pipeline in float32 on the CPU, and the commit that it has on the Hub, empty for a folder."""

    pipe: Any
    revision: str


def open_pipeline(source: str | None, revision: str = "") -> Opened:
    """The pipeline of ``FOLDER`` or ``USER/NAME[@REVISION]``.

    Args:
        source: a folder, or a model of the Hub, from its cache where it lies there already.
        revision: a commit, which takes the place of REVISION.

    Raises:
        UsageError: no source, or no folder and no name of a model.
        PolarPriorError: no pipeline is there, or one that holds code or pickles.
    """
    if not source:
        raise UsageError("model: diffusers needs a pipeline, got none", HINT)
    folder, commit = Path(source), ""
    if not folder.is_dir():
        folder, commit = _from_hub(source, revision)
    name = _class_of(folder / INDEX, source)
    diffusers = import_diffusers()
    with _quiet():
        kind: Any = getattr(diffusers, name, None)
    if not (isinstance(kind, type) and issubclass(kind, diffusers.DiffusionPipeline)):
        raise PolarPriorError(
            f"model: {source} is a {name}, which diffusers {diffusers.__version__} has no pipeline for",
            "install the version that it was saved with: pip install diffusers==VERSION",
        )
    with _quiet(), refusing(f"model: {source} holds no {name} that can be opened", HINT):
        given = {"safety_checker": None, "requires_safety_checker": False} if _has_checker(kind) else {}
        pipe = cast(Any, kind).from_pretrained(
            folder, torch_dtype=torch.float32, use_safetensors=True, local_files_only=True, **given
        )
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            # Not frozen: torch computes a linear layer in another order where its weights need no gradients.
            part.eval()
    return Opened(pipe, commit)


def _class_of(index: Path, source: str) -> str:
    """The pipeline's class, by its name; PolarPriorError where the index names code that isn't a package's."""
    try:
        if index.stat().st_size > INDEX_LIMIT:
            raise ValueError("it is too large")
        values = foreign_json(index.read_text("utf-8"))
        name = values["_class_name"]
        parts = {key: value for key, value in values.items() if not key.startswith("_") and isinstance(value, list)}
        odd = [key for key, (library, _) in parts.items() if library is not None and library not in LIBRARIES]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PolarPriorError(
            f"model: {source} is no pipeline of diffusers: it has no {INDEX} to read", HINT
        ) from error
    if not isinstance(name, str) or odd:
        raise PolarPriorError(
            f"model: {source} holds code of its own ({', '.join(odd) or 'its pipeline'}), which is not run",
            "use a pipeline of diffusers' own classes",
        )
    return name


def _has_checker(kind: Any) -> bool:
    return "requires_safety_checker" in inspect.signature(kind.__init__).parameters


def _from_hub(source: str, revision: str) -> tuple[Path, str]:
    """The folder in the cache of a model of the Hub, fetched where that is possible and needed, and its commit."""
    name, _, asked = source.removeprefix("hf://").partition("@")
    if name.count("/") != 1 or name.startswith(("/", ".")):
        raise UsageError(f"model: got {source!r}, which is no folder here, and no USER/NAME of the Hub", HINT)
    from huggingface_hub import snapshot_download

    with _quiet(), refusing(f"model: {source} is not in the Hub's cache, and can't be fetched", HINT):
        patterns = ["*.json", "*.safetensors", "*.txt", "*.model"]
        folder = Path(snapshot_download(name, revision=revision or asked or None, allow_patterns=patterns))
    return folder, folder.name


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' own bars and advice."""
    import_diffusers()
    import diffusers.utils.logging as of_diffusers
    import transformers.utils.logging as of_transformers

    before = of_diffusers.get_verbosity(), of_transformers.get_verbosity()
    of_diffusers.set_verbosity(logging.ERROR)
    of_transformers.set_verbosity(logging.ERROR)
    of_diffusers.disable_progress_bar()
    of_transformers.disable_progress_bar()
    try:
        yield
    finally:
        of_diffusers.set_verbosity(before[0])
        of_transformers.set_verbosity(before[1])
        of_diffusers.enable_progress_bar()
        of_transformers.enable_progress_bar()
