"""Encodings: their names, what a file's first bytes prove, and the bytes that do not fit."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.text.encodings import codec_of, is_superset_of_ascii, told_encoding, undecodable
from recsys.errors import DataError

RATINGS = "userId,movieId,rating\n1,10,4.5\n2,20,3\n"


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("UTF8", "utf-8"),
        ("windows-1252", "cp1252"),
        ("latin-1", "iso8859-1"),
        ("ISO-8859-1", "iso8859-1"),
        ("UTF-16", "utf-16"),
    ],
)
def test_any_of_pythons_names(name: str, codec: str) -> None:
    assert codec_of(name) == codec


@pytest.mark.parametrize("name", ["utf-9", "base64", "rot13", "undefined", "", "a\0b"])
def test_a_name_of_no_encoding_is_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"^data\.encoding = .* is no encoding of text that Python knows: give a name"):
        codec_of(name)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [RATINGS, "movieId,title\n1,Amélie\n2,Яйцо и 七人の侍\n3,Se7en\n"])
def test_wide_units_are_known_without_a_mark(encoding: str, text: str) -> None:
    assert told_encoding(text.encode(encoding)) == encoding
    assert told_encoding(text.encode(encoding)[:-1]) == encoding  # cut off within a character


@pytest.mark.parametrize(
    ("mark", "encoding", "told"),
    [
        (codecs.BOM_UTF8, "utf-8", "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16"),
        (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32-be", "utf-32"),
    ],
)
def test_a_byte_order_mark_proves_the_encoding(mark: bytes, encoding: str, told: str) -> None:
    data = mark + "五,六\n".encode(encoding)
    assert told_encoding(data) == told
    assert data.decode(told).removeprefix("\ufeff") == "五,六\n"


@pytest.mark.parametrize("data", [b"", b"1", RATINGS.encode(), "1,Café\n".encode("cp1252"), b"1,2\0,3\n4,5,6\n"])
def test_other_bytes_prove_nothing(data: bytes) -> None:
    assert told_encoding(data) is None


def test_bytes_that_do_not_decode_are_counted_and_the_first_has_its_line() -> None:
    data = "1,Alien\r\n2,Heat\r3,Caf\xe9 \xfc\n4,\x96\n".encode("latin-1")
    bad = undecodable(data, "UTF-8")
    assert bad is not None
    assert (bad.count, bad.row, bad.likely) == (3, 3, "cp1252")


def test_what_is_likely() -> None:
    utf8 = "1,Ý\n".encode()  # C3 9D: the second byte is not in cp1252
    assert undecodable(utf8, "utf8") is None
    wrong = undecodable(utf8, "windows-1252")
    assert wrong is not None
    assert (wrong.count, wrong.row, wrong.likely) == (1, 1, "utf-8")
    neither = undecodable(b"a\n\x81\xff\n", "utf-8")
    assert neither is not None
    assert (neither.count, neither.row, neither.likely) == (2, 2, None)


def test_a_lone_surrogate_in_utf_16_is_undecodable() -> None:
    data = codecs.BOM_UTF16_BE + "1\n2".encode("utf-16-be") + b"\xd8\x00" + "\n3\n".encode("utf-16-be")
    bad = undecodable(data, "utf-16")
    assert bad is not None
    assert (bad.count, bad.row) == (2, 2)


@given(
    st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 5), st.sampled_from(["utf-8", "utf-16", "gbk"])
)
def test_a_head_of_good_text_is_good_wherever_it_is_cut(text: str, cut: int, encoding: str) -> None:
    data = text.encode(encoding, errors="ignore")
    assert undecodable(data[: max(len(data) - cut, 0)], encoding) is None


def first_bad_byte(data: bytes) -> int | None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


@given(st.lists(st.sampled_from([b"a", b"\n", b"\r", "é".encode(), "七".encode(), b"\xe9", b"\xff", b"\xe4\xb8"])))
def test_undecodable_agrees_with_the_decoder(parts: list[bytes]) -> None:
    data = b"".join(parts) + b"\n"
    bad, start = undecodable(data, "utf-8"), first_bad_byte(data)
    assert (bad is None) is (start is None)
    if bad is not None:
        before = data[:start].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        assert bad.row == 1 + before.count(b"\n")
        assert bad.count == sum(len(part) for part in parts if first_bad_byte(part) is not None)


@pytest.mark.parametrize(
    ("codec", "cut_at_bytes"),
    [
        ("utf-8", True),
        ("iso8859-1", True),
        ("cp1252", True),
        ("cp1251", True),
        ("koi8-r", True),
        ("gbk", True),
        ("utf-16", False),
        ("utf-32-le", False),
        ("utf-7", False),
        ("cp037", False),
        ("iso2022_jp", False),
        ("hz", False),
    ],
)
def test_where_lines_can_be_cut_at_bytes(codec: str, cut_at_bytes: bool) -> None:
    assert is_superset_of_ascii(codec) is cut_at_bytes
