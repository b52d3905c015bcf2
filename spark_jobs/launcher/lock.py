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
    """Locks an existing directory against other processes; UserError where another process holds the lock.

    The kernel releases the lock when the process ends, however it ends. On a file system without locks nothing is
    locked.
    """
    path = folder / LOCK
    try:
        file = path.open("w")  # a file: NFS cannot lock directories
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = (
                not path.exists() or os.stat(path).st_ino != os.fstat(file.fileno()).st_ino
            )  # by now it is another process' file
        except BlockingIOError:
            taken = True
        except OSError:
            taken = False
        if taken:
            raise UserError(f"{folder}: another run is using it: wait for its end")
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
