"""Compressed text files as streams of their bytes: gzip, bzip2, xz and Zstandard, known by their first bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from contextlib import ExitStack
from typing import Any, BinaryIO, Protocol, cast

from recsys.errors import DataError

_READ_BYTES = 1 << 20
_MAGIC_BYTES = 8
# first bytes -> format
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "Zstandard"}
_ENDINGS = {
    ".gz": "gzip",
    ".gzip": "gzip",
    ".bz2": "bzip2",
    ".xz": "xz",
    ".zst": "Zstandard",
    ".zstd": "Zstandard",
}
_ARCHIVES = {b"PK\x03\x04": "zip", b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!": "rar"}
_ARCHIVE_ENDINGS = {".zip": "zip", ".7z": "7z", ".rar": "rar"}
_ONLY_SPARK = (".deflate", ".lz4", ".snappy")  # in Hadoop's own framing
_CORRUPT = (EOFError, zlib.error, lzma.LZMAError, ValueError)


def open_bytes(path: str) -> BinaryIO:
    """The bytes of a local file, decompressed; the errors are those of `decompressed` and of `open`."""
    with ExitStack() as on_error:
        opened = decompressed(on_error.enter_context(open(path, "rb")), path)
        on_error.pop_all()
    return opened


def decompressed(stream: BinaryIO, file: str) -> BinaryIO:
    """The bytes of a stream, decompressed where its first bytes say so.

    Args:
        stream: of the file's bytes as stored, at its start; it can seek.
        file: its name, for messages.

    Raises:
        DataError: of an archive, of a format that only Spark reads, and where name and contents disagree; while the
            result is read: of a file that is cut off or corrupt.
    """
    head = stream.read(_MAGIC_BYTES)
    stream.seek(0)
    ending = "." + file.rpartition(".")[2].lower()
    archive = next((kind for magic, kind in _ARCHIVES.items() if head.startswith(magic)), None)
    if archive or ending in _ARCHIVE_ENDINGS:
        kind = archive or _ARCHIVE_ENDINGS[ending]
        raise DataError(f"{file}: is an archive ({kind}): unpack it, and give the file of ratings or movies in it")
    if ending in _ONLY_SPARK:
        raise DataError(f"{file}: {ending} is not read for this encoding or layout: unpack it, or compress it by gzip")
    kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")
    named = _ENDINGS.get(ending, "")
    if named and head and kind != named:
        raise DataError(f"{file}: is not in {named} format as its name says: rename it, or download it again")
    if not kind:
        return stream
    inner: _Readable
    if kind == "gzip":
        inner = gzip.GzipFile(fileobj=stream)
    elif kind == "bzip2":
        inner = bz2.BZ2File(stream)
    elif kind == "xz":
        inner = lzma.LZMAFile(stream)  # noqa: SIM115 (closed with the stream that it becomes)
    else:
        import pyarrow as pa  # here, so that what looks at other files imports little

        inner = pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")
    return cast(BinaryIO, io.BufferedReader(_Decompressed(inner, stream, file, kind), _READ_BYTES))


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class _Decompressed(io.RawIOBase):
    """A stream of decompressed bytes, whose errors name the file and the remedy."""

    def __init__(self, inner: _Readable, stream: BinaryIO, file: str, kind: str) -> None:
        self._inner, self._stream, self._file, self._kind = inner, stream, file, kind

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        try:
            data = self._inner.read(len(view))
        except (*_CORRUPT, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of the disk, not of the contents
            cut = isinstance(error, EOFError) or "runcated" in str(error)
            what = "is cut off" if cut else f"is corrupt ({error})"
            raise DataError(f"{self._file}: {what}, as {self._kind} format: copy or download it again") from None
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
            self._stream.close()
        super().close()
