"""Files of this machine: their first bytes, and which files of a folder are data. Starts no Spark."""

from __future__ import annotations

import os
import re

from recsys.data.sources.layout import HEAD_BYTES
from recsys.data.text.compression import open_bytes
from recsys.errors import DataError

_DOCUMENT = re.compile(
    r"(readme|licen[cs]e|copying|notice|changelog|terms)\b.*|.*\.(md|rst|pdf|html?|docx?|png|jpe?g|gif|ipynb|py|sh)",
    re.IGNORECASE,
)
_GLOB_SIGNS = re.compile(r"([\[\]{}*?\\])")


def head_of(path: str) -> bytes:
    """The first bytes of a file, unpacked where it is packed."""
    try:
        with open_bytes(path) as stream:
            parts: list[bytes] = []
            left = HEAD_BYTES
            while left and (part := stream.read(left)):
                parts.append(part)
                left -= len(part)
            return b"".join(parts)
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def is_document(path: str) -> bool:
    """Whether a file's name is that of a document, such as README.txt, not of data."""
    return _DOCUMENT.fullmatch(os.path.basename(path)) is not None


def literal_path(path: str) -> str:
    """The path as a glob: of a file that exists, signs such as [ mean themselves."""
    if "://" in path or not _GLOB_SIGNS.search(path) or not os.path.exists(path):
        return path
    return _GLOB_SIGNS.sub(r"\\\1", path)
