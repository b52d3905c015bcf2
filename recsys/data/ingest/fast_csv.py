"""The fast parser: lines written as in MovieLens' own files, many at a time.

The full parser of all layouts (`recsys.data.ingest.parse`) gets every line of ratings in another form, and a file of
movies as a whole where one line has another form. Both parsers give the same for the lines that the fast one takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys.columns import MOVIE, RATING, TIMESTAMP, USER
from recsys.data.ingest.arrow_chunks import CHUNK_ROWS, COUNTS_SCHEMA, READ, TABLE, Batches, chunk_columns
from recsys.data.ingest.byte_ranges import read_texts, tasks_of
from recsys.data.ingest.parse import Reading
from recsys.data.ingest.rows import FILE, FILES_NUMBERED, HEADER, POSITION, number_files, parse_fields
from recsys.data.sources.layout import TextLayout
from recsys.files import readable_path

if TYPE_CHECKING:
    from recsys.data.sources.source import Source  # so that executors import little

_NULLS = ["", *(word for name in ("null", "nan", "<na>") for word in (name, name.upper(), name.title())), "NaN", "\\N"]
OTHER = "other"  # the lines that are left to the full parser
_VALUE = "value"
_NUMBER_BYTES = b"0123456789.-\n"
_FORMS = {RATING: r"-?\d{1,9}(?:\.\d{1,9})?", TIMESTAMP: r"-?\d{1,18}"}
_TYPES = {RATING: pa.float32(), TIMESTAMP: pa.int64()}
INTEGER = r"(?:0|[1-9]\d{0,17})"  # written back it is the same text


@dataclass(frozen=True)
class FastForm:
    """Which lines of ratings the fast parser takes in a layout, and how it parses them."""

    layout: TextLayout
    integer_users: bool = True
    integer_movies: bool = True

    @staticmethod
    def of(layout: TextLayout | None, reading: Reading) -> FastForm | None:
        """The form for that layout; None where hardly any line can have it."""
        if layout is None or layout.records or layout.encoding != "UTF-8" or layout.decimal != ".":
            return None
        if reading.times.stored != reading.times.per_second:
            return None
        return FastForm(layout, reading.integer_users, reading.integer_movies)

    @cached_property
    def pattern(self) -> str:
        """The regular expression of a line that the fast parser takes: only canonical numbers, no quotes."""
        other = rf"[^{re.escape(self.layout.separator[0])}\"]*"
        # a text id of ASCII alone, without the separator's first character
        text = "".join(chr(n) for n in range(0x21, 0x7F) if chr(n) not in f'"{self.layout.separator[0]}')
        ids = {True: INTEGER, False: f"[{re.escape(text)}]+"}
        known = {**_FORMS, USER: ids[self.integer_users], MOVIE: ids[self.integer_movies]}
        forms = [known.get(name, other) for name in self._columns]
        return "^(?:" + re.escape(self.layout.separator).join(forms) + ")$"

    def may_be_numbers(self, text: bytes) -> bool:
        """Whether the text holds only bytes of canonical numbers; false where a header could hold only these too."""
        allowed = _NUMBER_BYTES + self.layout.separator.encode()
        header = (self.layout.header or "no header").encode()
        if not header.translate(None, allowed) or text.translate(None, allowed):
            return False
        return not _has_leading_zeros(text, self.layout.separator.encode())

    def classify(self, lines: pa.Array) -> tuple[pa.Array, pa.Array, int]:
        """(mask of the lines to parse fast, mask of the other lines, number of headers); blank lines are in neither."""
        fast = pc.match_substring_regex(lines, self.pattern)
        other = pc.and_not(pc.not_equal(lines, ""), fast)
        if self.layout.header is None:
            return fast, other, 0
        is_header = pc.equal(lines, self.layout.header)
        return pc.and_not(fast, is_header), pc.and_not(other, is_header), is_header.true_count

    def parse(self, text: bytes, lines: int) -> pa.Table | None:
        """(user, movie, rating[, timestamp]) of so many lines; None where one of them has another form."""
        separator = self.layout.separator.encode()
        if separator != b"," and (len(separator) > 1 or separator in _NUMBER_BYTES):
            if b"," in text:
                return None
            text, separator = text.replace(separator, b","), b","
        try:
            table = pacsv.read_csv(
                pa.py_buffer(text),
                pacsv.ReadOptions(use_threads=False, block_size=max(len(text), 1), column_names=self._columns),
                pacsv.ParseOptions(delimiter=separator.decode(), quote_char=False),
                pacsv.ConvertOptions(
                    column_types=self._types,
                    include_columns=list(self.layout.positions),
                    null_values=_NULLS,
                    strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid:
            return None
        if table.num_rows != lines or any(c.null_count for c in table.columns):
            return None
        if RATING not in self.layout.positions:
            table = table.append_column(RATING, pa.array(np.ones(lines, np.float32)))
        return table

    @cached_property
    def _types(self) -> dict[str, pa.DataType]:
        ids = {True: pa.int64(), False: pa.string()}
        return {**_TYPES, USER: ids[self.integer_users], MOVIE: ids[self.integer_movies]}

    @cached_property
    def _columns(self) -> list[str]:
        names = {position: name for name, position in self.layout.positions.items()}
        return [names.get(position, f"column {position}") for position in range(self.layout.fields)]


def read_chunks(spark: SparkSession, source: Source, form: FastForm) -> DataFrame:
    """The lines of a text source as chunks, and beside them the lines for the full parser, with position (other)."""
    many = source.files > 1
    local = all(name.startswith("file:/") for name in source.names)
    tasks = tasks_of([readable_path(name) for name in source.names]) if local else None
    file_type = "int" if tasks is not None or len(source.names) <= FILES_NUMBERED else "string"
    file = f", {FILE}: {file_type}" if many else ""
    schema = f"{COUNTS_SCHEMA}, {TABLE} binary, {OTHER} array<struct<{POSITION}: bigint, {_VALUE}: string{file}>>"

    def parse_batches(batches: Batches) -> Batches:
        task = TaskContext.get()
        texts = ((_joined(batch[_VALUE]), batch[FILE] if many else None) for batch in batches)
        return parse_texts(texts, form, task.partitionId() if task else 0)

    def parse_ranges(batches: Batches) -> Batches:
        for number in (number for batch in batches for number in batch["id"].to_pylist()):
            ranges = (tasks or [])[number]
            texts = ((text, part.file if many else None) for part in ranges for text in read_texts(part))
            yield from parse_texts(texts, form, number)

    if tasks is not None:
        return spark.range(0, len(tasks), 1, len(tasks)).mapInArrow(parse_ranges, schema)
    lines = spark.read.text(source.spark_paths)
    if many:
        lines = number_files(lines.withColumn(FILE, F.input_file_name()), source)
    return lines.mapInArrow(parse_batches, schema)


def parse_texts(
    texts: Iterable[tuple[bytes, pa.Array | int | None]], form: FastForm, task: int = 0
) -> Iterator[pa.RecordBatch]:
    """The lines of one task as chunks.

    Args:
        texts: pairs of lines, each with LF at its end, and their file: one for all lines, or one for each.
        form: of the lines to parse.
        task: the number of the task.
    """
    position = task << 33  # as monotonically_increasing_id counts
    buffer = _Buffer()
    for text, file in texts:
        position += buffer.add(text, position, file, form)
        if buffer.rows >= CHUNK_ROWS:
            yield buffer.chunk()
            buffer = _Buffer()
    if buffer.rows or buffer.headers:
        yield buffer.chunk()


class _Buffer:
    """Parsed lines until there are enough of them for a chunk."""

    def __init__(self) -> None:
        self.rows = self.headers = 0
        self._tables: list[pa.Table] = []
        self._other: list[pa.RecordBatch] = []

    def add(self, text: bytes, position: int, file: pa.Array | int | None, form: FastForm) -> int:
        """Adds lines, the first of which is at `position`; the number of lines."""
        count = text.count(b"\n")
        columns = {POSITION: pa.array(np.arange(position, position + count))}
        if file is not None:
            columns[FILE] = pa.repeat(pa.scalar(file, pa.int32()), count) if isinstance(file, int) else file
        positions = pa.RecordBatch.from_pydict(columns)
        if not self._other:
            self._add_other(_lines_at(positions.slice(0, 0), pa.array([], pa.string())))  # for the types
        if form.may_be_numbers(text) and self._add_fast(text, positions, form):
            return count
        lines = _split(text)
        fast, other, headers = form.classify(lines)
        self.headers += headers
        every = _lines_at(positions, lines)
        self._add_other(every.filter(other))
        if not self._add_fast(_joined(lines.filter(fast)), positions.filter(fast), form):
            self._add_other(every.filter(fast))
        return count

    def _add_fast(self, text: bytes, positions: pa.RecordBatch, form: FastForm) -> bool:
        table = form.parse(text, positions.num_rows) if positions.num_rows else None
        if table is None:
            return False
        table = table.append_column(POSITION, positions[POSITION])
        if FILE in positions.schema.names:
            table = table.append_column(FILE, positions[FILE].dictionary_encode())
        self._tables.append(table)
        self.rows += table.num_rows
        return True

    def _add_other(self, lines: pa.RecordBatch) -> None:
        self._other.append(lines)
        self.rows += lines.num_rows

    def chunk(self) -> pa.RecordBatch:
        """All lines as one row."""
        table = pa.concat_tables(self._tables).unify_dictionaries() if self._tables else None
        counts = {READ: self.headers + (table.num_rows if table else 0), HEADER: self.headers}
        columns = chunk_columns(table, counts)
        other = pa.concat_batches(self._other).to_struct_array()
        columns[OTHER] = pa.ListArray.from_arrays(pa.array([0, len(other)], pa.int32()), other)
        return pa.RecordBatch.from_pydict(columns)


def other_rows(chunks: DataFrame, source: Source) -> DataFrame:
    """The lines that `read_chunks` left to the full parser, split into fields as `read_rows` does."""
    lines = chunks.select(F.explode(OTHER).alias("line")).select("line.*")
    if FILE not in lines.columns:
        lines = lines.withColumn(FILE, F.lit(""))
    return parse_fields(lines, source)


def _has_leading_zeros(text: bytes, separator: bytes) -> bool:
    """Whether a field of numbers begins with a zero that digits follow. Counted in C: a search by lines costs more."""
    for before in (b"\n", separator):
        # a zero before a decimal point is frequent, as in 0.5; a zero alone is rare
        zeros = text.count(before + b"0")
        zeros -= text.count(before + b"0.") if zeros else 0
        if zeros and zeros > text.count(before + b"0\n") + text.count(before + b"0" + separator):
            return True
    if b"-" in text and text.count(b"-0") > text.count(b"-0."):
        return True
    return text[:1] == b"0" and text[1:2].isdigit()


def _joined(lines: pa.Array) -> bytes:
    """The lines as one text, with LF after each."""
    whole = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
    return bytes(pc.binary_join(whole, pa.scalar("\n", lines.type))[0].as_buffer()) + (b"\n" if len(lines) else b"")


def _split(text: bytes) -> pa.Array:
    """The lines (string) of a text in which LF ends each line; their bytes are not checked to be UTF-8."""
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    starts = np.append(0, ends - np.arange(len(ends))).astype(np.int32)
    buffers = [None, pa.py_buffer(starts), pa.py_buffer(text.replace(b"\n", b""))]
    return pa.Array.from_buffers(pa.string(), len(ends), buffers)


def _lines_at(positions: pa.RecordBatch, lines: pa.Array) -> pa.RecordBatch:
    """(position, value[, file]) of lines."""
    columns = dict(zip(positions.schema.names, positions.columns, strict=True))
    return pa.RecordBatch.from_pydict({POSITION: columns.pop(POSITION), _VALUE: lines, **columns})
