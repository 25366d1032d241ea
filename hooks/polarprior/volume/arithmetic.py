"""The arithmetic that banks are made with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """One thread on the CPU, and no TF32 on a GPU.

    A bank's bytes must not depend on how many cores the machine has, and TF32, which cuDNN uses by default,
    keeps three decimal digits.
    """
    threads, cudnn, matmul = torch.get_num_threads(), torch.backends.cudnn, torch.backends.cuda.matmul
    tf32 = cudnn.allow_tf32, matmul.allow_tf32
    torch.set_num_threads(1)
    cudnn.allow_tf32 = matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        cudnn.allow_tf32, matmul.allow_tf32 = tf32
