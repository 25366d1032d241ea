"""The stock operators as plain torch, while a Jacobian is taken: the fast ones can't be differentiated forwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

WITH_CUDA_KERNELS = ("bias_act", "upfirdn2d", "filtered_lrelu")


@contextmanager
def plain_operators(network: Any) -> Iterator[None]:
    """Inside, the operators of the checkout that `network` was loaded with are those that it uses on a CPU, on any
    device, and its fused multiply-add is a product and a sum."""
    with ExitStack() as stack:
        for name in WITH_CUDA_KERNELS:
            module = sys.modules.get(f"torch_utils.ops.{name}")
            if module is not None:
                stack.enter_context(replaced(vars(module), "_init", lambda: False))
        module = sys.modules.get("torch_utils.ops.fma")
        if module is not None:
            stack.enter_context(replaced(vars(module), "fma", _fma))
        yield


@contextmanager
def replaced(names: dict[str, Any], name: str, value: Any) -> Iterator[None]:
    """Inside, ``names[name]`` is `value`."""
    before = names[name]
    names[name] = value
    try:
        yield
    finally:
        names[name] = before


def _fma(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return torch.addcmul(c, a, b)
