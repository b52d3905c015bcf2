"""Files with checksums, JSON's within themselves: a flipped bit is not read as another number."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

_CHECKSUM = "checksum"
_PIECE_BYTES = 1 << 20


def write_sealed(path: Path, value: dict[str, Any]) -> None:
    """Writes a JSON file that holds the checksum of its own content."""
    path.write_text(json.dumps({**value, _CHECKSUM: _of(value)}, indent=1) + "\n", encoding="utf-8")


def read_sealed(path: Path) -> dict[str, Any]:
    """The content of such a file; ValueError where it is not what was written. Of before there are some without one."""
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError("it holds no JSON object")
    if value.pop(_CHECKSUM, None) not in (None, _of(value)):
        raise ValueError("its checksum is wrong")
    return value


def write_array(path: Path, array: np.ndarray) -> str:
    """Writes a .npy file; its SHA-256. OSError with its reason where the disk is full."""
    with path.open("wb") as file:
        # into a file that it knows to be one NumPy writes past Python, and where that fails the reason is lost
        np.save(SimpleNamespace(write=file.write), array, allow_pickle=False)
    return digest_of(path)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def check_digests(folder: Path, digests: dict[str, str]) -> None:
    """ValueError, with the file's name, where a file of the folder is not what it was."""
    for name, digest in digests.items():
        if digest_of(folder / name) != digest:
            raise ValueError(f"the checksum of {name} is wrong")


def _of(value: dict[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
