"""Kernels: functions of one thread that numba compiles. Imported late, by trainers and workers alone."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Any


def _cache_folder() -> str:
    """A folder of this user alone: what numba finds in its cache it runs."""
    folder = Path(tempfile.gettempdir()) / f"howdah-numba-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
        return str(folder)
    return tempfile.mkdtemp(prefix="howdah-numba-")


# the package may lie in an archive or a folder that cannot be written to, beside which numba keeps nothing
os.environ.setdefault("NUMBA_CACHE_DIR", _cache_folder())

import numba  # noqa: E402


def kernel(function: Any) -> Any:
    """Compiles the function at its first call in a process, or takes what another process of this host compiled."""
    try:
        return numba.njit(cache=True, nogil=True, fastmath=True)(function)
    except RuntimeError:  # no place for a cache
        return numba.njit(nogil=True, fastmath=True)(function)
