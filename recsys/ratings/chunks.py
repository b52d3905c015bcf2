"""Chunks: some hundred thousand typed ratings as one row of a DataFrame, so that Spark moves bytes, not ratings.

A chunk is an Arrow table in Arrow's stream format: `user` and `movie` (int64 or string), `rating` (float32),
`timestamp` (int64 seconds, may be null), `position` (int64, of the row in the input) and, of several files, `file`.
Lines in the plain form of MovieLens' own files are parsed here, a batch at once; every other line is handed
back as it is, for the parser of all layouts (`recsys.ratings.read`). Both give the same for a plain line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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
from recsys.ratings.layout import TextLayout
from recsys.ratings.read import FILE, FILES_NUMBERED, POSITION, number_files, parse_fields

if TYPE_CHECKING:
    from recsys.ratings.sources import Source  # what executors import stays small

TABLE = "table"  # the bytes of a chunk
ROWS = "rows"
HEADERS = "headers"  # how many header lines
OFF = "off"  # how many ratings off the scale
ODD = "odd"  # the lines that are not plain
_VALUE = "value"
_CHUNK_ROWS = 1 << 17
_INT32 = 1 << 31
_FIRST = b"first"  # the position of a chunk's first rating
_WRITE = pa.ipc.IpcWriteOptions(compression="lz4")
_PLAIN_BYTES = b"0123456789.-\n"
_FORMS = {USER: r"\d{1,18}", MOVIE: r"\d{1,18}", RATING: r"\d{1,9}(?:\.\d{1,9})?", TIMESTAMP: r"-?\d{1,18}"}
_TYPES = {USER: pa.int64(), MOVIE: pa.int64(), RATING: pa.float32(), TIMESTAMP: pa.int64()}

Batches = Iterable[pa.RecordBatch]


def pack(table: pa.Table) -> bytes:
    """The bytes of a chunk: integers in 32 bits where they fit, positions as gaps (mostly zero), compressed."""
    columns: dict[str, pa.ChunkedArray | pa.Array] = {name: table[name] for name in table.column_names}
    for name in (USER, MOVIE, TIMESTAMP):
        if name in columns and pa.types.is_int64(columns[name].type):
            columns[name] = _narrow(columns[name])
    positions = table[POSITION].to_numpy()
    gaps = np.diff(positions, prepend=positions[:1] - 1) - 1
    if len(gaps) and gaps.min() >= -_INT32 and gaps.max() < _INT32:
        columns[POSITION] = pa.array(gaps.astype(np.int32))
    first = {_FIRST: str(positions[0] if len(positions) else 0).encode()}
    packed = pa.table(columns).combine_chunks().replace_schema_metadata(first)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, packed.schema, options=_WRITE) as writer:
        writer.write_table(packed)
    return bytes(sink.getvalue())


def unpack(data: pa.Scalar | bytes) -> pa.Table:
    """The chunk of those bytes."""
    with pa.ipc.open_stream(data.as_buffer() if isinstance(data, pa.Scalar) else data) as reader:
        table = reader.read_all()
    columns: dict[str, pa.ChunkedArray | pa.Array] = {name: table[name] for name in table.column_names}
    for name in (USER, MOVIE, TIMESTAMP):
        if name in columns and pa.types.is_int32(columns[name].type):
            columns[name] = columns[name].cast(pa.int64())
    if pa.types.is_int32(columns[POSITION].type):
        steps = columns[POSITION].to_numpy().astype(np.int64) + 1
        columns[POSITION] = pa.array(np.cumsum(steps) - 1 + int(table.schema.metadata[_FIRST]))
    return pa.table(columns)


def _narrow(column: pa.ChunkedArray) -> pa.ChunkedArray:
    ends = pc.min_max(column)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    fits = low is None or (low >= -_INT32 and high < _INT32)
    return column.cast(pa.int32()) if fits else column


def tables_of(batches: Batches) -> Iterator[pa.Table]:
    """The chunks of a DataFrame's record batches, one after the other."""
    for batch in batches:
        for data in batch[TABLE]:
            if data.is_valid:
                yield unpack(data)


