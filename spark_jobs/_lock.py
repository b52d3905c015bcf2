"""One process at a time in a directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from recsys.errors import UserError


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps other processes of this user out of a directory that exists; UserError where one is at work there.

    The kernel ends it with the process, however that ends. Where the file system knows no locks, nothing is kept out.
    """
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(place)
        raise UserError(f"{folder}: another run is at work there: wait for its end") from None
    except OSError:
        pass
    try:
        yield
    finally:
        os.close(place)
