"""Lines in the plain form of MovieLens' own files, parsed a batch at once; every other line is handed back as it is,
for the parser of all layouts (`recsys.ratings.read`). Both give the same for a plain line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from py4j.protocol import Py4JError
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys.columns import MOVIE, RATING, TIMESTAMP, USER
from recsys.ratings.chunks import CHUNK_ROWS, READ, TABLE, TOLD_SCHEMA, Batches, chunk_columns
from recsys.ratings.layout import TextLayout
from recsys.ratings.read import FILE, FILES_NUMBERED, HEADER, POSITION, number_files, parse_fields

if TYPE_CHECKING:
    from recsys.ratings.sources import Source  # what executors import stays small

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

    def may_be_numbers(self, lines: pa.Array) -> bool:
        """Whether the lines hold nothing but what plain numbers are written with; never where a header does, too."""
        allowed = _PLAIN_BYTES + self.layout.separator.encode()
        header = (self.layout.header or "no header").encode()
        return bool(header.translate(None, allowed)) and not bytes(_data(lines)).translate(None, allowed)

    def tell_apart(self, lines: pa.Array) -> tuple[pa.Array, pa.Array, int]:
        """Which lines are plain, which are neither that nor a header nor blank (bool), and how many are headers."""
        plain = pc.match_substring_regex(lines, self.pattern)
        other = pc.and_not(pc.not_equal(lines, ""), plain)
        if self.layout.header is None:
            return plain, other, 0
        is_header = pc.equal(lines, self.layout.header)
        return pc.and_not(plain, is_header), pc.and_not(other, is_header), is_header.true_count

    def parse(self, lines: pa.Array) -> pa.Table | None:
        """(user, movie, rating[, timestamp]) of plain lines; None where one of them is not plain."""
        separator = self.layout.separator.encode()
        text = _joined(lines)
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
        return table if table.num_rows == len(lines) and not any(c.null_count for c in table.columns) else None

    @cached_property
    def _columns(self) -> list[str]:
        names = {place: name for name, place in self.layout.positions.items()}
        return [names.get(place, f"column {place}") for place in range(self.layout.fields)]


def _joined(lines: pa.Array) -> bytes:
    """The lines with a line end between them."""
    whole = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
    return bytes(pc.binary_join(whole, pa.scalar("\n", lines.type))[0].as_buffer())


def _data(lines: pa.Array) -> memoryview:
    """The bytes of all lines, without what stands between them."""
    offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return memoryview(lines.buffers()[2] or b"")[offsets[0] : offsets[-1]] if len(lines) else memoryview(b"")


def read_chunks(spark: SparkSession, source: Source, form: PlainForm) -> DataFrame:
    """The lines of a text source as chunks, and beside them the lines that are not plain, with their place (odd)."""
    lines = spark.read.text(source.path)
    many = source.files > 1
    file_of_task = _file_of_task(lines, source) if many else {}
    if file_of_task is None:
        lines = number_files(lines.withColumn(FILE, F.input_file_name()), source)
    file_type = "string" if len(source.names) > FILES_NUMBERED else "int"
    file = f", {FILE}: {file_type}" if many else ""
    schema = f"{TOLD_SCHEMA}, {TABLE} binary, {ODD} array<struct<{POSITION}: bigint, {_VALUE}: string{file}>>"

    def parse(batches: Batches) -> Batches:
        task = TaskContext.get()
        part = task.partitionId() if task else 0
        return parse_lines(batches, form, part, file_of_task.get(part) if file_of_task else None)

    return lines.mapInArrow(parse, schema)


def _file_of_task(lines: DataFrame, source: Source) -> dict[int, int] | None:
    """The number of the file that each task reads, as `number_files` has it; None where a task reads several.

    To say it here spares a column beside every line.
    """
    if len(source.names) > FILES_NUMBERED:
        return None
    number = {name: place for place, name in enumerate(source.names, 1)}
    found: dict[int, int] = {}
    try:
        for part in lines._jdf.queryExecution().toRdd().partitions():
            names = {str(file.filePath().toString()) for file in part.files()}
            if len(names) != 1:
                return None
            found[int(part.index())] = number[names.pop()]
    except (Py4JError, KeyError, TypeError):
        return None  # Spark's inside, not its interface: any doubt, and the lines tell it themselves
    return found


def parse_lines(batches: Batches, form: PlainForm, part: int = 0, file: int | None = None) -> Iterator[pa.RecordBatch]:
    """Batches of lines (value[, file]) of one task as chunks; `file` where they do not tell it."""
    place = part << 33  # as monotonically_increasing_id counts
    waiting = _Waiting()
    for batch in batches:
        columns = {POSITION: pa.array(np.arange(place, place + batch.num_rows)), _VALUE: batch[_VALUE]}
        place += batch.num_rows
        if FILE in batch.schema.names:
            columns[FILE] = batch[FILE]
        elif file is not None:
            columns[FILE] = pa.repeat(pa.scalar(file, pa.int32()), batch.num_rows)
        waiting.add(pa.RecordBatch.from_pydict(columns), form)
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

    def add(self, lines: pa.RecordBatch, form: PlainForm) -> None:
        """Takes in lines (position, value[, file])."""
        if not self._odd:
            self._odd.append(lines.slice(0, 0))  # their types
        if form.may_be_numbers(lines[_VALUE]) and self._add_plain(lines, form):
            return
        plain, other, headers = form.tell_apart(lines[_VALUE])
        self.headers += headers
        self._add_odd(lines.filter(other))
        lines = lines.filter(plain)
        if not self._add_plain(lines, form):
            self._add_odd(lines)

    def _add_plain(self, lines: pa.RecordBatch, form: PlainForm) -> bool:
        table = form.parse(lines[_VALUE]) if lines.num_rows else None
        if table is None:
            return False
        table = table.append_column(POSITION, lines[POSITION])
        if FILE in lines.schema.names:
            table = table.append_column(FILE, lines[FILE].dictionary_encode())
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


def odd_rows(chunks: DataFrame, source: Source) -> DataFrame:
    """The lines of `read_chunks` that are not plain, split into fields as `read_rows` does."""
    lines = chunks.select(F.explode(ODD).alias("line")).select("line.*")
    if FILE not in lines.columns:
        lines = lines.withColumn(FILE, F.lit(""))
    return parse_fields(lines, source)