@dataclass(frozen=True)
class PlainForm:
    """Which lines are plain, and how they are parsed."""

    layout: TextLayout
    fields: int  # of a line

    @staticmethod
    def of(layout: TextLayout | None, integer_ids: bool) -> PlainForm | None:
        """The plain form of that layout; None where no line is likely to have it."""
        if layout is None or not integer_ids or layout.encoding != "UTF-8":
            return None
        return PlainForm(layout, layout.fields)

    @property
    def pattern(self) -> str:
        """What a plain line matches: only canonical numbers, no quotes."""
        other = rf"[^{re.escape(self.layout.separator[0])}\"]*"
        names = {place: name for name, place in self.layout.positions.items()}
        forms = [_FORMS[names[place]] if place in names else other for place in range(self.fields)]
        return "^(?:" + re.escape(self.layout.separator).join(forms) + ")$"

    def parse(self, lines: pa.Array) -> pa.Table | None:
        """(user, movie, rating[, timestamp]) of plain lines; None where one of them is not plain."""
        separator = self.layout.separator.encode()
        text = _joined(lines)
        if separator != b"," and (len(separator) > 1 or separator in _PLAIN_BYTES):
            if b"," in text:
                return None
            text, separator = text.replace(separator, b","), b","
        return self._read(text, separator.decode(), len(lines))

    def is_plain(self, text: bytes) -> bool:
        """Whether a text holds nothing but what plain numbers are written with."""
        return not text.translate(None, _PLAIN_BYTES + self.layout.separator.encode())

    def _read(self, text: bytes, separator: str, rows: int) -> pa.Table | None:
        columns = [f"column {place}" for place in range(self.fields)]
        for name, place in self.layout.positions.items():
            columns[place] = name
        try:
            table = pacsv.read_csv(
                pa.py_buffer(text),
                pacsv.ReadOptions(use_threads=False, block_size=max(len(text), 1), column_names=columns),
                pacsv.ParseOptions(delimiter=separator, quote_char=False),
                pacsv.ConvertOptions(
                    column_types=_TYPES, include_columns=list(self.layout.positions), null_values=[""]
                ),
            )
        except pa.ArrowInvalid:
            return None
        return table if table.num_rows == rows and not any(c.null_count for c in table.columns) else None


def _joined(lines: pa.Array) -> bytes:
    """The lines with a line end between them."""
    whole = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
    return bytes(pc.binary_join(whole, pa.scalar("\n", lines.type))[0].as_buffer())


def read_chunks(spark: SparkSession, source: Source, form: PlainForm) -> DataFrame:
    """The lines of a text source as chunks (rows, headers, table, odd: lines that are not plain, with their place)."""
    lines = spark.read.text(source.path)
    file_of_task = _file_of_task(lines, source)
    if file_of_task is None:
        lines = number_files(lines.withColumn(FILE, F.input_file_name()), source)
    file_type = "int" if file_of_task else lines.schema[FILE].dataType.simpleString()
    file = f", {FILE}: {file_type}" if source.files > 1 else ""
    schema = (
        f"{ROWS} int, {HEADERS} int, {TABLE} binary, {ODD} array<struct<{POSITION}: bigint, {_VALUE}: string{file}>>"
    )
    header, many = source.layout.header if source.layout else None, source.files > 1

    def parse(batches: Batches) -> Batches:
        task = TaskContext.get()
        part = task.partitionId() if task else 0
        file = (file_of_task or {}).get(part) if many else None
        return parse_lines(batches, form, header, part, file)

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


def parse_lines(
    batches: Batches, form: PlainForm, header: str | None, part: int = 0, file: int | None = None
) -> Iterator[pa.RecordBatch]:
    """Batches of lines (value[, file]) of one task as chunks; `file` where they do not tell it."""
    place = part << 33  # as monotonically_increasing_id counts
    plain_header = header is not None and form.is_plain(header.encode())
    pattern = form.pattern
    tables: list[pa.Table] = []
    odd: list[pa.RecordBatch] = []
    fields = pa.schema([])
    rows = headers = 0
    for batch in batches:
        places = pa.array(np.arange(place, place + batch.num_rows))
        place += batch.num_rows
        columns = {POSITION: places, _VALUE: batch[_VALUE]}
        if FILE in batch.schema.names:
            columns[FILE] = batch[FILE]
        elif file is not None:
            columns[FILE] = pa.repeat(pa.scalar(file, pa.int32()), batch.num_rows)
        with_place = pa.RecordBatch.from_pydict(columns)
        fields = with_place.schema
        table = None
        if not plain_header and form.is_plain(bytes(_data(batch[_VALUE]))):
            table = form.parse(batch[_VALUE])
        if table is None:
            is_header = pc.equal(batch[_VALUE], header) if header is not None else pa.scalar(False)
            headers += pc.sum(is_header).as_py() or 0 if header is not None else 0
            blank = pc.equal(pc.binary_length(batch[_VALUE]), 0)
            plain = pc.and_not(pc.match_substring_regex(batch[_VALUE], pattern), is_header)
            rest = pc.and_not(pc.and_not(pc.invert(plain), is_header), blank)
            odd.append(with_place.filter(rest))
            with_place = with_place.filter(plain)
            table = form.parse(with_place[_VALUE]) if with_place.num_rows else None
            if table is None:
                odd.append(with_place)
                with_place = with_place.slice(0, 0)
        if table is not None:
            table = table.append_column(POSITION, with_place[POSITION])
            if FILE in with_place.schema.names:
                table = table.append_column(FILE, with_place[FILE].dictionary_encode())
            tables.append(table)
        rows += with_place.num_rows
        if rows + sum(one.num_rows for one in odd) >= _CHUNK_ROWS:
            yield _chunk(tables, odd, headers, fields)
            tables, odd, rows, headers = [], [], 0, 0
    if tables or odd or headers:
        yield _chunk(tables, odd, headers, fields)


