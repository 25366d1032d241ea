"""Names of the modules that the operations of a graph come from, for what is said where a model can't be traced."""

from __future__ import annotations

import linecache
import sys
import traceback
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import fx, nn
from torch.fx.traceback import annotate, preserve_node_meta
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

KEY = "polarprior module"
NOT_THE_MODEL = {Path(torch.__file__).parent, Path(__file__).parents[1]}
"""Folders of code that is not the model's own: torch's, and ours."""


class ModuleNames:
    """While it is entered, the nodes of graphs that are traced are marked with the module that is at work.

    Attributes:
        failed: the innermost module that an error came from, by its name in the model; empty where none is known.
    """

    def __init__(self) -> None:
        self.failed = ""
        self._root: nn.Module | None = None
        self._names: dict[nn.Module, str] = {}
        self._marks: list[tuple[str, ExitStack]] = []
        self._entered = ExitStack()

    def __enter__(self) -> ModuleNames:
        self._entered.enter_context(preserve_node_meta())
        for handle in (
            register_module_forward_pre_hook(self._before),
            register_module_forward_hook(self._after, always_call=True),
        ):
            self._entered.callback(handle.remove)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._entered.close()

    def _before(self, module: nn.Module, _: Any) -> None:
        if self._root is None:
            self._root, self._names = module, {each: name for name, each in module.named_modules()}
        inside = f"{self._names.get(module) or 'the model'} ({type(module).__name__})"
        mark = ExitStack()
        mark.enter_context(annotate({KEY: inside}))
        self._marks.append((inside, mark))

    def _after(self, *_: Any) -> None:
        inside, mark = self._marks.pop()
        mark.close()
        if sys.exc_info()[0] is not None and not self.failed:
            self.failed = inside
        if not self._marks:
            self._root = None


def module_of(node: fx.Node) -> str:
    """The module that a node comes from, such as ``up.0.attention (Attention)``; empty where none is known."""
    return str((node.meta.get("custom") or {}).get(KEY, ""))


def operation_of(node: fx.Node) -> str:
    """What a node does and where: ``aten.view of up.0.attention (Attention)``."""
    name, module = str(node.target).removesuffix(".default"), module_of(node)
    return f"{name} of {module}" if module else name


def line_of(error: BaseException) -> str:
    """The line of the model's own code that an error came from, and where it is; empty where there is none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_file() and NOT_THE_MODEL.isdisjoint(path.parents):
            return f"{linecache.getline(frame.filename, frame.lineno or 0).strip()} ({path.name}:{frame.lineno})"
    return ""
