"""Chunks: some hundred thousand typed ratings as one row of a DataFrame, so that Spark moves bytes, not ratings.

A chunk is an Arrow table in Arrow's stream format: `user` and `movie` (int64 or string), `rating` (float32),
`timestamp` (int64 seconds, may be null), `position` (int64, of the row in the input) and, of several files, `file`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recsys.columns import MOVIE, RATING, TIMESTAMP, USER
from recsys.data.ingest.rows import (
    DOES_NOT_PARSE,
    FILE,
    HEADER,
    MISSING_FIELD,
    MOVIE_IS_TEXT,
    POSITION,
    QUOTES,
    REASON,
    USER_IS_TEXT,
)
from recsys.data.scale import Scale

TABLE = "table"  # the bytes of a chunk; null where it has no good row
READ = "read"  # how many rows were read, headers included
# the counts of rows beside each chunk
COUNTS = (READ, HEADER, MISSING_FIELD, DOES_NOT_PARSE, USER_IS_TEXT, MOVIE_IS_TEXT, QUOTES)
COUNTS_SCHEMA = ", ".join(f"{name} int" for name in COUNTS)
OFF = "off"  # how many ratings off the scale
NOT_RATED = "not_rated"  # how many rows say so
CHUNK_ROWS = 1 << 17
_INT32 = 1 << 31
_VALUES = 1000
_FIRST = b"first"  # the position of a chunk's first rating
_WRITE = pa.ipc.IpcWriteOptions(compression="lz4")

Batches = Iterable[pa.RecordBatch]


def pack(table: pa.Table) -> bytes:
    """The bytes of a chunk, compressed: integers in 32 bits where they fit, positions as gaps (mostly 0)."""
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
    """The chunk that `pack` made into these bytes."""
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
    limits = pc.min_max(column)
    low, high = limits["min"].as_py(), limits["max"].as_py()
    fits = low is None or (low >= -_INT32 and high < _INT32)
    return column.cast(pa.int32()) if fits else column


def tables_of(batches: Batches) -> Iterator[pa.Table]:
    """The chunks of a DataFrame's record batches, one after the other."""
    for batch in batches:
        for data in batch[TABLE]:
            if data.is_valid:
                yield unpack(data)


def chunk_columns(table: pa.Table | None, counts: Mapping[str, int]) -> dict[str, pa.Array]:
    """The columns of one chunk: the counts of its rows, and its bytes."""
    columns = {name: pa.array([counts.get(name, 0)], pa.int32()) for name in COUNTS}
    return {**columns, TABLE: pa.array([pack(table) if table else None], pa.binary())}


def chunks_of_rows(ratings: DataFrame, many_files: bool) -> DataFrame:
    """Ratings, a row each with its reason, as chunks of the good rows (table), with the counts of all (COUNTS)."""
    names = [USER, MOVIE, RATING, TIMESTAMP, POSITION, *([FILE] if many_files else [])]

    def gather(batches: Batches) -> Batches:
        waiting: list[pa.RecordBatch] = []
        for batch in batches:
            waiting.append(batch)
            if sum(rows.num_rows for rows in waiting) >= CHUNK_ROWS:
                yield _chunk_of_rows(waiting)
                waiting = []
        if waiting:
            yield _chunk_of_rows(waiting)

    return ratings.select(*names, REASON).mapInArrow(gather, f"{COUNTS_SCHEMA}, {TABLE} binary")


def _chunk_of_rows(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    table = pa.Table.from_batches(batches)
    reasons = pc.value_counts(table[REASON].combine_chunks().drop_null())
    counts = Counter({reason["values"]: reason["counts"] for reason in reasons.to_pylist()})
    counts[READ] = table.num_rows
    good = table.filter(pc.is_null(table[REASON])).drop_columns(REASON)
    if FILE in good.column_names:
        good = good.set_column(good.column_names.index(FILE), FILE, good[FILE].dictionary_encode())
    return pa.RecordBatch.from_pydict(chunk_columns(good.unify_dictionaries() if good.num_rows else None, counts))


def on_scale(table: pa.Table, scale: Scale) -> pa.Table:
    """The chunk without the ratings off the scale (or NaN) and those that say "not rated"; as `parse.check_scale`."""
    good = _is_on(table[RATING].to_numpy(), scale)
    return table if good.all() else table.filter(pa.array(good))


def count_not_rated(table: pa.Table, scale: Scale) -> int:
    """How many ratings of a chunk say "not rated"."""
    return int(np.isin(table[RATING].to_numpy(), _codes(scale)).sum()) if scale.missing else 0


def values_off(chunks: DataFrame, scale: Scale) -> dict[float, int]:
    """How often each value off the scale occurs; those that say "not rated" are none. At most 1,000 values a chunk."""

    def count(batches: Batches) -> Batches:
        for table in tables_of(batches):
            ratings = table[RATING].to_numpy()
            off = ratings[~_is_on(ratings, scale) & ~np.isin(ratings, _codes(scale)) & np.isfinite(ratings)]
            values, counts = np.unique(off, return_counts=True)
            chosen = {RATING: pa.array(values[:_VALUES], pa.float32()), OFF: pa.array(counts[:_VALUES], pa.int64())}
            yield pa.RecordBatch.from_pydict(chosen)

    rows = chunks.select(TABLE).mapInArrow(count, f"{RATING} float, {OFF} bigint").groupBy(RATING).agg(F.sum(OFF))
    return {float(value): int(number) for value, number in rows.collect()}


def _is_on(ratings: np.ndarray, scale: Scale) -> np.ndarray:
    low = np.float32(scale.low)
    good = (ratings >= low) & (ratings <= np.float32(scale.high))
    if scale.step:
        with np.errstate(invalid="ignore"):  # infinity is off the scale anyway
            good &= (ratings - low) % np.float32(scale.step) == 0
    if scale.missing:
        good &= ~np.isin(ratings, _codes(scale))
    return good


def _codes(scale: Scale) -> np.ndarray:
    return np.array(scale.missing, np.float32)


def map_chunks(chunks: DataFrame, function: Callable[[pa.Table], pa.Table], schema: str) -> DataFrame:
    """The rows that `function` makes of each chunk."""

    def each(batches: Batches) -> Batches:
        for table in tables_of(batches):
            yield from function(table).to_batches()

    return chunks.select(TABLE).mapInArrow(each, schema)
