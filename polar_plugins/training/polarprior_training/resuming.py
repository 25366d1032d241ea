"""What an interrupted training goes on from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from polarprior.plugin import PolarPriorError, refusing, writing_atomically
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor


class Resumable(Protocol):
    """A training that can be broken off and gone on with, to the same weights.

    Attributes:
        done: iterations so far.
        loss: of the last one.
        finished: whether it is over.
    """

    done: int
    loss: float

    @property
    def finished(self) -> bool:
        """See the class."""
        ...

    def advance(self) -> float:
        """One iteration; returns its loss. FloatingPointError where it has failed for good."""
        ...

    def state(self) -> Mapping[str, Tensor]:
        """All that `restore` needs, by name."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on where `state` was taken."""
        ...


class Checkpoint:
    """One file, replaced as the training goes on, and removed when it is done.

    Args:
        path: the file.
        about: what is trained, and how: another training does not go on from it.
    """

    def __init__(self, path: Path, about: dict[str, Any]):
        self._path = path
        self._digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    def keep(self, training: Resumable) -> None:
        """Write it, atomically."""
        tensors = {name: each.detach().contiguous() for name, each in training.state().items()}
        with writing_atomically(self._path) as temporary:
            save_file(tensors, temporary, metadata={"about": self._digest})

    def restore(self, training: Resumable) -> None:
        """Bring a training to where the last `keep` was; leave it at its start where there was none.

        Raises:
            PolarPriorError: the file is of another training, or damaged.
        """
        if not self._path.exists():
            return
        hint = f"type the command that began it, or remove {self._path}"
        complaint = f"out: {self._path} is damaged"
        with refusing(complaint, hint), safe_open(self._path, framework="torch") as opened:
            if (opened.metadata() or {}).get("about") != self._digest:
                raise PolarPriorError(f"out: {self._path} is of another training", hint)
            training.restore({name: opened.get_tensor(name) for name in opened.keys()})  # noqa: SIM118

    def drop(self) -> None:
        """Remove it."""
        self._path.unlink(missing_ok=True)
