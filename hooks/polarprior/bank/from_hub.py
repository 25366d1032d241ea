"""Banks on the Hugging Face Hub: what they say of themselves, and how they come here."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from polarprior.bank import format as bank_format
from polarprior.bank import index
from polarprior.bank.contents import checked_log_volume
from polarprior.bank.index import INDEX_LIMIT, INDEX_SUFFIX, SUFFIX
from polarprior.bank.info import BankInfo
from polarprior.errors import BankError, UsageError
from polarprior.files import alone_in, make_folder, move_durably
from polarprior.hub import client
from polarprior.hub.client import Snapshot
from polarprior.hub.folder import commit_folder, transfer_folder
from polarprior.hub.name import HubName, is_file_of_a_repository
from polarprior.saying import files_text, say
from polarprior.stages import stage

HEADER = 8 + bank_format.HEADER_LIMIT
"""The most bytes of a file before its columns."""
CARD_LIMIT = 1 << 18
MOST_BANKS = 20
KIND = "banks"
_SHARD = re.compile(r".*-\d{5}-of-\d{5}(-[0-9a-f]{16})?\.safetensors")


@dataclass(frozen=True)
class SharedBank:
    """A bank on the Hub, by what its first bytes say: nobody has checked that its contents are so.

    Attributes:
        name: pinned to a commit, with the file, or the index.
        info: what it is valid for, and how it was made.
        rows: its latents.
        files: bytes of each of its files by their names, the index last.
        card: the text of its card; empty where it has none.
    """

    name: HubName
    info: BankInfo
    rows: int
    files: dict[str, int]
    card: str

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(self.files.values())


def resolved(name: HubName) -> HubName:
    """A bank's name, pinned to a commit, with its file or index.

    Raises:
        PolarPriorError: see `polarprior.hub.client.snapshot`.
        UsageError: several banks are there, and none is named.
        BankError: none is there, or not the one that is named.
    """
    return _main_file(client.snapshot(name), name)


def local(name: HubName) -> Path | None:
    """The file or index of a bank that has been fetched, by its `resolved` name; None where it hasn't."""
    path = commit_folder(name, KIND) / name.file
    return path if path.is_file() else None


def look(name: HubName) -> SharedBank:
    """Read what a bank on the Hub says of itself: its index or the header of its file, and its card. No shard is
    fetched, and nothing of them is kept.

    Raises:
        PolarPriorError: as `resolved`.
        BankError: as `resolved`, or it is no bank, or one of a newer format.
    """
    found = client.snapshot(name)
    main = _main_file(found, name)
    info, rows, files = parts(found, main)
    card = ""
    if (readme := main.beside("README.md")).file in found.files:
        card = client.read_start(readme, CARD_LIMIT).decode("utf-8", "replace")
    return SharedBank(main, info, rows, files, card)


def candidates(name: HubName) -> list[HubName]:
    """Names, pinned, of the files of a repository that may be banks, `MOST_BANKS` at most; raises as `snapshot`."""
    found = client.snapshot(name)
    return [found.name.of(file) for file in _banks(found)[:MOST_BANKS]]


def fetched(name: HubName, whole: bool = False) -> tuple[Path, HubName]:
    """Bring a bank here, unless it is here already, and check all of it before anybody can open it. One that is here
    and damaged is fetched again.

    Args:
        name: of the bank.
        whole: check all contents of one that is here already, and not its sizes and headers alone.

    Returns:
        Its file or index in the cache, and its `resolved` name.

    Raises:
        PolarPriorError: as `resolved`, or what `fetch` raises: what has arrived stays for the next call.
        BankError: as `look`, or what arrived is not what its digests say: none of it is kept.
    """
    found = client.snapshot(name)
    main = _main_file(found, name)
    folder = commit_folder(main, KIND)
    make_folder(folder)
    path = folder / main.file
    with alone_in(folder):
        try:
            if path.is_file():
                _check(path, whole)
                return path, main
        except BankError:
            path.unlink(missing_ok=True)
        _fetch(found, main, folder)
    return path, main


def _check(path: Path, whole: bool) -> None:
    """Raise BankError where a bank is damaged."""
    files = index.open_files(path)[1]
    if whole:
        checked_log_volume(files, str(path))


