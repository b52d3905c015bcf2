"""Every row of the ratings read once and typed, whatever the format, as chunks; how many there were, by reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys.data.ingest.arrow_chunks import TABLE, TOLD, chunks_of_rows
from recsys.data.ingest.fast_csv import ODD, PlainForm, odd_rows, read_chunks
from recsys.data.ingest.parse import parse_ratings, read_rows
from recsys.data.sources.files import Source

_SPILLABLE = StorageLevel.MEMORY_AND_DISK


@dataclass(frozen=True)
class Loaded:
    """The ratings that a row alone can tell to be good, those off the scale among them."""

    chunks: DataFrame  # table
    counts: Counter[str]  # READ, HEADER, and the rejected rows by reason
    kept: tuple[DataFrame, ...]

    def release(self) -> None:
        """Frees what was kept."""
        for frame in self.kept:
            frame.unpersist()


def load_ratings(spark: SparkSession, source: Source, integer_users: bool, integer_movies: bool) -> Loaded:
    """Reads all rows once: plain lines a batch at a time, every other row with the parser of all layouts."""
    form = PlainForm.of(source.layout, integer_users and integer_movies)
    many = source.files > 1
    if form is None:
        rows = chunks_of_rows(parse_ratings(read_rows(spark, source), integer_users, integer_movies), many)
        rows = rows.persist(_SPILLABLE)
        return Loaded(rows.select(TABLE), _count(rows), (rows,))
    plain = read_chunks(spark, source, form).persist(_SPILLABLE)
    counts = _count(plain, F.size(ODD).alias(ODD))
    if not counts.pop(ODD):
        return Loaded(plain.select(TABLE), counts, (plain,))
    others = chunks_of_rows(parse_ratings(odd_rows(plain, source), integer_users, integer_movies), many)
    others = others.persist(_SPILLABLE)
    return Loaded(plain.select(TABLE).union(others.select(TABLE)), counts + _count(others), (plain, others))


def _count(chunks: DataFrame, *more: Column) -> Counter[str]:
    told = chunks.select(*TOLD, *more)
    sums = told.agg(*[F.sum(name).alias(name) for name in told.columns]).first()
    return Counter({name: int(sums[name] or 0) for name in told.columns} if sums else {})
