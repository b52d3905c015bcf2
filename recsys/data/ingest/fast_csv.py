"""Lines in the plain form of MovieLens' own files, parsed a batch at once; every other line is handed back as it is,
for the parser of all layouts (`recsys.data.ingest.parse`). Both give the same for a plain line."""

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
from recsys.data.ingest.arrow_chunks import CHUNK_ROWS, READ, TABLE, TOLD_SCHEMA, Batches, chunk_columns
from recsys.data.ingest.byte_ranges import read_texts, readable, tasks_of
from recsys.data.ingest.parse import FILE, FILES_NUMBERED, HEADER, POSITION, number_files, parse_fields
from recsys.data.sources.layout import TextLayout

if TYPE_CHECKING:
    from recsys.data.sources.files import Source  # what executors import stays small

ODD = "odd"  # the lines that are not plain
_VALUE = "value"
_PLAIN_BYTES = b"0123456789.-\n"
_FORMS = {USER: r"\d{1,18}", MOVIE: r"\d{1,18}", RATING: r"\d{1,9}(?:\.\d{1,9})?", TIMESTAMP: r"-?\d{1,18}"}
_TYPES = {USER: pa.int64(), MOVIE: pa.int64(), RATING: pa.float32(), TIMESTAMP: pa.int64()}


@dataclass(frozen=True)
class PlainForm:
    """Which lines of a layout are plain, and how they are parsed."""

    layout: TextLayout

    @staticmethod
    def of(layout: TextLayout | None, integer_ids: bool) -> PlainForm | None:
        """The plain form of that layout; None where no line is likely to have it."""
        if layout is None or not integer_ids or layout.encoding != "UTF-8":
            return None
        return PlainForm(layout)

    @cached_property
    def pattern(self) -> str:
        """What a plain line matches: only canonical numbers, no quotes."""
        other = rf"[^{re.escape(self.layout.separator[0])}\"]*"
        forms = [_FORMS.get(name, other) for name in self._columns]
        return "^(?:" + re.escape(self.layout.separator).join(forms) + ")$"

    def may_be_numbers(self, text: bytes) -> bool:
        """Whether the lines hold nothing but what plain numbers are written with; never where a header does, too."""
        allowed = _PLAIN_BYTES + self.layout.separator.encode()
        header = (self.layout.header or "no header").encode()
        return bool(header.translate(None, allowed)) and not text.translate(None, allowed)

    def tell_apart(self, lines: pa.Array) -> tuple[pa.Array, pa.Array, int]:
        """Which lines are plain, which are neither that nor a header nor blank (bool), and how many are headers."""
        plain = pc.match_substring_regex(lines, self.pattern)
        other = pc.and_not(pc.not_equal(lines, ""), plain)
        if self.layout.header is None:
            return plain, other, 0
        is_header = pc.equal(lines, self.layout.header)
        return pc.and_not(plain, is_header), pc.and_not(other, is_header), is_header.true_count

    def parse(self, text: bytes, lines: int) -> pa.Table | None:
        """(user, movie, rating[, timestamp]) of that many plain lines; None where one of them is not plain."""
        separator = self.layout.separator.encode()
        if separator != b"," and (len(separator) > 1 or separator in _PLAIN_BYTES):
            if b"," in text:
                return None
            text, separator = text.replace(separator, b","), b","
        try:
            table = pacsv.read_csv(
                pa.py_buffer(text),
                pacsv.ReadOptions(use_threads=False, block_size=max(len(text), 1), column_names=self._columns),
                pacsv.ParseOptions(delimiter=separator.decode(), quote_char=False),
                pacsv.ConvertOptions(
                    column_types=_TYPES, include_columns=list(self.layout.positions), null_values=[""]
                ),
            )
        except pa.ArrowInvalid:
            return None
        return table if table.num_rows == lines and not any(c.null_count for c in table.columns) else None

    @cached_property
    def _columns(self) -> list[str]:
        names = {place: name for name, place in self.layout.positions.items()}
        return [names.get(place, f"column {place}") for place in range(self.layout.fields)]


def _joined(lines: pa.Array) -> bytes:
    """The lines with a line end behind each."""
    whole = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
    return bytes(pc.binary_join(whole, pa.scalar("\n", lines.type))[0].as_buffer()) + (b"\n" if len(lines) else b"")


def _split(text: bytes) -> pa.Array:
    """The lines (string) of a text in which each has a line end behind it; what is in them is not looked at."""
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    starts = np.append(0, ends - np.arange(len(ends))).astype(np.int32)
    buffers = [None, pa.py_buffer(starts), pa.py_buffer(text.replace(b"\n", b""))]
    return pa.Array.from_buffers(pa.string(), len(ends), buffers)


