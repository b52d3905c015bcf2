"""Text files read in ranges: every line once, whatever ends it and wherever ranges and pieces are cut."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.ingest import byte_ranges as ranges
from recsys.errors import DataError
from recsys.files import readable_path

BOM = b"\xef\xbb\xbf"


@pytest.fixture(scope="module", autouse=True)
def small():
    """Ranges and pieces of a few bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "_RANGE_BYTES", 8)
        patch.setattr(ranges, "_PIECE_BYTES", 4)
        patch.setattr(ranges, "_REST_BYTES", 3)
        patch.setattr(ranges, "_OPEN_BYTES", 2)
        yield


def read(*paths: Path) -> list[tuple[int, list[bytes]]]:
    """The file and the lines of each range."""
    tasks = ranges.tasks_of([str(path) for path in paths])
    assert tasks is not None
    return [(one.file, text_of(one)) for task in tasks for one in task]


def text_of(one: ranges.Range) -> list[bytes]:
    text = b""
    for piece in ranges.read_texts(one):
        assert piece.endswith(b"\n")  # whole lines
        text += piece
    return text.split(b"\n")[:-1]


def lines_of(content: bytes) -> list[bytes]:
    lines = re.split(b"\r\n|\n|\r", content.removeprefix(BOM))
    return lines if lines[-1] else lines[:-1]


@settings(max_examples=400, deadline=None)
@given(
    content=st.lists(st.sampled_from([b"a", b"1,2", b"\n", b"\r", b"\r\n", b"\xff", b"long" * 6]), max_size=24),
    bom=st.booleans(),
)
def test_every_line_is_read_once(tmp_path_factory: pytest.TempPathFactory, content: list[bytes], bom: bool) -> None:
    path = tmp_path_factory.mktemp("lines") / "r.csv"
    path.write_bytes(BOM * bom + b"".join(content))
    found = [line for _, lines in read(path) for line in lines]
    assert found == lines_of(path.read_bytes())


def test_ranges_are_cut_in_the_middle_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(b"abc\r\ndef\nghijklmnopqrstuvw\rx\n\nlast")
    assert read(path) == [
        (1, [b"abc", b"def"]), (1, [b"ghijklmnopqrstuvw"]), (1, []), (1, [b"x", b"", b"last"]), (1, []),
    ]  # fmt: skip


def test_small_files_share_a_task(tmp_path: Path) -> None:
    names = ["a", "b", "c", "d"]
    for name, size in zip(names, (3, 2, 5, 20), strict=True):
        (tmp_path / name).write_bytes(b"x" * (size - 1) + b"\n")
    tasks = ranges.tasks_of([str(tmp_path / name) for name in names])
    assert tasks is not None
    assert [[(one.file, one.start, one.end) for one in task] for task in tasks] == [
        [(1, 0, 3), (2, 0, 2)], [(3, 0, 5)], [(4, 0, 8)], [(4, 8, 16)], [(4, 16, 20)],
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["r.csv.gz", "R.CSV.BZ2", "absent.csv"])
def test_packed_files_are_left_to_spark(tmp_path: Path, name: str) -> None:
    if "absent" not in name:
        (tmp_path / name).write_bytes(b"1\n")
    assert ranges.tasks_of([str(tmp_path / name)]) is None


def test_another_file_than_on_the_driver(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(b"1\n2\n")
    ((one,),) = ranges.tasks_of([str(path)]) or []
    path.write_bytes(b"1\n")
    with pytest.raises(DataError, match=r"r\.csv: has another size on an executor"):
        text_of(one)
    path.unlink()
    with pytest.raises(DataError, match=r"r\.csv: an executor does not find it"):
        text_of(one)


def test_a_flipped_bit_is_found_where_there_are_checksums(tmp_path: Path) -> None:
    content = b"".join(b"%d,%d\n" % (n, n * n) for n in range(9))
    sums = [zlib.crc32(content[start : start + 2]) for start in range(0, len(content), 2)]
    path = tmp_path / "r.csv"
    (tmp_path / ".r.csv.crc").write_bytes(b"crc\0" + struct.pack(f">I{len(sums)}I", 2, *sums))
    path.write_bytes(content)
    assert sum(len(lines) for _, lines in read(path)) == 9
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(DataError, match=r"r\.csv: from byte \d+ to \d+ it is not as it was written"):
            read(path)
    for length in range(1, len(content)):  # also where a checksum's bytes end, as where a disk was full
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"r\.csv: (is \d+ bytes long, the checksums|from byte)"):
            read(path)


@pytest.mark.parametrize(("name", "path"), [("file:///a%20b/c.csv", "/a b/c.csv"), ("hdfs://h/a", "hdfs://h/a")])
def test_names_as_users_know_them(name: str, path: str) -> None:
    assert readable_path(name) == path
