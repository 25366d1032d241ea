"""Banks in several files: their names, and the index that binds the shards together."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from polarprior.bank import format as bank_format
from polarprior.bank.format import BankFile
from polarprior.bank.info import BankInfo
from polarprior.errors import BankError, UsageError
from polarprior.foreign import Foreign, without_doubles
from polarprior.hub.name import is_on_hub

SUFFIX, INDEX_SUFFIX = ".safetensors", ".safetensors.index.json"
INDEX_LIMIT = 1 << 20


@dataclass(frozen=True)
class Shard:
    """A line of the index: a shard's file in the folder of the index, its digest, and its rows."""

    file: str
    digest: str
    rows: int


def base_of(path: Path) -> Path:
    """The base name of a bank: `path` without what says that it is a file, or an index.

    Raises:
        UsageError: a folder, or a name on the Hub, which no file is written to.
    """
    if is_on_hub(path):
        raise UsageError(
            f"bank: {path} is a name on the Hub, expected a path here", "write it here, then: polarprior bank push"
        )
    if path.name in ("", ".."):
        raise UsageError(f"bank: {path} is a folder, expected the name of a bank", "name a file in it")
    for suffix in (INDEX_SUFFIX, SUFFIX):
        if path.name.endswith(suffix) and path.name != suffix:
            return path.with_name(path.name.removesuffix(suffix))
    return path


def one_file(path: Path) -> Path:
    """Where a bank of that name is, if it is one file."""
    return base_of(path).with_name(base_of(path).name + SUFFIX)


def index_file(path: Path) -> Path:
    """Where the index of a bank of that name is, if it is in shards."""
    return base_of(path).with_name(base_of(path).name + INDEX_SUFFIX)


def find(path: Path) -> Path:
    """The file or the index that a user means by a file, an index or a base name; `path` where there is none."""
    if path.is_file() or path.name in ("", ".."):
        return path
    return next((each for each in (one_file(path), index_file(path)) if each.is_file()), path)


def open_files(path: Path) -> tuple[BankInfo, list[BankFile]]:
    """Open a bank by its file, index or base name, without reading its columns.

    Where it is replaced meanwhile, perhaps by one of another form, the new one is opened.

    Raises:
        BankError: anything is missing, damaged, foreign, or doesn't belong together.
    """
    while True:
        found = find(path)
        there = _entry(found)
        try:
            return _open(found)
        except BankError:
            if find(path) == found and _entry(found) == there:
                raise


def _entry(path: Path) -> tuple[int, ...] | None:
    """What tells a file from the one that replaces it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_ctime_ns, found.st_size


def _open(path: Path) -> tuple[BankInfo, list[BankFile]]:
    if path.name.endswith(INDEX_SUFFIX):
        return _open_shards(path)
    file = bank_format.read(path)
    if file.info.shard:
        raise BankError(
            f"bank: {path} is shard {file.info.shard} of a bank, not all of it",
            f"name its index, such as {_guess(path)}",
        )
    return file.info, [file]


def index_text(info: BankInfo, shards: Sequence[Shard]) -> str:
    """The index as canonical JSON; its digest is over the metadata and all the shards' lines."""
    lines = [asdict(shard) for shard in shards]
    blank = replace(info, digest="", shard="").to_json()
    total = hashlib.sha256(f"{blank}{canonical(lines)}".encode()).hexdigest()
    size = sum(shard.rows for shard in shards) * bank_format.row_bytes(info.k, info.num_classes)
    metadata = {"polarprior": replace(info, digest=total, shard="").to_json(), "total_size": size}
    return canonical({"metadata": metadata, "shards": lines})


def _open_shards(path: Path) -> tuple[BankInfo, list[BankFile]]:
    info, shards = read_index(path)
    files = []
    for number, shard in enumerate(shards, 1):
        file = path.with_name(shard.file)
        if file.is_symlink():
            raise BankError(f"bank: {file} is a link, expected a file", "copy the bank with its files: cp -L")
        opened = bank_format.read(file)
        bound = replace(info, digest=shard.digest, shard=f"{number:05d}-of-{len(shards):05d}")
        if opened.info != bound or opened.rows != shard.rows:
            raise BankError(f"bank: {file} is not the shard that {path.name} names", "fetch the whole bank again")
        files.append(opened)
    return info, files


def read_index(path: Path) -> tuple[BankInfo, list[Shard]]:
    """An untrusted index; BankError unless it is to the letter what `index_text` writes."""
    try:
        with path.open("rb") as file:
            text = file.read(INDEX_LIMIT + 1)
    except OSError as error:
        raise BankError(f"bank: can't read {path}: {error.strerror or error}", "check the file") from error
    return parsed_index(text, path)


def parsed_index(text: bytes, path: object) -> tuple[BankInfo, list[Shard]]:
    """`read_index` of what a file holds; `path` is what an error calls it."""
    if len(text) > INDEX_LIMIT:
        raise _no_index(path, f"over {INDEX_LIMIT} bytes")
    try:
        index = json.loads(text, object_pairs_hook=without_doubles)
        info = BankInfo.from_json(index["metadata"]["polarprior"])
        shards = [Shard(Foreign(line["file"]), Foreign(line["digest"]), line["rows"]) for line in index["shards"]]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _no_index(path, "not the JSON of an index") from error
    for shard in shards:
        if not (isinstance(shard.rows, int) and not isinstance(shard.rows, bool) and 0 < shard.rows < 2**32):
            raise _no_index(path, f"rows of a shard are {str(shard.rows)[:40]}")
        if not _is_plain(shard.file):
            raise _no_index(path, f"{shard.file[:60]!a} is no name of a file in its folder")
        if not re.fullmatch("[0-9a-f]{64}", shard.digest):
            raise _no_index(path, f"{shard.digest[:60]!a} is no digest")
    shards = [Shard(str.__str__(shard.file), shard.digest, shard.rows) for shard in shards]  # names of files, now
    if len(shards) < 2 or index_text(info, shards).encode() != text:
        raise _no_index(path, "it was changed since it was written")
    return info, shards


def _is_plain(name: str) -> bool:
    """Whether that can be the name of a file in a folder, and nothing else."""
    return re.fullmatch(r"(?!\.)[^/\\]+", name) is not None and len(name.encode()) <= 255


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _guess(path: Path) -> str:
    return re.sub(r"-\d{5}-of-\d{5}(-[0-9a-f]{16})?\.safetensors$", "", path.name) + INDEX_SUFFIX


def _no_index(path: object, what: str) -> BankError:
    return BankError(f"bank: {path} is no index of a bank: {what}", "fetch it again, or build the bank again")
