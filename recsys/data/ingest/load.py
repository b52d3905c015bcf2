"""The ratings as chunks: every row of any format is read once and typed. Rejected rows are counted by reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys.data.ingest.arrow_chunks import COUNTS, TABLE, chunks_of_rows
from recsys.data.ingest.fast_csv import OTHER, FastForm, other_rows, read_chunks
from recsys.data.ingest.parse import parse_ratings, read_rows
from recsys.data.sources.files import Source

_SPILLABLE = StorageLevel.MEMORY_AND_DISK


@dataclass(frozen=True)
class Loaded:
    """The ratings whose rows parse; those off the scale are still among them."""

    chunks: DataFrame  # table
    counts: Counter[str]  # READ, HEADER, and the rejected rows by reason
    persisted: tuple[DataFrame, ...]

    def release(self) -> None:
        """Frees the persisted chunks."""
        for frame in self.persisted:
            frame.unpersist()


def load_ratings(spark: SparkSession, source: Source, integer_users: bool, integer_movies: bool) -> Loaded:
    """Reads all rows once: by the fast parser where it can, every other row by the full parser."""
    form = FastForm.of(source.layout, integer_users and integer_movies)
    many = source.files > 1
    if form is None:
        rows = chunks_of_rows(parse_ratings(read_rows(spark, source), integer_users, integer_movies), many)
        rows = rows.persist(_SPILLABLE)
        return Loaded(rows.select(TABLE), _count(rows), (rows,))
    fast = read_chunks(spark, source, form).persist(_SPILLABLE)
    counts = _count(fast, F.size(OTHER).alias(OTHER))
    if not counts.pop(OTHER):
        return Loaded(fast.select(TABLE), counts, (fast,))
    others = chunks_of_rows(parse_ratings(other_rows(fast, source), integer_users, integer_movies), many)
    others = others.persist(_SPILLABLE)
    return Loaded(fast.select(TABLE).union(others.select(TABLE)), counts + _count(others), (fast, others))


def _count(chunks: DataFrame, *more: Column) -> Counter[str]:
    counts = chunks.select(*COUNTS, *more)
    sums = counts.agg(*[F.sum(name).alias(name) for name in counts.columns]).first()
    return Counter({name: int(sums[name] or 0) for name in counts.columns} if sums else {})
