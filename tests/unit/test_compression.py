"""Compressed files are known by their contents; what is cut off, corrupt or an archive is refused in one line."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.text.compression import decompressed, open_bytes
from recsys.errors import DataError

DATA = b"".join(b"%d,%d,3.5\n" % (row % 71, row * row % 9973) for row in range(50_000))


def zstd(data: bytes) -> bytes:
    return pa.Codec("zstd").compress(data, asbytes=True)


FORMATS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    ".gz": (gzip.compress, "gzip"),
    ".bz2": (bz2.compress, "bzip2"),
    ".xz": (lzma.compress, "xz"),
    ".zst": (zstd, "Zstandard"),
}


def written(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def read(path: str) -> bytes:
    with open_bytes(path) as stream:
        return stream.read()


@pytest.mark.parametrize("ending", FORMATS)
def test_by_name_and_by_contents_alone(ending: str, tmp_path: Path) -> None:
    packed = FORMATS[ending][0](DATA)
    assert read(written(tmp_path / f"r.csv{ending}", packed)) == DATA
    assert read(written(tmp_path / "ratings.csv", packed)) == DATA
    two = packed + FORMATS[ending][0](b"last\n")  # as parallel compressors and `cat` write
    assert read(written(tmp_path / f"two{ending}", two)) == DATA + b"last\n"


def test_plain_and_empty_files(tmp_path: Path) -> None:
    assert read(written(tmp_path / "ratings.csv", DATA)) == DATA
    assert read(written(tmp_path / "ratings.csv.gz", b"")) == b""
    with pytest.raises(FileNotFoundError):
        open_bytes(str(tmp_path / "absent.csv"))


@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_that_is_cut_off(ending: str, tmp_path: Path) -> None:
    pack, kind = FORMATS[ending]
    packed = pack(DATA)
    path = written(tmp_path / f"ratings.csv{ending}", packed[: len(packed) // 2])
    with pytest.raises(
        DataError, match=rf"^{re.escape(path)}: is cut off, as {kind} format: copy or download it again$"
    ):
        read(path)


@pytest.mark.parametrize("ending", FORMATS)
def test_a_corrupt_file(ending: str, tmp_path: Path) -> None:
    pack, kind = FORMATS[ending]
    packed = bytearray(pack(DATA))
    packed[6:70] = b"\xff" * 64
    path = written(tmp_path / f"ratings.csv{ending}", bytes(packed))
    with pytest.raises(
        DataError, match=rf"^{re.escape(path)}: is corrupt \(.+\), as {kind} format: copy or download it again$"
    ):
        read(path)


@pytest.mark.parametrize("ending", [".gz", ".GZIP", ".bz2", ".xz", ".zst", ".zstd"])
def test_a_name_that_the_contents_contradict(ending: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"ratings.csv{ending}", b"<!DOCTYPE html><title>Sign in</title>")
    with pytest.raises(DataError, match=r"is not in \w+ format as its name says: rename it, or download it again"):
        read(path)


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.zip", b"x", "zip"),
        ("a.7z", b"x", "7z"),
        ("a.rar", b"x", "rar"),
        ("a.csv", b"PK\x03\x04....", "zip"),
        ("a.csv", b"7z\xbc\xaf\x27\x1c..", "7z"),
    ],
)
def test_archives_are_refused(name: str, data: bytes, kind: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{name}: is an archive \({kind}\): unpack it, and give the file"):
        read(written(tmp_path / name, data))


@pytest.mark.parametrize("ending", [".lz4", ".snappy", ".deflate"])
def test_formats_of_spark_alone_are_refused(ending: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{ending} is not read for this encoding or layout: unpack it"):
        read(written(tmp_path / f"a{ending}", b"x"))


@settings(max_examples=30)
@given(data=st.binary(max_size=300), ending=st.sampled_from(sorted(FORMATS)), sizes=st.integers(1, 50))
def test_any_bytes_in_pieces_of_any_size(data: bytes, ending: str, sizes: int) -> None:
    stream = decompressed(pa.BufferReader(FORMATS[ending][0](data)), f"a{ending}")
    assert b"".join(iter(lambda: stream.read(sizes), b"")) == data
