"""Folders that several tests look at, made once however many processes pytest runs in."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Ended = subprocess.CompletedProcess[str]


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Ended]) -> tuple[Path, Ended]:
    """The folder `name`, and how the job ended that made it: the first process that asks makes it, others wait."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # which all the processes have in common
    folder, told = base / name, base / f"{name}.json"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            folder.mkdir()
            ended = make(folder)
            told.write_text(json.dumps([ended.args, ended.returncode, ended.stdout, ended.stderr]))
    return folder, Ended(*json.loads(told.read_text()))
