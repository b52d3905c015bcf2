"""Event logs as they lie about: plain, compressed, rolling, cut off, several in a folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow
import pytest

from monitor.errors import MonitorError
from monitor.spark.eventlog import find_event_log, read_events, repack

EVENTS = [{"Event": "SparkListenerTaskEnd", "Stage ID": number, "text": "word " * 40} for number in range(30)]
LINES = [json.dumps(event).encode() + b"\n" for event in EVENTS]


def zstd(lines: list[bytes]) -> bytes:
    """A frame for each flush, as Spark writes them."""
    return b"".join(
        pyarrow.Codec("zstd").compress(b"".join(lines[at : at + 7]), asbytes=True) for at in (0, 7, 14, 21)
    ) + (pyarrow.Codec("zstd").compress(b"".join(lines[28:]), asbytes=True))


def lz4(lines: list[bytes]) -> bytes:
    """Blocks of LZ4BlockOutputStream, the third one stored as it is, and the empty one that ends it."""

    def block(method: int, data: bytes, size: int) -> bytes:
        lengths = len(data).to_bytes(4, "little") + size.to_bytes(4, "little")
        return b"LZ4Block" + bytes([method | 5]) + lengths + b"\0\0\0\0" + data

    blocks = [b"".join(lines[at : at + 9]) for at in range(0, len(lines), 9)]
    codec = pyarrow.Codec("lz4_raw")
    packed = [block(0x20, codec.compress(one, asbytes=True), len(one)) for one in blocks]
    packed[2] = block(0x10, blocks[2], len(blocks[2]))
    return b"".join(packed) + block(0x10, b"", 0)


def snappy(lines: list[bytes]) -> bytes:
    """Chunks of SnappyOutputStream, opened twice."""
    header = b"\x82SNAPPY\x00" + (1).to_bytes(4, "big") * 2
    codec = pyarrow.Codec("snappy")
    chunks = [codec.compress(b"".join(lines[at : at + 11]), asbytes=True) for at in range(0, len(lines), 11)]
    framed = [len(one).to_bytes(4, "big") + one for one in chunks]
    return header + framed[0] + header + b"".join(framed[1:])


def plain(lines: list[bytes]) -> bytes:
    return b"".join(lines)


@pytest.mark.parametrize("written", [plain, zstd, lz4, snappy])
def test_whole_or_cut_off_anywhere_it_gives_the_events_that_are_there(written, tmp_path: Path) -> None:
    log = tmp_path / "local-1.inprogress"
    content = written(LINES)
    log.write_bytes(content)
    assert list(read_events(log)) == EVENTS
    before = 0
    for size in range(16, len(content), max(len(content) // 50, 1)):
        log.write_bytes(content[:size])
        found = list(read_events(log))
        assert found == EVENTS[: len(found)]
        assert len(found) >= before
        before = len(found)
    assert before >= 15


def test_a_zstd_log_that_was_flushed_and_killed_has_all_that_was_flushed(tmp_path: Path) -> None:
    content = zstd(LINES[:28])
    (tmp_path / "app").write_bytes(content[: -len(pyarrow.Codec("zstd").compress(b"", asbytes=True))] + b"\x28\xb5\x2f")
    assert list(read_events(tmp_path)) == EVENTS[:28]


def test_lines_that_are_no_events_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "app").write_bytes(LINES[0] + b'{"Event": 3}\n[1]\n\n\xff\xfe\nnull\n' + LINES[1] + b'{"Event": "Spark')
    assert list(read_events(tmp_path / "app")) == EVENTS[:2]


def rolling(folder: Path) -> Path:
    log = folder / "eventlog_v2_app-7"
    log.mkdir()
    (log / "appstatus_app-7.inprogress").touch()
    (log / ".events_1_app-7.crc").write_bytes(b"crc")
    for number in (1, 2, 10):
        (log / f"events_{number}_app-7").write_bytes(LINES[number])
    return log


def test_a_rolling_log_is_read_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    log = rolling(tmp_path)
    assert list(read_events(tmp_path)) == list(read_events(log)) == [EVENTS[1], EVENTS[2], EVENTS[10]]
    (log / "events_10_app-7.zstd").write_bytes(pyarrow.Codec("zstd").compress(LINES[11], asbytes=True))
    (log / "events_10_app-7").unlink()
    assert list(read_events(log)) == [EVENTS[1], EVENTS[2], EVENTS[11]]


def test_of_a_compacted_log_only_what_the_compaction_left(tmp_path: Path) -> None:
    log = rolling(tmp_path)
    (log / "events_2_app-7.compact").write_bytes(LINES[20])
    assert list(read_events(log)) == [EVENTS[20], EVENTS[10]]


def test_no_log_and_several_logs_are_said_in_one_line(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(MonitorError, match=r"no event log: run with spark\.eventLog\.enabled=true"):
            list(read_events(path))
    (tmp_path / "app-1").touch()
    (tmp_path / ".app-1.crc").touch()
    assert find_event_log(tmp_path) == tmp_path / "app-1"
    rolling(tmp_path)
    with pytest.raises(MonitorError, match=r"2 event logs: name one of them, such as .*eventlog_v2_app-7"):
        find_event_log(tmp_path)


def test_what_cannot_be_decompressed_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "app.lzf").write_bytes(b"ZV\x01\x00\x02ab")
    with pytest.raises(MonitorError, match="lzf, which is not read"):
        list(read_events(tmp_path / "app.lzf"))
    (tmp_path / "app.zstd").write_bytes(zstd(LINES))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MonitorError, match="pip install pyarrow"):
        list(read_events(tmp_path / "app.zstd"))


def test_a_log_is_packed_into_less_and_others_are_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "app.zstd"
    log.write_bytes(zstd(LINES)[:-5])
    before, size = list(read_events(log)), log.stat().st_size
    repack(log)
    assert list(read_events(log)) == before and len(before) >= 28
    assert log.stat().st_size < size
    (tmp_path / "plain").write_bytes(plain(LINES))
    for other in (tmp_path / "plain", rolling(tmp_path)):
        repack(other)
    assert (tmp_path / "plain").read_bytes() == plain(LINES)
    assert [path.name for path in tmp_path.glob(".*")] == []
