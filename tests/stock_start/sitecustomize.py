"""What stock scripts begin with where two environments are compared: a seed, since some have none, and no GPU."""

import os
import random
import sys
from types import SimpleNamespace

import numpy as np
import torch
from torch.overrides import TorchFunctionMode


class _OnTheCPU(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.cuda:
            return args[0]
        kwargs = kwargs or {}
        return func(*map(_cpu, args), **{name: _cpu(value) for name, value in kwargs.items()})


def _cpu(value):
    if isinstance(value, torch.device) and value.type == "cuda":
        return torch.device("cpu")
    return "cpu" if isinstance(value, str) and value.split(":")[0] == "cuda" else value


random.seed(0)
np.random.seed(0)  # noqa: NPY002 - the scripts draw from it
torch.manual_seed(0)
if os.environ.get("STOCK_ON_THE_CPU"):
    sys.modules["pkg_resources"] = SimpleNamespace(parse_version=torch.torch_version.TorchVersion)  # gone since
    _OnTheCPU().__enter__()
