"""The encoding of a text file: its name, what the first bytes show of it, and bytes that do not fit it."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from recsys.errors import DataError

BOM = "\ufeff"
# in this order: the mark of UTF-32 (little-endian) begins with that of UTF-16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# (bytes of a unit, which of them is not NUL in ASCII text, encoding)
_UNITS = ((4, 0, "utf-32-le"), (4, 3, "utf-32-be"), (2, 0, "utf-16-le"), (2, 1, "utf-16-be"))
_MOSTLY, _HARDLY = 0.5, 0.05  # shares of NUL bytes
_LIKELY = ("utf-8", "cp1252")
_LINE_END = re.compile("\r\n|\n|\r")


def codec_of(name: str) -> str:
    """Python's name of an encoding that is given by any of its names ("UTF8", "windows-1252", "latin-1").

    DataError where Python does not know it, or knows it as something else than an encoding of text.
    """
    try:
        b"0".decode(name, "ignore")
        return codecs.lookup(name).name
    except (LookupError, UnicodeError, ValueError):
        raise DataError(
            f"data.encoding = {name!r}: is no encoding of text that Python knows: "
            "give a name such as utf-8, cp1252, latin-1 or utf-16"
        ) from None


def told_encoding(head: bytes) -> str | None:
    """The encoding of a file that starts with `head`, where its bytes prove it; None otherwise.

    A byte order mark proves UTF-8, UTF-16 and UTF-32. Without one UTF-16 and UTF-32 are known by the NUL bytes of
    their digits and separators.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    for size, place, encoding in _UNITS:
        units = len(head) // size
        if units < 2:
            continue
        nul = [head[offset : units * size : size].count(0) / units for offset in range(size)]
        if nul.pop(place) <= _HARDLY and min(nul) >= _MOSTLY and undecodable(head, encoding) is None:
            return encoding
    return None


@dataclass(frozen=True)
class Undecodable:
    """Bytes that are not in an encoding."""

    count: int  # how many bytes
    row: int  # the line of the first of them, from 1
    likely: str | None  # an encoding in which all bytes are text


def undecodable(head: bytes, encoding: str) -> Undecodable | None:
    """The bytes of `head` that are not in the encoding; None where all are. A character cut off at its end is not one.

    Args:
        head: the first bytes of a file.
        encoding: any name of the encoding that was given or assumed.
    """
    codec = codec_of(encoding)
    spans = _bad_spans(head, codec)
    if not spans:
        return None
    before = head[: spans[0][0]].decode(codec, errors="replace")
    others = [other for other in _LIKELY if other != codec and not _bad_spans(head, other)]
    return Undecodable(
        count=sum(end - start for start, end in spans),
        row=1 + len(_LINE_END.findall(before)),
        likely=others[0] if others else None,
    )


def is_superset_of_ascii(codec: str) -> bool:
    """Whether a file in this encoding can be cut into lines at the bytes of LF and CR.

    True of UTF-8, latin-1, cp125x and the like; false of UTF-16, UTF-32, UTF-7, EBCDIC and encodings with escapes.
    """
    every = bytes(range(128))
    try:
        return not codec.startswith("iso2022") and every.decode(codec) == every.decode("ascii")
    except UnicodeError:
        return False


def _bad_spans(head: bytes, codec: str) -> list[tuple[int, int]]:
    """(start, end) of each group of bytes that do not decode, but for a character cut off at the end."""
    decode = codecs.getdecoder(codec)
    if codec in ("utf-16", "utf-32"):  # after the first bad byte the order of bytes must stay known
        big = head.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
        decode = codecs.getdecoder(f"{codec}-{'be' if big else 'le'}")
    view, at, spans = memoryview(head), 0, []
    while at < len(head):
        try:
            decode(view[at:], "strict")
            break
        except UnicodeDecodeError as error:
            start, end = at + error.start, at + max(error.end, error.start + 1)
            if end >= len(head) and _is_cut_off(head[start:], codec):
                break
            spans.append((start, end))
            at = end
    return spans


def _is_cut_off(tail: bytes, codec: str) -> bool:
    """Whether the last bytes are the beginning of a character, so that more bytes could complete it."""
    decoder = codecs.getincrementaldecoder(codec)("strict")
    try:
        return decoder.decode(tail) == ""
    except UnicodeError:
        return False