def _fetch(found: Snapshot, main: HubName, folder: Path) -> None:
    """Fetch all files into a folder for the transfer, check them, and move them out of it, the index last."""
    transfer = transfer_folder(main, KIND)
    info, rows, files = parts(found, main)
    most = bank_format.row_bytes(info.k, info.num_classes) * rows + HEADER * len(files)
    _check_size(main, sum(files.values()), most)
    names = [main.beside(file) for file in files]
    for name, size in zip(names, files.values(), strict=True):  # moved already, by a call that was ended
        if (folder / name.file).is_file() and (folder / name.file).stat().st_size == size:
            move_durably(folder / name.file, transfer / name.file)
    say(f"fetching {main}: {files_text(len(files), sum(files.values()))}", err=True)
    client.fetch(names, list(files.values()), transfer)
    try:
        with stage(f"checking {main}"):
            _check(transfer / main.file, whole=True)
    except BankError as error:
        shutil.rmtree(transfer, ignore_errors=True)
        message = error.message.replace(f"{transfer}/", "").removeprefix("bank: ")
        raise BankError(f"bank: {main} is refused: {message}", "tell its owner; nothing of it was kept") from error
    for name in names:
        move_durably(transfer / name.file, folder / name.file)
    shutil.rmtree(transfer, ignore_errors=True)


def parts(found: Snapshot, main: HubName) -> tuple[BankInfo, int, dict[str, int]]:
    """Metadata, rows and files of a bank, from the first bytes of its index or file; BankError where it is none.

    Args:
        found: the repository.
        main: the index or the file, at that commit.

    Returns:
        The metadata, the rows, and the size of each file by its name, the index last.
    """
    if not main.file.endswith(INDEX_SUFFIX):
        info, rows = bank_format.described(client.read_start(main, HEADER), main)
        return info, rows, {Path(main.file).name: found.files[main.file]}
    info, shards = index.parsed_index(client.read_start(main, INDEX_LIMIT + 1), main)
    odd = [shard.file for shard in shards if not is_file_of_a_repository(shard.file)]
    if odd:
        raise BankError(f"bank: {main} names a shard {odd[0][:60]!a}, which can't be fetched", "tell its owner")
    files = {shard.file: found.files.get(main.beside(shard.file).file) for shard in shards}
    there = {file: size for file, size in files.items() if size is not None}
    if len(there) < len(files):
        missing = next(file for file, size in files.items() if size is None)
        raise BankError(f"bank: {main} lacks {missing}, which its index names", "tell its owner")
    there[Path(main.file).name] = found.files[main.file]
    return info, sum(shard.rows for shard in shards), there


def _check_size(main: HubName, size: int, most: int) -> None:
    if size > most:
        raise BankError(
            f"bank: {main} has files of {size:,} bytes, expected {most:,} at most by what it says of itself",
            "tell its owner; nothing of it was fetched",
        )


def _main_file(found: Snapshot, asked: HubName) -> HubName:
    """The index or the file of the bank that is meant.

    Raises:
        UsageError: several are there, and none is named.
        BankError: none is there, or not the one that is named.
    """
    banks = _banks(found)
    if asked.file:
        meant = [asked.file, asked.file + SUFFIX, asked.file + INDEX_SUFFIX]
        named = [file for file in meant if file in found.files]
        if not named:
            raise BankError(f"bank: {asked} is not there", _listed(found, banks))
        return found.name.of(named[0])
    if not banks:
        raise BankError(f"bank: {asked} holds no bank", "name a repository that polarprior bank push made")
    if len(banks) > 1:
        raise UsageError(f"bank: {asked} holds {len(banks)} files that may be banks", _listed(found, banks))
    return found.name.of(banks[0])


def _banks(found: Snapshot) -> list[str]:
    """Files that may be banks: indexes, and files of tensors that are no shards."""
    return [
        file
        for file in found.files
        if file.endswith(INDEX_SUFFIX) or (file.endswith(SUFFIX) and not _SHARD.fullmatch(file))
    ]


def _listed(found: Snapshot, banks: list[str]) -> str:
    """What to type, by what is there."""
    if not banks:
        return "name a repository that polarprior bank push made"
    some = ", ".join(file[:80] for file in banks[:5]) + (", ..." if len(banks) > 5 else "")
    return f"name one of its files, as hf://{found.name.repo}/FILE: {some}"
