"""The folder of banks' caches, and whether what it holds is believed: where this user alone may enter it."""

from __future__ import annotations

import os
import shlex
from functools import cache
from pathlib import Path
from stat import S_ISDIR

from polarprior.errors import warn
from polarprior.files import user_cache

VARIABLE = "POLARPRIOR_CACHE"
"""Names the folder; on a cluster one that all machines see."""
OTHERS = 0o077
"""Rights of the group and of everybody."""


def cache_folder() -> Path | None:
    """The folder that `VARIABLE` names, else ``banks`` in the user's cache; None for a user without a home."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    own = user_cache()
    return None if own is None else own / "banks"


def ensure_private(folder: Path) -> bool:
    """Make a folder where it is missing, mode 0700, with those above it; whether it is there and may be used.

    It may where it is this user's own, gives no rights to anybody else, and is no link. Of another a warning says
    so, once a process. Where folders have no owner and mode (Windows), any folder may.
    """
    try:
        for missing in reversed([each for each in (folder, *folder.parents) if not os.path.lexists(each)]):
            missing.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    if not S_ISDIR(found.st_mode):
        why, mend = "it is a link or no folder", f"name another: {VARIABLE}=FOLDER"
    elif hasattr(os, "getuid") and found.st_uid != os.getuid():
        why, mend = "it is another user's", f"name one of your own: {VARIABLE}=FOLDER"
    elif hasattr(os, "getuid") and found.st_mode & OTHERS:
        why, mend = "others may enter it", f"chmod 700 {shlex.quote(str(folder))}"
    else:
        return True
    _warn_once(f"the cache folder {folder} is not used, since {why}; {mend}")
    return False


@cache
def _warn_once(message: str) -> None:
    warn(message)
