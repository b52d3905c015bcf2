"""The layout of a text file of ratings or movies, detected from its first bytes. Pure functions, no Spark."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from recsys.columns import MOVIE, RATING, TIMESTAMP, TITLE, USER
from recsys.data.sources.columns import (
    DEFAULT_NAMES,
    KNOWN_NAMES,
    MOVIES_ORDER,
    OPTIONAL,
    RATINGS_ORDER,
    Reference,
    columns_by_name,
    columns_by_order,
    counts_by_name,
    plain_name,
)
from recsys.data.text.encodings import codec_of, is_superset_of_ascii, told_encoding
from recsys.data.text.layouts import WideShape, told_blanks, told_decimal, told_layout, told_wide
from recsys.data.text.records import RecordFormat, read_records
from recsys.errors import DataError

__all__ = ["DEFAULT_NAMES", "MOVIES_ORDER", "OPTIONAL", "RATINGS_ORDER"]

# in order of preference where two of them fit equally well
SEPARATORS = ("::", "\t", ",", ";", "|")
BLANKS = " "  # any run of blanks
BOM = "\ufeff"
UNDECODABLE = "\ufffd"  # what a byte becomes that is not in the encoding
HEAD_BYTES = 1 << 17  # how much of a file is read to detect its layout
_SPARK_READS = {"utf-8": "UTF-8", "iso8859-1": "ISO-8859-1"}  # encodings in which Spark reads lines, and its names
_A_TIME = 1e8  # a number from here on is a time, not a rating
_NUMBERED = 20  # so many rows in order are numbered, whatever else a first column may be
_MOSTLY = 0.9  # of the rows


@dataclass(frozen=True)
class TextLayout:
    """Where the fields of a text file are."""

    separator: str
    quoted: bool  # fields may be in double quotes, with inner quotes doubled
    encoding: str
    header: str | None  # the header line, or None where the file has none
    positions: Mapping[str, int]  # our column name -> 0-based position
    fields: int = 0  # how many the first line has
    decimal: str = "."
    layout: str = "long"  # "long", "wide" or "netflix"
    wide: WideShape | None = None
    rest_of_line: bool = False  # the last of our columns holds the rest of the line, with its separators
    records: str = ""  # why the rows are read one by one, a task a file; empty where lines are read in ranges

    @property
    def width(self) -> int:
        """How many leading fields of a row are of interest."""
        return max(self.positions.values()) + 1

    def record_format(self) -> RecordFormat:
        """How the record reader reads the file."""
        prose = TITLE in self.positions or self.layout == "wide"
        form = RecordFormat(
            self.separator,
            self.quoted,
            self.encoding,
            self.layout,
            self.header is not None,
            row_fields=0 if prose else self.fields,
        )
        if self.wide is None:
            return form
        return replace(
            form,
            id_column=self.wide.id_column,
            count_column=self.wide.count_column,
            first_value_column=self.wide.first_value_column,
        )

    def by_records(self, reason: str) -> TextLayout:
        """The same layout, read one record after the other for that reason."""
        return replace(self, records=self.records or reason)


@dataclass(frozen=True)
class Hints:
    """What is known before a file is read; None means: detect it from the file."""

    order: Sequence[str]  # our column names in MovieLens' order
    columns: Mapping[str, Reference]  # our column name -> the file's name or 1-based position, or "none"
    separator: str | None = None
    header: bool | None = None
    encoding: str | None = None
    quoted: bool | None = None
    decimal: str | None = None
    layout: str | None = None
    rest_of_line: bool = False  # the last of our columns holds the rest of the line, with its separators
    skipped_columns: int | None = None  # of a matrix: how many columns stand before the first item's, no ids


def detect_layout(head: bytes, hints: Hints, file: str) -> TextLayout:
    """The layout of a file that starts with `head`; DataError, with `file` and the remedy, where there is none."""
    encoding = hints.encoding or told_encoding(head) or "UTF-8"
    encoding = _SPARK_READS.get(codec_of(encoding), encoding)
    if is_superset_of_ascii(codec_of(encoding)) and b"\x00" in head:
        raise DataError(
            f"{file}: not a text file in {encoding} (it holds NUL bytes): set data.encoding, convert it, or give "
            "Parquet"
        )
    lines = _lines(head, encoding)
    if not lines:
        raise DataError(f"{file}: is empty: expected rows of {', '.join(hints.order)}")
    if USER in hints.order:
        often = max(("\t", ",", ";", "|"), key=lambda sign: sum(line.count(sign) for line in lines))
        separator = hints.separator or often
        named = _names_user_and_movie(split_line(lines[0], separator, quoted=len(separator) == 1))
        form = hints.layout or ("long" if named else told_layout(lines, separator))
        if form != "long":
            return _matrix_or_blocks(lines, form, encoding, separator, hints, file)
    layout = _long(lines, encoding, hints, file)
    if encoding not in _SPARK_READS.values():
        return layout.by_records(f"it is in {encoding}")
    if layout.separator == BLANKS:
        return layout.by_records("its columns are aligned by blanks")
    if layout.quoted and any(needs_records(line) for line in lines):
        return layout.by_records("a quoted field holds a line break, or a quote escaped by a backslash")
    return layout


def needs_records(line: str) -> bool:
    """Whether the quotes of the line do not close, or are escaped by a backslash."""
    return line.count('"') % 2 == 1 or '\\"' in line


def _matrix_or_blocks(
    lines: Sequence[str], form: str, encoding: str, separator: str, hints: Hints, file: str
) -> TextLayout:
    positions = {USER: 0, MOVIE: 1, RATING: 2}
    if form == "netflix":
        dated = any(line.count(",") >= 2 for line in lines)
        positions |= {TIMESTAMP: 3} if dated and hints.columns.get(TIMESTAMP) != "none" else {}
        reason = "it has a block for each movie"
        return TextLayout(",", False, encoding, None, positions, 4 if dated else 3, layout=form, records=reason)
    wide: WideShape | None
    if hints.skipped_columns is not None:
        wide = WideShape(bool(hints.header), None, None, hints.skipped_columns, None)
    else:
        wide = told_wide(lines, separator, given=hints.layout is not None)
    if wide is None:
        raise DataError(
            f"{file}: is no matrix of a user a row: its rows have different numbers of fields, or fields that are no "
            "numbers: set data.layout = 'long', or data.separator"
        )
    header = lines[0] if wide.has_header else None
    decimal = hints.decimal or told_decimal(lines, separator)
    reason = "it has a user a row, a movie a column"
    return TextLayout(separator, True, encoding, header, positions, 3, decimal, layout=form, wide=wide, records=reason)


def _long(lines: Sequence[str], encoding: str, hints: Hints, file: str) -> TextLayout:
    required = [name for name in hints.order if name not in OPTIONAL]
    separator = hints.separator or _detect_separator(lines, len(required))
    if separator != BLANKS and hints.separator is None and separator not in lines[0] and told_blanks(lines):
        separator = BLANKS
    quoted = hints.quoted if hints.quoted is not None else len(separator) == 1 and separator != BLANKS
    first = [field.strip() for field in split_line(lines[0], separator, quoted)]
    if len(first) < len(required):
        raise DataError(
            f"{file}: row 1 has {len(first)} field{'s' if len(first) > 1 else ''} where at least {len(required)} are "
            f"needed ({', '.join(required)}): {lines[0][:80]!r}; set data.separator"
        )
    has_header = hints.header if hints.header is not None else _is_header(first, lines, separator, quoted, hints)
    rows = [split_line(line, separator, quoted) for line in lines[1:200]]
    if USER in hints.order:
        _check_fields(first, rows, hints, file, has_header)
    if has_header:
        positions = columns_by_name(first, hints.order, hints.columns, file)
    else:
        times_third = len(first) == 3 and _third_is_a_time([first, *rows])
        positions = columns_by_order(len(first), hints.order, hints.columns, file, times_third)
    decimal = hints.decimal or told_decimal(lines, separator)
    header = lines[0] if has_header else None
    return TextLayout(
        separator, quoted, encoding, header, positions, len(first), decimal, rest_of_line=hints.rest_of_line
    )


def split_line(line: str, separator: str, quoted: bool) -> list[str]:
    """The fields of one line."""
    if separator == BLANKS:
        return line.split()
    if not quoted or len(separator) > 1:
        return line.split(separator)
    return next(csv.reader([line], delimiter=separator, doublequote=True), [])


def sample_rows(head: bytes, layout: TextLayout) -> list[dict[str, str]]:
    """The rows in the first bytes of a file, the header left out: our column names and their text, without blanks."""
    if layout.records:
        text = "\n".join(_lines(head, layout.encoding))
        form = replace(layout, encoding="utf-8").record_format()
        rows = [record.fields for record in read_records(io.BytesIO(text.encode()), form, "")]
        if layout.layout == "long" and layout.header is not None:
            rows = rows[1:]
    else:
        every = _lines(head, layout.encoding)
        rows = [split_line(line, layout.separator, layout.quoted) for line in every if line != layout.header]
    return [
        {name: fields[position].strip() for name, position in layout.positions.items() if position < len(fields)}
        for fields in rows
    ]


def sample_fields(head: bytes, layout: TextLayout, name: str) -> list[str]:
    """The values of one column in the first bytes of a file, the header left out."""
    return [row[name] for row in sample_rows(head, layout) if row.get(name)]


def header_says_counts(layout: TextLayout) -> bool:
    """Whether the header calls the column of ratings plays or counts."""
    if layout.header is None or RATING not in layout.positions:
        return False
    names = split_line(layout.header, layout.separator, layout.quoted)
    return counts_by_name(names[layout.positions[RATING]])


def _lines(head: bytes, encoding: str) -> list[str]:
    """The whole lines in the first bytes of a file, without the last line where it may be cut off."""
    text = head.decode(codec_of(encoding), errors="replace").removeprefix(BOM)
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


def _is_header(first: Sequence[str], lines: Sequence[str], separator: str, quoted: bool, hints: Hints) -> bool:
    """Whether the first row names the columns."""
    required = [name for name in hints.order if name not in OPTIONAL]
    names = {field.lower() for field in first}
    given = [str(hints.columns.get(name, DEFAULT_NAMES[name])).lower() for name in required]
    if all(name in names for name in given if not name.isdigit()) and not all(name.isdigit() for name in given):
        return True
    numeric = RATING if RATING in hints.order else MOVIE
    if numeric == MOVIE or (len(first) > 2 and hints.columns.get(RATING) != "none"):
        reference = hints.columns.get(numeric)
        position = reference - 1 if isinstance(reference, int) else list(hints.order).index(numeric)
        return not (position < len(first) and _is_number(first[position].replace(",", ".")))
    # likes: no column must be a number, so a header is told by names, or by the numbers below it
    known = {plain_name(field) for field in first}
    if any(known & set(words) for words in _ID_NAMES) or _names_user_and_movie(first):
        return True
    rest = [split_line(line, separator, quoted) for line in lines[1:50]]
    return bool(rest) and any(
        not _is_number(field) and all(n < len(row) and _is_number(row[n]) for row in rest)
        for n, field in enumerate(first)
    )


_ID_NAMES = (frozenset({"user", "userid", "uid"}), frozenset({"item", "itemid", "movie", "movieid"}))


def _names_user_and_movie(fields: Sequence[str]) -> bool:
    """Whether the fields are names, among them one of users and one of movies."""
    names = {plain_name(field) for field in fields}
    return all(names & set(KNOWN_NAMES[name]) for name in (USER, MOVIE))


def _check_fields(
    first: Sequence[str], rows: Sequence[Sequence[str]], hints: Hints, file: str, has_header: bool
) -> None:
    """DataError where the columns of ratings are not where the first row, or MovieLens' order, would have them."""
    given = hints.columns
    if not all(isinstance(given.get(name), int) for name in (USER, MOVIE)):
        widths = Counter(max((n for n, field in enumerate(row, 1) if field.strip()), default=0) for row in rows)
        width, often = widths.most_common(1)[0] if rows else (0, 0)
        if width > len(first) and often >= _MOSTLY * len(rows):
            raise DataError(
                f"{file}: row 1 has {len(first)} fields, the others have {width}: {' | '.join(first)[:80]!r}, "
                f"{' | '.join(rows[0])[:80]!r}: correct or remove row 1 (decimal commas need quotes), or give the "
                "positions in data.columns"
            )
    if has_header:
        return
    if USER not in given and len(first) > 2 and _number_the_rows([row[0] for row in rows]):
        raise DataError(
            f"{file}: its first column numbers the rows: where it is an index, set data.columns.user = 2, "
            "data.columns.movie = 3 and data.columns.rating = 4 (of likes 'none'), else data.columns.user = 1"
        )
    if RATING not in given and TIMESTAMP not in given and len(first) > 3 and _third_is_a_time(rows):
        raise DataError(
            f"{file}: column 3 holds times, such as {rows[0][2]}: set data.columns.timestamp = 3, and "
            "data.columns.rating to a position (or 'none', where every row is a like)"
        )


def _number_the_rows(fields: Sequence[str]) -> bool:
    """Whether fields from row 2 on are the numbers of the rows, from 0 or 1 on. Row 1 may name columns by digits."""
    if len(fields) < _NUMBERED or fields[0] not in ("0", "1", "2"):
        return False
    return list(fields) == [str(number) for number in range(int(fields[0]), int(fields[0]) + len(fields))]


def _third_is_a_time(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the third fields are all times in seconds or finer, so that they are no ratings."""
    thirds = [fields[2] for fields in rows if len(fields) > 2]
    return bool(thirds) and all(_is_number(field) and float(field) >= _A_TIME for field in thirds)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
