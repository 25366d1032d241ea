"""Puts a bank on the Hub, with its card and a picture, in one commit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from polarprior.bank.bank import Bank
from polarprior.bank.index import base_of
from polarprior.building.card import card_text, is_card
from polarprior.errors import BankError, PolarPriorError, UsageError
from polarprior.hub import client
from polarprior.hub.name import MAIN, HubName
from polarprior.reports.bank_picture import bank_picture
from polarprior.reports.plots import check_matplotlib
from polarprior.saying import files_text, say
from polarprior.stages import stage

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CARD = "README.md"


def push(bank: Bank, to: HubName, licence: str | None = None, private: bool = False) -> HubName:
    """Put a bank's files, its card and a picture of it into a repository, which is made where it is missing.

    Files that are there already are not sent again: after whatever ended it, the same call goes on. Those of an
    earlier bank of the same name go with the same commit.

    Args:
        bank: opened from a file; all of it is checked first.
        to: the repository; its revision is the branch, which is there.
        licence: of the bank, one of the Hub's identifiers, such as ``cc-by-nc-4.0``; None where the checkpoint's
            authors state none.
        private: whether a repository that is made is one.

    Returns:
        The bank's name, pinned to the commit.

    Raises:
        UsageError: no licence, where the checkpoint has one; or a file of the repository is named.
        BankError: the bank is in memory, or damaged.
        PolarPriorError: nobody is logged in, has no right to do it, or nobody answers.
    """
    if to.file or to.is_pinned:
        raise UsageError(f"repository: got {to}, expected USER/NAME", f"use {to.repo}")
    if bank.path is None:
        raise BankError("bank: it is in memory, expected one that was opened from a file", "save it: bank.save(path)")
    if bank.info.licence and licence is None:
        raise UsageError(
            f"licence: none given, and the checkpoint's authors state {bank.info.licence[:80]!r}",
            "add licence=IDENTIFIER for the bank, such as licence=other, if that allows you to share it",
        )
    if licence is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,63}", licence):
        raise UsageError(f"licence: got {licence[:60]!r}, expected an identifier", "use such as licence=cc-by-nc-4.0")
    check_matplotlib()
    api = client.api()
    bank.check()
    base = base_of(bank.path).name
    main = to.of(bank.path.name)
    with client.hub_errors(to), stage(f"asking for {to}"):
        api.create_repo(to.repo, private=private or None, exist_ok=True)
    there = client.newest(to)
    card, picture = _card_name(there, base), f"{base}.png"
    text = card_text(bank, base, licence, picture, f"hf://{to.repo}/{base}")
    files = {file.name: file for file in bank.files}
    size = sum(file.stat().st_size for file in files.values())
    say(f"pushing {main}: {files_text(len(files), size)}", err=True)
    content: dict[str, Path | bytes] = {**files, picture: bank_picture(bank), card: text.encode()}
    old = [file for file in there.files if _is_of(file, base) and file not in files]
    commit = _commit(api, to, content, old, f"{base}: {len(bank):,} latents")
    if card != CARD:
        say(f"{to} has a {CARD} of its own, which stays: the card is {card}, and bank find won't see it", err=True)
    return main.at(commit)


def _card_name(there: client.Snapshot, base: str) -> str:
    """``README.md``, unless there is one that is no card of ours."""
    if CARD in there.files:
        start = client.read_start(there.name.of(CARD), 4096).decode("utf-8", "replace")
        if not is_card(start, base):
            return f"{base}.{CARD}"
    return CARD


def _is_of(file: str, base: str) -> bool:
    """Whether a file is that of a bank of this base name, its index, or one of its shards."""
    shard = r"(-\d{5}-of-\d{5}-[0-9a-f]{16})?"
    return re.fullmatch(rf"{re.escape(base)}{shard}\.safetensors(\.index\.json)?", file) is not None


def _commit(api: HfApi, to: HubName, content: dict[str, Path | bytes], old: list[str], message: str) -> str:
    """Write and remove files of a repository; give the commit."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    added = [CommitOperationAdd(name, data) for name, data in content.items()]
    removed = [CommitOperationDelete(name) for name in old]
    with client.hub_errors(to), stage(f"pushing {to}"), client.bars_on_terminals_alone():
        done = api.create_commit(
            to.repo, [*added, *removed], commit_message=message, revision=None if to.revision == MAIN else to.revision
        )
    commit = str(done.oid)
    if not to.at(commit).is_pinned:
        raise PolarPriorError(f"{to}: the Hub names no commit", "see what is there: polarprior bank info")
    return commit
