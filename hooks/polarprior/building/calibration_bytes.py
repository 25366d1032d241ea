"""A calibration as bytes, so that a build goes on with the one that it was begun with."""

from __future__ import annotations

import hashlib
import json

import torch
from safetensors.torch import load, save

from polarprior.volume.calibration import Calibration

_ERRORS = "errors."


def to_bytes(calibration: Calibration) -> bytes:
    """The same calibration gives the same bytes."""
    tensors = {
        "subspace": calibration.subspace.contiguous(),
        "seeds": torch.from_numpy(calibration.seeds),
        "log_sigma": calibration.log_sigma.contiguous(),
        **{_ERRORS + name: errors.contiguous() for name, errors in calibration.errors.items()},
    }
    rest = {"passes": calibration.passes, "seconds": calibration.seconds, "took": calibration.calibration_seconds}
    return save(tensors, {"polarprior": json.dumps(rest, sort_keys=True)})


def from_bytes(content: bytes) -> Calibration:
    """What `to_bytes` wrote; a digest vouches for it elsewhere.

    Raises:
        SafetensorError, ValueError, KeyError, TypeError: it holds something else.
    """
    tensors = load(content)
    size = int.from_bytes(content[:8], "little")
    rest = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["polarprior"])
    found = Calibration(
        subspace=tensors["subspace"],
        seeds=tensors["seeds"].numpy(),
        log_sigma=tensors["log_sigma"],
        errors={name[len(_ERRORS) :]: value for name, value in tensors.items() if name.startswith(_ERRORS)},
        passes={name: (int(jvps), int(vjps)) for name, (jvps, vjps) in rest["passes"].items()},
        seconds={name: float(value) for name, value in rest["seconds"].items()},
        calibration_seconds=float(rest["took"]),
    )
    dim, floats = len(found.subspace), (found.subspace, found.log_sigma, *found.errors.values())
    shapes = found.subspace.shape == (dim, dim) and found.log_sigma.shape[:1] == found.seeds.shape
    if not (shapes and all(each.is_floating_point() for each in floats) and {*found.errors} == {*found.seconds}):
        raise ValueError("no calibration")
    return found


def digest(calibration: Calibration) -> str:
    """sha256 of its bytes, as hex."""
    return hashlib.sha256(to_bytes(calibration)).hexdigest()
