"""Records of a text file in any encoding and layout, read from a stream by Python alone.

The fast readers of plain files cut at every line end and know UTF-8 alone. This one is for the files that need more: a
quoted field over several lines, escapes, UTF-16, a matrix with a user a row, the blocks of the Netflix prize.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from recsys.data.text.encodings import BOM, codec_of
from recsys.data.text.fields import FieldParser
from recsys.errors import DataError

LONG, WIDE, NETFLIX = "long", "wide", "netflix"
LINE_CHARS = 500  # how much of a record's text is kept
_PIECE_BYTES = 1 << 20
_LONGEST_LINE = 1 << 27  # characters: such a file has no lines
_HEADING = re.compile(r"\s*(\d+):\s*", re.ASCII)
_NETFLIX_FIELDS = 4  # of a rating: user, movie, rating, date
NOT_A_CELL = frozenset(("", "na", "n/a", "nan", "null", "none"))  # in lower case: an empty cell of a matrix


@dataclass(frozen=True)
class RecordFormat:
    """How the records of a text file are written."""

    separator: str  # one or more characters; " " stands for any run of blanks and tabs
    quoted: bool  # fields may be in double quotes, in which "" and \" are a quote and line breaks are text
    encoding: str  # any name that Python knows
    layout: str = LONG  # a rating a row (long), a user a row (wide), or a heading a movie (netflix)
    header: bool = False  # wide: the first row holds the names of the movies
    id_column: int | None = None  # wide: the 0-based column of the user's id; None: users are numbered
    count_column: int | None = None  # wide: the 0-based column with the number of ratings in the row
    first_value_column: int = 0  # wide: the 0-based column of the first movie
    row_fields: int = 0  # fields of a row where no field is prose: a quoted field then holds no line of so many fields


class Record(NamedTuple):
    """One record of a file."""

    row: int  # the number of its first line in the file, from 1; blank lines count
    fields: list[str]
    line: str  # its text, the first LINE_CHARS characters; line breaks are LF
    stray_quote: bool = False  # a quote without an end: the field ends with the line


def read_records(stream: BinaryIO, form: RecordFormat, file: str) -> Iterator[Record]:
    """The records of a stream of (decompressed) bytes, in order, headers included but for the layout wide.

    Lines end with LF, CR LF or CR, which are LF within fields. A byte order mark is left out, bytes that are not in the
    encoding become U+FFFD, and blank lines are no records.

    Of the layout wide there is a record a cell that is not empty: user, movie, value. The user is the cell of the id
    column, or the number of the row among those that are not blank and no header. The movie is its name in the header,
    or the number of its column among those of movies, from 1. Empty are blanks, NA, NaN and NULL.

    Of the layout netflix there is a record a rating: user, movie, rating, date (with `row_fields` = 3 without date).
    Any other line but a heading is a record with the line as its only field, so that it cannot pass for a rating.

    Args:
        stream: of the file from its start.
        form: how it is written.
        file: its name, for messages.

    Raises:
        DataError: where the file has no lines or another layout than the three.
    """
    if form.layout == WIDE:
        return _wide_records(_lines_cut(stream, form, file), form)
    if form.layout == NETFLIX:
        return _netflix_records(_lines_cut(stream, form, file), (form.row_fields or _NETFLIX_FIELDS) - 1)
    if form.layout != LONG:
        raise DataError(f"{file}: data.layout = {form.layout!r}: expected {LONG}, {WIDE} or {NETFLIX}")
    return _lines_cut(stream, form, file)


def _lines_cut(stream: BinaryIO, form: RecordFormat, file: str) -> Iterator[Record]:
    """A record a line, or of several lines where a quoted field spans them."""
    parser = FieldParser(form.separator, form.quoted, form.row_fields)
    split, separator = parser.split, form.separator
    row, waiting = 1, ""
    for text, last in _whole_lines(stream, codec_of(form.encoding), file):
        lines = f"{waiting}{text}".split("\n")
        if not last:
            lines.pop()  # after the last line end there is nothing
        if not form.quoted or ('"' not in text and not waiting):
            if separator == " ":
                for line in lines:
                    if fields := split(line):
                        yield Record(row, fields, line[:LINE_CHARS])
                    row += 1
            else:
                for line in lines:
                    if line:
                        yield Record(row, line.split(separator), line[:LINE_CHARS])
                    row += 1
            continue
        at, waiting = 0, ""
        while at < len(lines):
            line = lines[at]
            if '"' not in line:
                if line and (fields := split(line)):
                    yield Record(row, fields, line[:LINE_CHARS])
                at, row = at + 1, row + 1
                continue
            parsed = parser.parse(lines, at, last)
            if parsed is None:
                waiting = "\n".join(lines[at:]) + "\n"
                break
            fields, spanned, stray = parsed
            if spanned > 1:
                line = "\n".join(lines[at : at + spanned])
            yield Record(row, fields, line[:LINE_CHARS], stray)
            at, row = at + spanned, row + spanned


def _whole_lines(stream: BinaryIO, codec: str, file: str) -> Iterator[tuple[str, bool]]:
    """(text, whether it is the file's last). Each but the last ends with LF, which every line end has become."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(codec)("replace"), translate=True)
    waiting: list[str] = []
    length, begins = 0, True
    while piece := stream.read(_PIECE_BYTES):
        text = decoder.decode(piece)
        if begins and text:
            text, begins = text.removeprefix(BOM), False
        cut = text.rfind("\n") + 1
        if cut:
            yield "".join([*waiting, text[:cut]]), False
            waiting, length = [], 0
        waiting.append(text[cut:])
        length += len(text) - cut
        if length > _LONGEST_LINE:
            raise DataError(
                f"{file}: a line has more than {_LONGEST_LINE:,} characters: it is no text file in {codec} with a "
                "record a line: convert it, or set data.encoding"
            )
    yield "".join([*waiting, decoder.decode(b"", final=True)]), True


def _wide_records(rows: Iterator[Record], form: RecordFormat) -> Iterator[Record]:
    names: list[str] = []
    if form.header:
        names = [name.strip() for name in next(rows, Record(0, [], "")).fields]
    other = {form.id_column, form.count_column}
    movies: list[tuple[int, str]] = []  # (column, movie) of as many columns as the widest row so far has
    for number, record in enumerate(rows, 1):
        fields = record.fields
        for column in range(len(movies) + form.first_value_column, len(fields)):
            name = names[column] if column < len(names) else ""
            movies.append((column, name or str(column - form.first_value_column + 1)))
        user = str(number)
        if form.id_column is not None:
            user = fields[form.id_column].strip() if form.id_column < len(fields) else ""
        for column, movie in movies[: max(len(fields) - form.first_value_column, 0)]:
            value = fields[column]
            if column not in other and (value[:1].isdigit() or value.strip().lower() not in NOT_A_CELL):
                yield Record(record.row, [user, movie, value], record.line, record.stray_quote)


def _netflix_records(rows: Iterator[Record], fields_of_line: int) -> Iterator[Record]:
    movie = None
    for record in rows:
        fields = record.fields
        if len(fields) == fields_of_line and movie is not None:
            yield record._replace(fields=[fields[0], movie, *fields[1:]])
        elif len(fields) == 1 and (heading := _HEADING.fullmatch(fields[0])):
            movie = heading[1]
        else:
            yield record._replace(fields=[record.line])
