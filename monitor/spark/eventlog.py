"""Spark's event logs: the events of a past or killed application, plain or compressed, in one file or rolling."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from monitor.errors import MonitorError

_CHUNK_BYTES = 1 << 20
_ROLLING = "eventlog_v2_"
_ROLLED = re.compile(r"events_(\d+)_.*")
_ZSTD, _LZ4, _SNAPPY, _LZF = b"\x28\xb5\x2f\xfd", b"LZ4Block", b"\x82SNAPPY\x00", b"ZV"


def read_events(path: str | Path) -> Iterator[dict[str, Any]]:
    """The events of a log in order, as Spark wrote them (JSON objects with the key "Event").

    `path` is a log, the folder `eventlog_v2_*` of a rolling one, or a folder with a single log in it. A last line or
    block that was cut off when the application was killed, and lines that are not events, are left out. MonitorError
    where there is no log, more than one, or one that cannot be decompressed here.
    """
    for file in _files(find_event_log(path)):
        for line in _lines(file):
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and isinstance(event.get("Event"), str):
                yield event


def find_event_log(path: str | Path) -> Path:
    """The one event log at `path`: the file, or the folder of a rolling log; MonitorError where there is not one."""
    path = Path(path)
    if path.is_file() or (path.name.startswith(_ROLLING) and path.is_dir()):
        return path
    found = []
    if path.is_dir():
        found = [entry for entry in sorted(path.iterdir()) if entry.is_file() or entry.name.startswith(_ROLLING)]
        found = [entry for entry in found if not entry.name.startswith((".", "appstatus_"))]
    if not found:
        raise MonitorError(f"{path}: no event log: run with spark.eventLog.enabled=true, or name the log itself")
    if len(found) > 1:
        raise MonitorError(f"{path}: {len(found)} event logs: name one of them, such as {found[-1]}")
    return found[0]


def repack(log: Path) -> None:
    """Writes a log of zstd frames, one for each of Spark's flushes, as one frame: a quarter of the size.

    What was cut off at its end is gone afterwards. Logs of other kinds stay as they are.
    """
    if not log.is_file() or not _start(log).startswith(_ZSTD):
        return
    arrow = _arrow(log)
    temporary = log.with_name(f".{log.name}")
    with arrow.OSFile(str(temporary), "wb") as raw, arrow.CompressedOutputStream(raw, "zstd") as packed:
        for chunk in _zstd(log):
            packed.write(chunk)
    temporary.replace(log)


def _files(log: Path) -> list[Path]:
    """The files of a log in order; of a compacted one only what the compaction has not replaced."""
    if log.is_file():
        return [log]
    numbered = {path: int(match[1]) for path in log.iterdir() if (match := _ROLLED.fullmatch(path.name))}
    compacted = [path for path in numbered if path.name.endswith(".compact")]
    newest = max(compacted, key=numbered.__getitem__, default=None)
    first = numbered[newest] if newest else -1
    return sorted((path for path in numbered if path == newest or numbered[path] > first), key=numbered.__getitem__)


def _lines(file: Path) -> Iterator[bytes]:
    rest = b""
    for chunk in _chunks(file):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _chunks(file: Path) -> Iterator[bytes]:
    """The decompressed content; the first bytes name the codec, whatever the file is called."""
    start = _start(file)
    with file.open("rb") as raw:
        if start.startswith(_ZSTD):
            yield from _zstd(file)
        elif start.startswith(_LZ4):
            yield from _lz4(raw, file)
        elif start.startswith(_SNAPPY):
            yield from _snappy(raw, file)
        elif start.startswith(_LZF):
            raise MonitorError(
                f"{file}: compressed by lzf, which is not read: spark.eventLog.compression.codec=zstd is"
            )
        else:
            while chunk := raw.read(_CHUNK_BYTES):
                yield chunk


def _start(file: Path) -> bytes:
    with file.open("rb") as raw:
        return raw.read(8)


def _zstd(file: Path) -> Iterator[bytes]:
    done = 0
    for size in (_CHUNK_BYTES, 1024, 1):  # a read that meets the cut loses what it had got: again, in smaller pieces
        try:
            for chunk in _zstd_from(file, done, size):
                yield chunk
                done += len(chunk)
            return
        except OSError:
            continue


def _zstd_from(file: Path, skip: int, size: int) -> Iterator[bytes]:
    """The decompressed content without its first `skip` bytes, `size` at a time; OSError where it is cut off."""
    arrow = _arrow(file)
    with arrow.OSFile(str(file)) as raw, arrow.CompressedInputStream(raw, "zstd") as stream:
        while skip:
            skip -= len(stream.read(min(skip, _CHUNK_BYTES)))
        while chunk := stream.read(size):
            yield chunk


def _lz4(raw: IO[bytes], file: Path) -> Iterator[bytes]:
    """Blocks of lz4-java: magic, token, compressed and original length, checksum (little endian), then the data."""
    codec = _arrow(file).Codec("lz4_raw")
    while len(head := raw.read(21)) == 21 and head.startswith(_LZ4):
        packed, size = (int.from_bytes(head[at : at + 4], "little") for at in (9, 13))
        data = raw.read(packed)
        if len(data) < packed:
            return
        if size:  # a block of no length ends a stream; another may follow
            yield data if head[8] & 0xF0 == 0x10 else codec.decompress(data, size, asbytes=True)


def _snappy(raw: IO[bytes], file: Path) -> Iterator[bytes]:
    """Blocks of snappy-java: after a header of 16 bytes, which may come again, length (big endian) and data."""
    codec = _arrow(file).Codec("snappy")
    while len(head := raw.read(4)) == 4:
        if head == _SNAPPY[:4]:
            raw.read(12)
            continue
        packed = int.from_bytes(head, "big")
        data = raw.read(packed)
        if len(data) < packed:
            return
        yield codec.decompress(data, _varint(data), asbytes=True)


def _varint(data: bytes) -> int:
    """The number that a snappy block begins with: its length when decompressed."""
    value = 0
    for position, byte in enumerate(data[:5]):
        value |= (byte & 0x7F) << 7 * position
        if not byte & 0x80:
            break
    return value


def _arrow(file: Path) -> Any:
    try:
        import pyarrow
    except ImportError:
        raise MonitorError(f"{file}: compressed, and pyarrow is not here to read it: pip install pyarrow") from None
    return pyarrow