def _data(lines: pa.Array) -> memoryview:
    """The bytes of all lines, without what stands between them."""
    offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return memoryview(lines.buffers()[2] or b"")[offsets[0] : offsets[-1]] if len(lines) else memoryview(b"")


def _chunk(tables: list[pa.Table], odd: list[pa.RecordBatch], headers: int, fields: pa.Schema) -> pa.RecordBatch:
    table = pa.concat_tables(tables).unify_dictionaries() if tables else None
    filled = [one for one in odd if one.num_rows]
    if filled:
        lines = pa.concat_batches(filled).to_struct_array()
        listed = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
    else:
        listed = pa.nulls(1, pa.list_(pa.struct(fields)))
    values = [
        pa.array([table.num_rows if table else 0], pa.int32()),
        pa.array([headers], pa.int32()),
        pa.array([pack(table) if table else None], pa.binary()),
    ]
    return pa.RecordBatch.from_arrays([*values, listed], names=[ROWS, HEADERS, TABLE, ODD])


def odd_rows(chunks: DataFrame, source: Source) -> DataFrame:
    """The lines of `read_chunks` that are not plain, split into fields as `read_rows` does."""
    lines = chunks.select(F.explode(ODD).alias("line")).select("line.*")
    if FILE not in lines.columns:
        lines = lines.withColumn(FILE, F.lit(""))
    return parse_fields(lines, source)


@dataclass(frozen=True)
class Scale:
    """The scale of the ratings: from `low` to `high`, in steps of `step` where that is not None."""

    low: float
    high: float
    step: float | None

    def keep(self, table: pa.Table) -> pa.Table:
        """The chunk without the ratings off the scale (or NaN); as `read.check_scale`."""
        rating, low = table[RATING].to_numpy(), np.float32(self.low)
        good = (rating >= low) & (rating <= np.float32(self.high))
        if self.step:
            with np.errstate(invalid="ignore"):  # infinity, which is off the scale anyway
                good &= (rating - low) % np.float32(self.step) == 0
        return table if good.all() else table.filter(pa.array(good))


def count_off(chunks: DataFrame, scale: Scale) -> int:
    """How many ratings are off the scale."""

    def count(batches: Batches) -> Batches:
        off = sum(table.num_rows - scale.keep(table).num_rows for table in tables_of(batches))
        yield pa.RecordBatch.from_pydict({OFF: pa.array([off], pa.int64())})

    row = chunks.select(TABLE).mapInArrow(count, f"{OFF} bigint").agg(F.sum(OFF)).first()
    return int(row[0] or 0) if row else 0


def chunks_of_rows(ratings: DataFrame, many_files: bool) -> DataFrame:
    """Ratings, a row each, as chunks (table)."""
    names = [USER, MOVIE, RATING, TIMESTAMP, POSITION, *([FILE] if many_files else [])]

    def gather(batches: Batches) -> Batches:
        waiting: list[pa.RecordBatch] = []
        for batch in batches:
            waiting.append(batch)
            if sum(one.num_rows for one in waiting) >= _CHUNK_ROWS:
                yield _packed(waiting)
                waiting = []
        yield _packed(waiting)  # one at least, be it empty: of an empty shuffle Spark would not run what comes before

    return ratings.select(names).mapInArrow(gather, f"{TABLE} binary")


def _packed(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if not any(batch.num_rows for batch in batches):
        return pa.RecordBatch.from_pydict({TABLE: pa.nulls(1, pa.binary())})
    table = pa.Table.from_batches(batches)
    if FILE in table.column_names:
        place = table.column_names.index(FILE)
        table = table.set_column(place, FILE, table[FILE].dictionary_encode())
    return pa.RecordBatch.from_pydict({TABLE: pa.array([pack(table.unify_dictionaries())], pa.binary())})


def map_chunks(chunks: DataFrame, function: Callable[[pa.Table], pa.Table], schema: str) -> DataFrame:
    """The rows that `function` makes of each chunk."""

    def each(batches: Batches) -> Batches:
        for table in tables_of(batches):
            yield from function(table).to_batches()

    return chunks.select(TABLE).mapInArrow(each, schema)
