"""Text files on disks that executors see, read by Python itself in ranges of bytes.

Through the JVM every line becomes a row of Spark, which costs several times what its numbers cost to parse. The lines
are the same: ended by LF, CR LF or CR, without the mark of UTF-8 at the beginning of a file.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from recsys.errors import DataError

_RANGE_BYTES = 1 << 26
_PIECE_BYTES = 1 << 22  # divides a range
_REST_BYTES = 1 << 16  # as much at once of the line that a range ends in
_OPEN_BYTES = 1 << 20  # what it costs to open a file, in bytes read
_PACKED = (".gz", ".gzip", ".bz2", ".deflate", ".lz4", ".snappy", ".zst", ".xz")  # Spark unpacks these
_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class Range:
    """The lines of a file that begin at the bytes from `start` until before `end`."""

    path: str
    file: int  # the place of the file among all, from 1
    start: int
    end: int
    size: int  # of the whole file, in bytes


def readable(file: str) -> str:
    """A file as its user knows it: a plain path where Spark's address is of a local one."""
    return unquote(re.sub("^file:/+", "/", file)) if file.startswith("file:/") else file


def tasks_of(paths: Sequence[str]) -> list[list[Range]] | None:
    """The ranges of local files, in order, those of each task; None where Spark is to read them (packed, not there)."""
    tasks: list[list[Range]] = []
    cost = _RANGE_BYTES
    for file, path in enumerate(paths, 1):
        if path.lower().endswith(_PACKED) or not os.path.isfile(path):
            return None
        size = os.path.getsize(path)
        for start in range(0, size, _RANGE_BYTES):
            end = min(size, start + _RANGE_BYTES)
            if cost + end - start > _RANGE_BYTES:
                tasks.append([])
                cost = 0
            tasks[-1].append(Range(path, file, start, end, size))
            cost += end - start + _OPEN_BYTES
    return tasks


def read_texts(one: Range) -> Iterator[bytes]:
    """The range in pieces of whole lines, each line ended by LF.

    DataError where the file is not there, has another size than on the driver, or does not fit its checksums.
    """
    try:
        with open(one.path, "rb") as stream:
            if os.fstat(stream.fileno()).st_size != one.size:
                raise DataError(f"{one.path}: has another size on an executor than on the driver: copy it there anew")
            for piece in _pieces(stream, one):
                yield _LINE_END.sub(b"\n", piece) if b"\r" in piece else piece
    except FileNotFoundError:
        raise DataError(
            f"{one.path}: an executor does not find it: it must lie where all machines see it by that name"
        ) from None


def _pieces(stream: BinaryIO, one: Range) -> Iterator[bytes]:
    """Whole lines; the last one has an end even where the file lacks it."""
    checksums = _Checksums.of(one.path)
    begun = _begin(stream, one)
    waiting: list[bytes] = []  # a line that has not ended yet
    for at in range(one.start, one.end, _PIECE_BYTES):
        stream.seek(at)
        piece = stream.read(min(_PIECE_BYTES, one.end - at))
        if checksums is not None:
            checksums.check(piece, at)
        piece = piece[max(begun - at, 0) :]
        cut = max(piece.rfind(b"\n"), piece.rfind(b"\r", 0, -1)) + 1  # behind a CR at its end there may be an LF
        if cut:
            yield b"".join([*waiting, piece[:cut]])
            waiting = []
        waiting.append(piece[cut:])
    rest = b"".join(waiting)
    if rest:
        stream.seek(one.end)
        yield _to_its_end(stream, rest)


def _begin(stream: BinaryIO, one: Range) -> int:
    """Where the first line begins that is the range's; its end where there is none."""
    if one.start == 0:
        return len(_BOM) if stream.read(len(_BOM)) == _BOM else 0
    stream.seek(one.start - 1)
    before = _to_its_end(stream, b"")
    return min(one.start - 1 + len(before), one.end)


def _to_its_end(stream: BinaryIO, line: bytes) -> bytes:
    """The rest of a line that is there in part, or but for an LF behind its CR, and the line end behind it."""
    if not line.endswith(b"\r"):
        parts = [line]
        while more := stream.read(_REST_BYTES):
            found = _LINE_END.search(more)
            parts.append(more[: found.end()] if found else more)
            if found and found.end() < len(more):
                return b"".join(parts)
            if found:
                break
        else:
            return b"".join(parts) + b"\n"
        line = b"".join(parts)
    return line + (b"\n" if line.endswith(b"\r") and stream.read(1) == b"\n" else b"")


class _Checksums:
    """What Hadoop has written beside a file (`.NAME.crc`): a CRC-32 of every so many bytes."""

    def __init__(self, path: str, size: int, values: bytes) -> None:
        self._path, self._size, self._values = path, size, values

    @staticmethod
    def of(path: str) -> _Checksums | None:
        """The checksums of a file; None where there are none. DataError where they are of a longer or shorter one."""
        place = Path(path)
        try:
            stored = (place.parent / f".{place.name}.crc").read_bytes()
        except OSError:
            return None
        size = int.from_bytes(stored[4:8], "big")
        if stored[:4] != b"crc\0" or not size or _PIECE_BYTES % size:
            return None
        held, told = place.stat().st_size, len(stored[8:]) // 4
        if -(-held // size) != told:
            raise DataError(
                f"{path}: is {held:,} bytes long, the checksums beside it are of {(told - 1) * size + 1:,} to "
                f"{told * size:,}: it was cut off, or came from elsewhere: copy or make it anew"
            )
        return _Checksums(path, size, stored[8:])

    def check(self, piece: bytes, at: int) -> None:
        """DataError where the bytes from `at` are not those that were written."""
        view, size = memoryview(piece), self._size
        found = [zlib.crc32(view[start : start + size]) for start in range(0, len(piece), size)]
        first = at // size * 4
        if struct.pack(f">{len(found)}I", *found) != self._values[first : first + 4 * len(found)]:
            raise DataError(
                f"{self._path}: from byte {at:,} to {at + len(piece):,} it is not as it was written (by the checksums "
                "beside it): copy or make it anew"
            )
