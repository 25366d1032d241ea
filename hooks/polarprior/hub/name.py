"""Names of files on the Hugging Face Hub: ``hf://USER/NAME[@REVISION][/FILE]``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from polarprior.errors import UsageError

_PART = r"(?!-|\.)(?:(?!--|\.\.)[\w.-]){1,96}(?<!-|\.)(?<!\.git)"
_FILE = r"(?![.-])[\w.+-]{1,255}"
_NAME = re.compile(
    rf"(?:hf:/{{1,2}})?({_PART}/{_PART})(?:@((?![.-])[\w.-]{{1,100}}))?(?:/({_FILE}(?:/{_FILE}){{0,7}}))?", re.A
)
MAIN = "main"


@dataclass(frozen=True)
class HubName:
    """A repository of the Hub, or a file in it.

    Attributes:
        repo: ``USER/NAME``.
        revision: a branch, a tag, or a commit.
        file: its path in the repository; empty for the repository.
    """

    repo: str
    revision: str = MAIN
    file: str = ""

    def __str__(self) -> str:
        revision = "" if self.revision == MAIN else f"@{self.revision}"
        return f"hf://{self.repo}{revision}" + (f"/{self.file}" if self.file else "")

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit, which never changes."""
        return re.fullmatch("[0-9a-f]{40}", self.revision) is not None

    def at(self, commit: str) -> HubName:
        """The same at a commit."""
        return replace(self, revision=commit)

    def of(self, file: str) -> HubName:
        """A file of the repository, by its path in it."""
        return replace(self, file=file)

    def beside(self, file: str) -> HubName:
        """Another file in the folder of this one."""
        return self.of(str(Path(self.file).with_name(file).as_posix()))


def is_file_of_a_repository(path: str) -> bool:
    """Whether a path leads to a file in a repository, and nowhere else, and is one that a shell takes as it is."""
    return re.fullmatch(rf"{_FILE}(?:/{_FILE}){{0,7}}", path, re.A) is not None


def is_on_hub(place: object) -> bool:
    """Whether a path, or the text of one, names something on the Hub; a Path has made one slash of two."""
    return isinstance(place, str | os.PathLike) and os.fspath(place).startswith("hf:/")


def hub_name(place: str | os.PathLike[str]) -> HubName:
    """Read ``hf://USER/NAME[@REVISION][/FILE]``, with or without the first part.

    Raises:
        UsageError: it is no such name, such as one whose file leads out of the repository.
    """
    text = os.fspath(place)
    found = _NAME.fullmatch(text)
    if found is None or len(found[1]) > 96:
        raise UsageError(
            f"{re.sub('^hf:/+', 'hf://', text)[:80]!r} is no name on the Hub, expected hf://USER/NAME[@REVISION][/FILE]",
            "use such as hf://someone/ffhq-bank, or hf://someone/ffhq-bank@v1/bank.safetensors",
        )
    return HubName(found[1], found[2] or MAIN, found[3] or "")
