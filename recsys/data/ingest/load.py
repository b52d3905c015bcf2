"""The ratings as chunks: every row of any format is read once and typed. Rejected rows are counted by reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys.data.ingest.arrow_chunks import COUNTS, TABLE, chunks_of_rows
from recsys.data.ingest.fast_csv import OTHER, FastForm, other_rows, read_chunks
from recsys.data.ingest.parse import Reading, parse_ratings
from recsys.data.ingest.rows import MOVIE_IS_TEXT, QUOTES, USER_IS_TEXT, read_rows
from recsys.data.sources.source import Source

LINE_BREAKS = "a quoted field holds a line break, or a quote escaped by a backslash"
_SPILLABLE = StorageLevel.MEMORY_AND_DISK


@dataclass(frozen=True)
class Loaded:
    """The ratings whose rows parse; those off the scale are still among them."""

    chunks: DataFrame  # table
    counts: Counter[str]  # READ, HEADER, and the rejected rows by reason
    source: Source  # as it was read
    reading: Reading
    persisted: tuple[DataFrame, ...]

    def release(self) -> None:
        """Frees the persisted chunks."""
        for frame in self.persisted:
            frame.unpersist()


def load_ratings(spark: SparkSession, source: Source, reading: Reading) -> Loaded:
    """Reads all rows once: by the fast parser where it can, every other row by the full parser.

    Where a row shows that quotes hold line breaks, or that ids are text, all rows are read again that way.
    """
    loaded = _load(spark, source, reading)
    if loaded.counts[QUOTES]:
        loaded.release()
        source = source.by_records(LINE_BREAKS)
        loaded = _load(spark, source, reading)
    if loaded.counts[USER_IS_TEXT] or loaded.counts[MOVIE_IS_TEXT]:
        loaded.release()
        reading = replace(
            reading,
            integer_users=reading.integer_users and not loaded.counts[USER_IS_TEXT],
            integer_movies=reading.integer_movies and not loaded.counts[MOVIE_IS_TEXT],
        )
        loaded = _load(spark, source, reading)
    return loaded


def _load(spark: SparkSession, source: Source, reading: Reading) -> Loaded:
    form = FastForm.of(source.layout, reading)
    many = source.files > 1
    if form is None:
        rows = chunks_of_rows(parse_ratings(read_rows(spark, source), reading), many).persist(_SPILLABLE)
        return Loaded(rows.select(TABLE), _count(rows), source, reading, (rows,))
    fast = read_chunks(spark, source, form).persist(_SPILLABLE)
    counts = _count(fast, F.size(OTHER).alias(OTHER))
    if not counts.pop(OTHER):
        return Loaded(fast.select(TABLE), counts, source, reading, (fast,))
    others = chunks_of_rows(parse_ratings(other_rows(fast, source), reading), many).persist(_SPILLABLE)
    chunks = fast.select(TABLE).union(others.select(TABLE))
    return Loaded(chunks, counts + _count(others), source, reading, (fast, others))


def _count(chunks: DataFrame, *more: Column) -> Counter[str]:
    counts = chunks.select(*COUNTS, *more)
    sums = counts.agg(*[F.sum(name).alias(name) for name in counts.columns]).first()
    return Counter({name: int(sums[name] or 0) for name in counts.columns} if sums else {})
