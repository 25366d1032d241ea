"""What is asked of the Hub, by its own client; its errors become ours. Tokens are the client's, and stay there."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from polarprior.errors import PIP, PolarPriorError, UsageError, warn
from polarprior.hub.folder import keep_commit, keep_files, kept_commit, kept_files
from polarprior.hub.name import HubName, is_file_of_a_repository
from polarprior.saying import say
from polarprior.stages import stage

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PATIENCE = 10.0
"""Seconds that the Hub may take to answer."""
LOG_IN = "type: hf auth login"


class Unreachable(PolarPriorError):
    """Nobody answers at the Hub's address, or nobody may be asked: HF_HUB_OFFLINE."""


class Snapshot(NamedTuple):
    """A repository at a commit.

    Attributes:
        name: pinned to the commit.
        files: the size in bytes of each file, by its path.
    """

    name: HubName
    files: dict[str, int]


def api() -> HfApi:
    """The Hub's client; PolarPriorError where it isn't installed."""
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise PolarPriorError(
            "the Hub needs huggingface_hub, which is not installed", f'type: {PIP} "polarprior[hub]"'
        ) from error
    return HfApi(library_name="polarprior")


def snapshot(name: HubName) -> Snapshot:
    """The commit that a name's revision is, and the files there; what was kept of it where the Hub can't be reached.

    A commit that is known is not asked for again.

    Raises:
        PolarPriorError: no such repository or revision, no right to see it, or nobody answers.
    """
    before = _kept(name)
    if before is not None and name.is_pinned:
        return before
    try:
        found = newest(name)
    except Unreachable as error:
        if before is None:
            raise
        say(f"{error.message}; commit {before.name.revision} is used, which it was last", err=True)
        return before
    commit, last = found.name.revision, kept_commit(name)
    if last not in (None, commit):
        warn(f"{name} has moved: it is commit {commit} now, and was {last}; @{last} is what it was")
    keep_files(found.name, found.files)
    keep_commit(name, commit)
    return found


def _kept(name: HubName) -> Snapshot | None:
    known = kept_commit(name)
    files = None if known is None else kept_files(name.at(known))
    return None if known is None or files is None else Snapshot(name.at(known), files)


def newest(name: HubName) -> Snapshot:
    """The commit that a revision is now, and its files; nothing is kept. Raises as `snapshot` does."""
    with hub_errors(name):
        info = api().model_info(name.repo, revision=name.revision, files_metadata=True, timeout=PATIENCE)
    listed = {str(each.rfilename): int(each.size or 0) for each in info.siblings or ()}
    files = {path: size for path, size in listed.items() if is_file_of_a_repository(path)}
    pinned = name.at(str(info.sha))
    if not pinned.is_pinned:
        raise PolarPriorError(f"{name}: the Hub names no commit of it", "try again")
    return Snapshot(pinned, files)


def read_start(name: HubName, most: int) -> bytes:
    """The first bytes of a file, `most` at most; nothing is kept."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    client, found = api(), bytearray()
    url = hf_hub_url(name.repo, name.file, revision=name.revision, endpoint=client.endpoint)
    headers = {**build_hf_headers(library_name="polarprior"), "Range": f"bytes=0-{most - 1}"}
    with (
        hub_errors(name),
        get_session().stream("GET", url, headers=headers, follow_redirects=True, timeout=PATIENCE) as answer,
    ):
        hf_raise_for_status(answer)
        for part in answer.iter_bytes(1 << 16):
            found += part
            if len(found) >= most:
                break
    return bytes(found[:most])


def fetch(names: Sequence[HubName], sizes: Sequence[int], folder: Path) -> None:
    """Fetch files of one commit into a folder. Files that have come whole in an earlier call are not fetched again;
    within a call the client goes on where a file was cut, some times.

    Args:
        names: pinned.
        sizes: in bytes, as the Hub states them.
        folder: theirs alone.

    Raises:
        PolarPriorError: no room, no right, or nobody answers; what has arrived stays, for the next call.
    """
    from tqdm import tqdm

    client, total, done = api(), sum(sizes), 0
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if total > free:
        raise PolarPriorError(
            f"{names[0]}: {total:,} bytes, and {folder} has room for {free:,}", "make room, or name another folder"
        )
    with tqdm(total=total, unit="B", unit_scale=True, desc=names[0].repo, mininterval=1) as bar:
        for name, size in zip(names, sizes, strict=True):
            with hub_errors(name), stage(f"fetching {name.file}"):
                client.hf_hub_download(
                    name.repo, name.file, revision=name.revision, local_dir=folder, tqdm_class=_feeding(bar)
                )
            done += size
            bar.update(done - bar.n)


@contextmanager
def bars_on_terminals_alone() -> Iterator[None]:
    """Without the bars of the Hub's client where stderr is no terminal."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if sys.stderr.isatty() or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


@contextmanager
def hub_errors(name: HubName | str) -> Iterator[None]:
    """Turn the errors of the Hub's client into one sentence and one hint.

    Args:
        name: what was asked for.
    """
    try:
        yield
    except PolarPriorError:
        raise
    except Exception as error:
        raise _explained(name, error) from error


def _explained(name: HubName | str, error: Exception) -> PolarPriorError:
    from huggingface_hub import errors

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return PolarPriorError(f"{name}: its owner grants access one by one", f"ask there for it, then {LOG_IN}")
    if isinstance(error, errors.RevisionNotFoundError):
        return UsageError(f"{name}: no such revision", "name a branch, a tag or a commit, or none for the newest")
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return UsageError(f"{name}: no such file", "see what is there: polarprior bank info")
    if isinstance(error, errors.RepositoryNotFoundError):
        return PolarPriorError(
            f"{name}: no such repository, or one that you may not see", f"check the name; for a private one {LOG_IN}"
        )
    if isinstance(error, errors.LocalTokenNotFoundError) or status == 401:
        return PolarPriorError(f"{name}: the Hub wants to know who you are", LOG_IN)
    if status == 403:
        return PolarPriorError(
            f"{name}: you have no right to do that there", "log in with a token that has it: hf auth login"
        )
    if status is not None:
        return PolarPriorError(f"{name}: the Hub answered with status {status}", "try again later")
    if isinstance(error, OSError) and not isinstance(error, ConnectionError | FileNotFoundError) and error.strerror:
        return PolarPriorError(f"{name}: can't be written: {error.strerror}", "make room, or name another folder")
    what = "HF_HUB_OFFLINE is set" if isinstance(error, errors.OfflineModeIsEnabled) else type(error).__name__
    return Unreachable(
        f"{name}: the Hub can't be reached ({what})", "see to the network, and run it again: it goes on"
    )


def _feeding(bar: Any) -> type:
    """A class of bars that show nothing, and tell `bar` of the bytes that have come."""
    from tqdm import tqdm

    class Feeding(tqdm):
        def __init__(self, *given: Any, **named: Any):
            super().__init__(*given, **{**named, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            return bar.update(n)

    return Feeding
