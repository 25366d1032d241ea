"""What is asked of the Hub, by its own client; its errors become ours. Tokens are the client's, and stay there."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from polarprior.cache_folder import VARIABLE
from polarprior.errors import PIP, PolarPriorError, UsageError, warn
from polarprior.hub.folder import keep_commit, keep_files, kept_commit, kept_files
from polarprior.hub.name import HubName, is_file_of_a_repository
from polarprior.saying import say, size_text
from polarprior.stages import stage

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PATIENCE = 10.0
"""Seconds that the Hub may take to answer."""
MOST_BYTES = 2**40
"""Bytes of a file that are believed."""
LOG_IN = "log in with a token that may do it: hf auth login (an HF_TOKEN in the environment goes first)"


class Unreachable(PolarPriorError):
    """Nobody answers at the Hub's address, or nobody may be asked: HF_HUB_OFFLINE."""


class Snapshot(NamedTuple):
    """A repository at a commit.

    Attributes:
        name: pinned to the commit.
        files: the size in bytes of each file, by its path.
        private: only some may see it; None where that is not known.
    """

    name: HubName
    files: dict[str, int]
    private: bool | None = None


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
    """The commit that a name's revision is, and the files there. A commit that is known is not asked for again; where
    the Hub can't be reached, what was last known of a branch or tag holds, and stderr says so.

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
        say(f"{error.message}: {name} is taken to be commit {before.name.revision}, which it was last", err=True)
        return before
    commit, last = found.name.revision, kept_commit(name)
    if last not in (None, commit):
        warn(
            f"{name} has moved since it was last used, from commit {last} to {commit}; "
            f"for what it was before: {name.at(str(last))}"
        )
    if before != Snapshot(found.name, found.files):
        keep_files(found.name, found.files)
        keep_commit(name, commit)
    return found


def _kept(name: HubName) -> Snapshot | None:
    known = kept_commit(name)
    files = None if known is None else kept_files(name.at(known))
    return None if known is None or not files else Snapshot(name.at(known), files)


def newest(name: HubName) -> Snapshot:
    """The commit that a revision is now, and its files; nothing is kept. Raises as `snapshot` does."""
    client = api()
    with hub_errors(name):
        info = client.model_info(name.repo, revision=name.revision, files_metadata=True, timeout=PATIENCE)
    listed = {str(each.rfilename): each.size for each in info.siblings or ()}
    files = {
        path: size
        for path, size in listed.items()
        if is_file_of_a_repository(path) and type(size) is int and 0 <= size < MOST_BYTES
    }
    pinned = name.at(str(info.sha))
    if not pinned.is_pinned or (name.is_pinned and pinned != name):
        raise PolarPriorError(f"{name}: the Hub names another commit, or none", "try again")
    return Snapshot(pinned, files, None if info.private is None else bool(info.private))


def tagged(tags: Sequence[str], most: int) -> list[str]:
    """Names of repositories that have all of some tags, `most` at most.

    Raises:
        PolarPriorError: nobody answers.
    """
    client, where = api(), "the search of the Hub"
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    with hub_errors(where):
        asked: dict[str, list[str] | int] = {"filter": list(tags), "limit": most}
        headers = build_hf_headers(library_name="polarprior")
        answer = get_session().get(f"{client.endpoint}/api/models", params=asked, headers=headers, timeout=PATIENCE)
        hf_raise_for_status(answer)
        return [str(each["id"]) for each in answer.json()[:most]]


def read_start(name: HubName, most: int) -> bytes:
    """The first bytes of a file, `most` at most; nothing is kept."""
    client, found = api(), bytearray()
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

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
        PolarPriorError: no room, no right, another size, or nobody answers; what has arrived stays, for the next
            call.
    """
    from tqdm import tqdm

    client, done = api(), 0
    missing = [size for name, size in zip(names, sizes, strict=True) if not (folder / name.file).is_file()]
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if sum(missing) > free:
        raise PolarPriorError(
            f"{names[0]}: it takes {size_text(sum(missing))}, and {folder} has room for {size_text(free)}",
            f"make room, or name a folder elsewhere: {VARIABLE}=FOLDER",
        )
    with tqdm(total=sum(sizes), unit="B", unit_scale=True, desc=names[0].repo, mininterval=1) as bar:
        for name, size in zip(names, sizes, strict=True):
            with hub_errors(name), stage(f"fetching {name.file}"):
                client.hf_hub_download(
                    name.repo,
                    name.file,
                    revision=name.revision,
                    local_dir=folder,
                    tqdm_class=_feeding(bar, done + size),
                )
            if (folder / name.file).stat().st_size != size:
                (folder / name.file).unlink()
                raise PolarPriorError(f"{name}: the Hub sent another number of bytes than {size:,}", "try again")
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
    """An error in our words: nothing of the client's own text is in it, which might hold a token."""
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # the client found no file here, since it could not ask for it
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return PolarPriorError(
            f"{name}: its owner decides who may see it", f"ask for access on its page, and {LOG_IN}"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return UsageError(
            f"{name}: no such revision", "name a branch, a tag or a commit, or leave it out for the newest"
        )
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return UsageError(f"{name}: no such file", "see what is there: polarprior bank info hf://USER/NAME")
    if isinstance(error, errors.RepositoryNotFoundError):
        return PolarPriorError(
            f"{name}: no such repository, or one that you may not see", f"check the name; for a private one {LOG_IN}"
        )
    if isinstance(error, errors.LocalTokenNotFoundError) or status in (401, 403):
        return PolarPriorError(f"{name}: the Hub refuses you this", LOG_IN)
    if status is not None and status < 500 and status != 429:
        return PolarPriorError(
            f"{name}: the Hub refuses this request, with status {status}", "check what you ask for"
        )
    if isinstance(error, errors.OfflineModeIsEnabled):
        return Unreachable(f"{name}: HF_HUB_OFFLINE is set, so the Hub is not asked", "unset HF_HUB_OFFLINE")
    if status is not None or _is_of_the_network(error):
        what = f"status {status}" if status is not None else type(error).__name__
        return Unreachable(
            f"{name}: the Hub can't be reached ({what})", "check your network and run it again: it goes on"
        )
    if isinstance(error, OSError) and error.strerror:
        return PolarPriorError(
            f"{name}: it can't be kept here: {error.strerror}",
            f"make room, or name a folder elsewhere: {VARIABLE}=FOLDER",
        )
    return PolarPriorError(
        f"{name}: the Hub's client fails with {type(error).__name__}", "polarprior --debug shows where"
    )


def _is_of_the_network(error: Exception) -> bool:
    """Whether that is what a network does; the client's HTTP library has had several names."""
    names = {each.__name__ for each in type(error).__mro__}
    return isinstance(error, ConnectionError | TimeoutError) or bool(names & {"TransportError", "RequestException"})


def _feeding(bar: Any, most: int) -> type:
    """A class of bars that show nothing, and tell `bar` of the bytes that have come, up to `most` in all."""
    from tqdm import tqdm

    class Feeding(tqdm):
        def __init__(self, *given: Any, **named: Any):
            super().__init__(*given, **{**named, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            return bar.update(min(n or 0, most - bar.n))

    return Feeding
