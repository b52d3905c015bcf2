"""The layout of a text file of ratings or movies, detected from its first bytes. Pure functions, no Spark."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recsys.columns import MOVIE, RATING, TIMESTAMP, TITLE, USER
from recsys.errors import DataError

# in order of preference where two of them fit equally well
SEPARATORS = ("::", "\t", ",", ";", "|")
BOM = "\ufeff"
UNDECODABLE = "\ufffd"  # what a byte becomes that is not in the encoding
HEAD_BYTES = 1 << 16  # how much of a file is read to detect its layout

DEFAULT_NAMES = {USER: "userId", MOVIE: "movieId", RATING: "rating", TIMESTAMP: "timestamp", TITLE: "title"}
RATINGS_ORDER = (USER, MOVIE, RATING, TIMESTAMP)
MOVIES_ORDER = (MOVIE, TITLE)
OPTIONAL = (TIMESTAMP,)


@dataclass(frozen=True)
class TextLayout:
    """Where the fields of a text file are."""

    separator: str
    quoted: bool  # fields may be in double quotes, with inner quotes doubled
    encoding: str
    header: str | None  # the header line, or None where the file has none
    positions: Mapping[str, int]  # our column name -> 0-based position
    fields: int = 0  # how many the first line has

    @property
    def width(self) -> int:
        """How many leading fields of a row are of interest."""
        return max(self.positions.values()) + 1


@dataclass(frozen=True)
class Hints:
    """What is known before a file is read; None means: detect it from the file."""

    order: Sequence[str]  # our column names in MovieLens' order
    columns: Mapping[str, str | int]  # our column name -> the file's name or 1-based position
    separator: str | None = None
    header: bool | None = None
    encoding: str | None = None
    quoted: bool | None = None


def detect_layout(head: bytes, hints: Hints, file: str) -> TextLayout:
    """The layout of a file that starts with `head`; DataError, with `file` and the remedy, where there is none."""
    encoding = hints.encoding or "UTF-8"
    if b"\x00" in head:
        raise DataError(f"{file}: not a text file in {encoding} (it holds NUL bytes): convert it, or give Parquet")
    lines = _lines(head, encoding)
    if not lines:
        raise DataError(f"{file}: is empty: expected rows of {', '.join(hints.order)}")
    required = [name for name in hints.order if name not in OPTIONAL]
    separator = hints.separator or _detect_separator(lines, len(required))
    quoted = hints.quoted if hints.quoted is not None else len(separator) == 1
    first = [field.strip() for field in split_line(lines[0], separator, quoted)]
    if len(first) < len(required):
        raise DataError(
            f"{file}: row 1 has {len(first)} fields where at least {len(required)} are needed "
            f"({', '.join(required)}): {lines[0][:80]!r}; set data.separator"
        )
    has_header = hints.header if hints.header is not None else _is_header(first, hints, required)
    find = _positions_by_name if has_header else _positions_by_order
    positions = find(first, hints, file)
    return TextLayout(separator, quoted, encoding, lines[0] if has_header else None, positions, len(first))


def split_line(line: str, separator: str, quoted: bool) -> list[str]:
    """The fields of one line."""
    if not quoted or len(separator) > 1:
        return line.split(separator)
    return next(csv.reader([line], delimiter=separator, doublequote=True), [])


def are_integers(values: Sequence[str]) -> bool:
    """Whether ids that look like `values` are integers; a few that do not parse are bad rows, not another type."""
    if not values:
        return True
    bad = sum(not _is_integer(value) for value in values)
    return bad <= 0.1 * len(values)


def sample_fields(head: bytes, layout: TextLayout, name: str) -> list[str]:
    """The values of one column in the first bytes of a file, the header left out."""
    position = layout.positions[name]
    values = []
    for line in _lines(head, layout.encoding):
        fields = split_line(line, layout.separator, layout.quoted)
        if line != layout.header and len(fields) > position and fields[position].strip():
            values.append(fields[position].strip())
    return values


def _lines(head: bytes, encoding: str) -> list[str]:
    """The whole lines in the first bytes of a file, without the last line where it may be cut off."""
    text = head.decode(encoding, errors="replace").removeprefix(BOM)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    whole = (lines[:-1] if len(head) >= HEAD_BYTES else lines) or lines
    return [line for line in whole if line]


def _detect_separator(lines: Sequence[str], fields: int) -> str:
    """The separator that cuts most lines into the same number of fields, at least `fields`.

    Of several such separators it is the one whose first field, an id, holds no other separator: in `1;Matrix, The` the
    comma belongs to the title.
    """

    def score(separator: str) -> tuple[int, int]:
        cut = [split_line(line, separator, len(separator) == 1) for line in lines[:200]]
        number, lines_with_it = Counter(map(len, cut)).most_common(1)[0]
        clean = sum(not any(other in first for other in SEPARATORS) for first, *_ in cut)
        return (lines_with_it, clean) if number >= fields else (0, 0)

    return max(SEPARATORS, key=score)


def _is_header(first: Sequence[str], hints: Hints, required: Sequence[str]) -> bool:
    names = {field.lower() for field in first}
    wanted = [str(hints.columns.get(name, DEFAULT_NAMES[name])).lower() for name in required]
    if all(name in names for name in wanted if not name.isdigit()) and not all(name.isdigit() for name in wanted):
        return True
    numeric = RATING if RATING in hints.order else MOVIE
    reference = hints.columns.get(numeric)
    position = reference - 1 if isinstance(reference, int) else list(hints.order).index(numeric)
    return not (position < len(first) and _is_number(first[position]))


def _positions_by_name(first: Sequence[str], hints: Hints, file: str) -> dict[str, int]:
    names = [field.lower() for field in first]
    positions = {}
    for name in hints.order:
        reference = hints.columns.get(name, DEFAULT_NAMES[name])
        if isinstance(reference, int):
            positions[name] = _checked(reference, first, name, file)
            continue
        matches = [position for position, field in enumerate(names) if field == reference.lower()]
        if len(matches) > 1:
            raise DataError(
                f"{file}: the header has {reference!r} {len(matches)} times: set data.columns.{name} to a position"
            )
        if matches:
            positions[name] = matches[0]
        elif name not in OPTIONAL or name in hints.columns:
            raise DataError(
                f"{file}: no column {reference!r} in row 1 ({', '.join(first)[:120]}): "
                f"name it in data.columns.{name}, or set data.header = false"
            )
    return positions


def _positions_by_order(first: Sequence[str], hints: Hints, file: str) -> dict[str, int]:
    positions = {}
    for position, name in enumerate(hints.order, 1):
        reference = hints.columns.get(name, position)
        if isinstance(reference, str):
            raise DataError(
                f"{file}: data.columns.{name} = {reference!r} is a name, but the file has no header: set a position"
            )
        if reference > len(first) and name in OPTIONAL and name not in hints.columns:
            continue
        positions[name] = _checked(reference, first, name, file)
    return positions


def _checked(position: int, first: Sequence[str], name: str, file: str) -> int:
    if position > len(first):
        raise DataError(f"{file}: data.columns.{name} = {position}, but row 1 has {len(first)} fields")
    return position - 1


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_integer(text: str) -> bool:
    try:
        return -(2**63) <= int(text) < 2**63
    except ValueError:
        return False
