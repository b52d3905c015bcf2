"""One process at a time in a directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from recsys.errors import UserError

LOCK = ".lock"


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a directory that exists; UserError where one is at work there.

    The kernel ends it with the process, however that ends. Where the file system knows no locks, nothing is kept out.
    """
    path = folder / LOCK
    try:
        file = path.open("w")  # a file, as NFS has no locks of directories
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = not path.exists() or os.stat(path).st_ino != os.fstat(file.fileno()).st_ino  # another's, by now
        except BlockingIOError:
            taken = True
        except OSError:
            taken = False
        if taken:
            raise UserError(f"{folder}: another run is at work there: wait for its end")
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