def read_chunks(spark: SparkSession, source: Source, form: PlainForm) -> DataFrame:
    """The lines of a text source as chunks, and beside them the lines that are not plain, with their place (odd)."""
    many = source.files > 1
    local = all(name.startswith("file:/") for name in source.names)
    tasks = tasks_of([readable(name) for name in source.names]) if local else None
    file_type = "int" if tasks is not None or len(source.names) <= FILES_NUMBERED else "string"
    file = f", {FILE}: {file_type}" if many else ""
    schema = f"{TOLD_SCHEMA}, {TABLE} binary, {ODD} array<struct<{POSITION}: bigint, {_VALUE}: string{file}>>"

    def parse_batches(batches: Batches) -> Batches:
        task = TaskContext.get()
        texts = ((_joined(batch[_VALUE]), batch[FILE] if many else None) for batch in batches)
        return parse_texts(texts, form, task.partitionId() if task else 0)

    def parse_ranges(batches: Batches) -> Batches:
        for number in (number for batch in batches for number in batch["id"].to_pylist()):
            texts = ((text, one.file if many else None) for one in (tasks or [])[number] for text in read_texts(one))
            yield from parse_texts(texts, form, number)

    if tasks is not None:
        return spark.range(0, len(tasks), 1, len(tasks)).mapInArrow(parse_ranges, schema)
    lines = spark.read.text(source.path)
    if many:
        lines = number_files(lines.withColumn(FILE, F.input_file_name()), source)
    return lines.mapInArrow(parse_batches, schema)


def parse_texts(
    texts: Iterable[tuple[bytes, pa.Array | int | None]], form: PlainForm, part: int = 0
) -> Iterator[pa.RecordBatch]:
    """The lines of one task as chunks: texts, an end behind each line, with the file of all of one or of each line."""
    place = part << 33  # as monotonically_increasing_id counts
    waiting = _Waiting()
    for text, file in texts:
        place += waiting.add(text, place, file, form)
        if waiting.rows >= CHUNK_ROWS:
            yield waiting.chunk()
            waiting = _Waiting()
    if waiting.rows or waiting.headers:
        yield waiting.chunk()


class _Waiting:
    """What lines held, until it is enough for a chunk."""

    def __init__(self) -> None:
        self.rows = self.headers = 0
        self._tables: list[pa.Table] = []
        self._odd: list[pa.RecordBatch] = []

    def add(self, text: bytes, place: int, file: pa.Array | int | None, form: PlainForm) -> int:
        """Takes in lines, the first one at `place`; how many they are."""
        count = text.count(b"\n")
        columns = {POSITION: pa.array(np.arange(place, place + count))}
        if file is not None:
            columns[FILE] = pa.repeat(pa.scalar(file, pa.int32()), count) if isinstance(file, int) else file
        places = pa.RecordBatch.from_pydict(columns)
        if not self._odd:
            self._add_odd(_lines_at(places.slice(0, 0), pa.array([], pa.string())))  # their types
        if form.may_be_numbers(text) and self._add_plain(text, places, form):
            return count
        lines = _split(text)
        plain, other, headers = form.tell_apart(lines)
        self.headers += headers
        every = _lines_at(places, lines)
        self._add_odd(every.filter(other))
        if not self._add_plain(_joined(lines.filter(plain)), places.filter(plain), form):
            self._add_odd(every.filter(plain))
        return count

    def _add_plain(self, text: bytes, places: pa.RecordBatch, form: PlainForm) -> bool:
        table = form.parse(text, places.num_rows) if places.num_rows else None
        if table is None:
            return False
        table = table.append_column(POSITION, places[POSITION])
        if FILE in places.schema.names:
            table = table.append_column(FILE, places[FILE].dictionary_encode())
        self._tables.append(table)
        self.rows += table.num_rows
        return True

    def _add_odd(self, lines: pa.RecordBatch) -> None:
        self._odd.append(lines)
        self.rows += lines.num_rows

    def chunk(self) -> pa.RecordBatch:
        """All of it as one row."""
        table = pa.concat_tables(self._tables).unify_dictionaries() if self._tables else None
        told = {READ: self.headers + (table.num_rows if table else 0), HEADER: self.headers}
        columns = chunk_columns(table, told)
        odd = pa.concat_batches(self._odd).to_struct_array()
        columns[ODD] = pa.ListArray.from_arrays(pa.array([0, len(odd)], pa.int32()), odd)
        return pa.RecordBatch.from_pydict(columns)


def _lines_at(places: pa.RecordBatch, lines: pa.Array) -> pa.RecordBatch:
    """(position, value[, file]) of lines."""
    columns = dict(zip(places.schema.names, places.columns, strict=True))
    return pa.RecordBatch.from_pydict({POSITION: columns.pop(POSITION), _VALUE: lines, **columns})


def odd_rows(chunks: DataFrame, source: Source) -> DataFrame:
    """The lines of `read_chunks` that are not plain, split into fields as `read_rows` does."""
    lines = chunks.select(F.explode(ODD).alias("line")).select("line.*")
    if FILE not in lines.columns:
        lines = lines.withColumn(FILE, F.lit(""))
    return parse_fields(lines, source)
