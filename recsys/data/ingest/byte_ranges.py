"""Text files on disks that executors see, read by Python in ranges of bytes.

Through the JVM every line becomes a row of Spark, which costs several times as much as to parse its numbers. The lines
are the same: they end with LF, CR LF or CR, and the byte order mark of UTF-8 is left out.
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

from recsys.errors import DataError

_RANGE_BYTES = 1 << 26
_PIECE_BYTES = 1 << 22  # divides a range
_REST_BYTES = 1 << 16  # read at a time to find the end of a range's last line
_OPEN_BYTES = 1 << 20  # to open a file costs as much as to read so many bytes
_COMPRESSED = (".gz", ".gzip", ".bz2", ".deflate", ".lz4", ".snappy", ".zst", ".xz")  # Spark reads these
_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class Range:
    """The lines of a file that begin at the bytes from `start` until before `end`."""

    path: str
    file: int  # the number of the file, from 1
    start: int
    end: int
    size: int  # of the whole file, in bytes


def tasks_of(paths: Sequence[str]) -> list[list[Range]] | None:
    """The ranges of local files in order, a list a task; None where Spark must read one (compressed, missing)."""
    tasks: list[list[Range]] = []
    cost = _RANGE_BYTES
    for file, path in enumerate(paths, 1):
        if path.lower().endswith(_COMPRESSED) or not os.path.isfile(path):
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


def read_texts(part: Range) -> Iterator[bytes]:
    """The range in pieces of whole lines, each of which ends with LF.

    DataError where the file is missing, has another size than on the driver, or does not match its checksums.
    """
    try:
        with open(part.path, "rb") as stream:
            if os.fstat(stream.fileno()).st_size != part.size:
                raise DataError(f"{part.path}: has another size on an executor than on the driver: copy it there again")
            for piece in _pieces(stream, part):
                yield _LINE_END.sub(b"\n", piece) if b"\r" in piece else piece
    except FileNotFoundError:
        raise DataError(
            f"{part.path}: an executor does not find it: put it where all machines see it under this path"
        ) from None


def _pieces(stream: BinaryIO, part: Range) -> Iterator[bytes]:
    """Whole lines; the last line gets an LF where the file ends without it."""
    checksums = _Checksums.of(part.path)
    begin = _begin(stream, part)
    waiting: list[bytes] = []  # a line that has not ended yet
    for at in range(part.start, part.end, _PIECE_BYTES):
        stream.seek(at)
        piece = stream.read(min(_PIECE_BYTES, part.end - at))
        if checksums is not None:
            checksums.check(piece, at)
        piece = piece[max(begin - at, 0) :]
        cut = max(piece.rfind(b"\n"), piece.rfind(b"\r", 0, -1)) + 1  # after a CR at the end there may be an LF
        if cut:
            yield b"".join([*waiting, piece[:cut]])
            waiting = []
        waiting.append(piece[cut:])
    rest = b"".join(waiting)
    if rest:
        stream.seek(part.end)
        yield _to_its_end(stream, rest)


def _begin(stream: BinaryIO, part: Range) -> int:
    """Where the first line of the range begins; the end of the range where it has none."""
    if part.start == 0:
        return len(_BOM) if stream.read(len(_BOM)) == _BOM else 0
    stream.seek(part.start - 1)
    before = _to_its_end(stream, b"")
    return min(part.start - 1 + len(before), part.end)


def _to_its_end(stream: BinaryIO, line: bytes) -> bytes:
    """The whole line with its end. `line` is its beginning, or all of it but an LF after its CR."""
    if not line.endswith(b"\r"):
        parts = [line]
        while more := stream.read(_REST_BYTES):
            end = _LINE_END.search(more)
            parts.append(more[: end.end()] if end else more)
            if end and end.end() < len(more):
                return b"".join(parts)
            if end:
                break
        else:
            return b"".join(parts) + b"\n"
        line = b"".join(parts)
    return line + (b"\n" if line.endswith(b"\r") and stream.read(1) == b"\n" else b"")


class _Checksums:
    """The checksums that Hadoop writes beside a file (`.NAME.crc`): a CRC-32 of every so many bytes."""

    def __init__(self, path: str, size: int, values: bytes) -> None:
        self._path, self._size, self._values = path, size, values

    @staticmethod
    def of(path: str) -> _Checksums | None:
        """The checksums of a file; None where there are none. DataError where they belong to another length."""
        file = Path(path)
        try:
            stored = (file.parent / f".{file.name}.crc").read_bytes()
        except OSError:
            return None
        size = int.from_bytes(stored[4:8], "big")
        if stored[:4] != b"crc\0" or not size or _PIECE_BYTES % size:
            return None
        length, count = file.stat().st_size, len(stored[8:]) // 4
        if -(-length // size) != count:
            raise DataError(
                f"{path}: is {length:,} bytes long, the checksums beside it are of {(count - 1) * size + 1:,} to "
                f"{count * size:,}: it was cut off, or came from elsewhere: copy or make it again"
            )
        return _Checksums(path, size, stored[8:])

    def check(self, piece: bytes, at: int) -> None:
        """DataError where the bytes from `at` are not those that were written."""
        view, size = memoryview(piece), self._size
        sums = [zlib.crc32(view[start : start + size]) for start in range(0, len(piece), size)]
        first = at // size * 4
        if struct.pack(f">{len(sums)}I", *sums) != self._values[first : first + 4 * len(sums)]:
            raise DataError(
                f"{self._path}: from byte {at:,} to {at + len(piece):,} it is not as it was written (by the checksums "
                "beside it): copy or make it again"
            )
