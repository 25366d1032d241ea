"""Puts a bank on the Hub, with its card and a picture, in one commit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from polarprior.bank.bank import Bank
from polarprior.bank.from_hub import parts
from polarprior.bank.index import INDEX_SUFFIX, SUFFIX, base_of
from polarprior.building.card import card_text, is_card
from polarprior.errors import BankError, PolarPriorError, UsageError
from polarprior.hub import client
from polarprior.hub.name import MAIN, HubName, is_file_of_a_repository
from polarprior.reports.bank_picture import bank_picture
from polarprior.reports.plots import check_matplotlib
from polarprior.saying import files_text, say
from polarprior.stages import stage

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CARD = "README.md"


def push(bank: Bank, to: HubName, licence: str | None = None, private: bool = False) -> HubName:
    """Put a bank's files, its card and a picture of it into a repository, which is made where it is missing.

    A bank of the same name that is there is replaced, all in one commit. Files that have been sent are not sent again
    by the same call, whatever ended the first one.

    Args:
        bank: opened from a file; all of it is checked first.
        to: the repository; its revision is the branch, which is there.
        licence: of the bank, one of the Hub's identifiers, such as ``cc-by-nc-4.0``; None where the checkpoint's
            authors state none.
        private: whether a repository that is made is one.

    Returns:
        The bank's name, pinned to the commit.

    Raises:
        UsageError: no licence, where the checkpoint has one; a file of the repository is named; files that are no
            bank's would be replaced; or a private repository is asked for, and it is public.
        BankError: the bank is in memory, or damaged.
        PolarPriorError: nobody is logged in, has no right to do it, or nobody answers.
    """
    if to.file or to.is_pinned:
        raise UsageError(f"repository: got {to}, expected USER/NAME", f"use {to.repo}")
    if bank.path is None:
        raise BankError("bank: it is in memory, expected one that was opened from a file", "save it: bank.save(path)")
    base = base_of(bank.path).name
    if not is_file_of_a_repository(base):
        raise UsageError(
            f"bank: the name {base[:60]!a} can't be one on the Hub, expected letters, digits, dots and hyphens",
            "rename it: polarprior bank merge BANK --out NAME",
        )
    if bank.info.licence and licence is None:
        raise UsageError(
            f"licence: none given, and the checkpoint's authors state {bank.info.licence[:80]!r}",
            "if theirs allows you to share a bank, add the bank's own, such as licence=other",
        )
    if licence is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,63}", licence):
        raise UsageError(f"licence: got {licence[:60]!r}, expected an identifier", "use such as licence=cc-by-nc-4.0")
    check_matplotlib()
    api = client.api()
    bank.check()
    main, picture = to.of(bank.path.name), f"{base}.png"
    with client.hub_errors(to), stage(f"asking for {to}"):
        api.create_repo(to.repo, private=private or None, exist_ok=True)
    there = client.newest(to)
    if private and there.private is False:
        raise UsageError(f"private: {to} is there already, and public", "leave it out, or name another repository")
    old = [file for file in there.files if _is_of(file, base) or file == picture]
    _check_ours(there, base, old)
    card = _card_name(there, base)
    text = card_text(bank, base, licence, picture, str(to.of(base)))
    files = {file.name: file for file in bank.files}
    say(f"pushing {main}: {files_text(len(files), sum(file.stat().st_size for file in files.values()))}", err=True)
    content: dict[str, Path | bytes] = {**files, picture: bank_picture(bank), card: text.encode()}
    gone = [file for file in old if file not in content]
    commit = _commit(api, to, content, gone, f"{base}: {len(bank):,} latents")
    if card != CARD:
        say(f"{to} has a {CARD} of its own, which stays: the card is {card}, and bank find won't see it", err=True)
    return main.at(commit)


def _check_ours(there: client.Snapshot, base: str, old: list[str]) -> None:
    """Raise UsageError where files that would be replaced are not those of a bank of this name."""
    mains = [file for file in (f"{base}{SUFFIX}", f"{base}{INDEX_SUFFIX}") if file in there.files]
    try:
        for file in mains:
            parts(there, there.name.of(file))
    except BankError:
        mains = []
    if old and not mains:
        raise UsageError(
            f"bank: {there.name.repo} has a {old[0]} that is no bank's, and it would be replaced",
            "push to another repository, or rename the bank: polarprior bank merge BANK --out NAME",
        )


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
    branch = None if to.revision == MAIN else to.revision
    with client.hub_errors(to), stage(f"pushing {to}"), client.bars_on_terminals_alone():
        try:
            done = api.create_commit(to.repo, [*added, *removed], commit_message=message, revision=branch)
        except ValueError as error:  # before anything is sent
            raise UsageError(
                f"licence: the Hub refuses the card ({type(error).__name__})",
                "use an identifier that it knows, such as licence=other: "
                "https://huggingface.co/docs/hub/repositories-licenses",
            ) from error
    commit = str(done.oid)
    if not to.at(commit).is_pinned:
        raise PolarPriorError(f"{to}: the Hub names no commit", "see what is there: polarprior bank info")
    return commit
