"""The data phases in order: from sources to blocks of rating arrays, with statistics and rejected rows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession

from recsys.columns import INDEX, MOVIE, MOVIE_ID, POPULARITY, TITLE, USER, YEAR
from recsys.config import DataConfig
from recsys.data.blocks import build_blocks
from recsys.data.ingest.accounts import movies_summary, nothing_left, ratings_summary, remedy_for_scale
from recsys.data.ingest.arrow_chunks import READ, values_off
from recsys.data.ingest.fast_movies import read_movies
from recsys.data.ingest.join import (
    REJECT,
    gather_users,
)
from recsys.data.ingest.load import LINE_BREAKS, Loaded, load_ratings
from recsys.data.ingest.movies import NO_YEAR, Movies, collect_rows, movie_table, movies_of_ratings, movies_of_rows
from recsys.data.ingest.parse import Reading, check_scale, id_type, parse_movies, parse_ratings
from recsys.data.ingest.rejects import RejectedRows
from recsys.data.ingest.rows import (
    MOVIE_IS_TEXT,
    OFF_SCALE,
    QUOTES,
    REASON,
    read_rows,
)
from recsys.data.ingest.statistics import Statistics, count_ratings
from recsys.data.sources.meaning import retold
from recsys.data.sources.source import Source, Sources
from recsys.errors import DataError

Phase = Callable[[str], AbstractContextManager[Any]]

_SPILLABLE = StorageLevel.MEMORY_AND_DISK
_PARTITION_ROWS = 2_500_000  # of MovieLens' ratings: 64 MB


@dataclass(frozen=True)
class Ingested:
    """What the data phases make; `recsys.data.dataset.Dataset` says what the fields hold."""

    blocks: DataFrame
    items: pd.DataFrame
    statistics: dict[str, Any]
    rejected: DataFrame | None
    sources: Sources  # as they were read: the scale may be wider than the first rows told


def prepare(spark: SparkSession, sources: Sources, data: DataConfig, phase: Phase, profile: bool) -> Ingested:
    """Runs the six data phases.

    Args:
        spark: a session.
        sources: the ratings and movies.
        data: the settings.
        phase: called with the name of each phase; the context that it returns encloses the phase's work.
        profile: whether each phase materialises its result within its own context.
    """
    integer_users, integer_movies = (sources.integer_ids(name, data.id_type) for name in (USER, MOVIE))
    reading = Reading.of(sources.ratings, integer_users, integer_movies, data.id_type == "auto")
    rejected_rows = RejectedRows(spark, data.max_rejected)

    with phase("data_loading"):
        loaded = load_ratings(spark, sources.ratings, reading)

    with phase("ratings_transformation"):
        first = sources.scale
        if profile or sources.scale_told:
            off = values_off(loaded.chunks, first)
            if sources.scale_told and off:
                sources = retold(sources, off, loaded.counts[READ], data)

    with phase("movies_transformation"):
        if sources.movies is not None:
            rows, movie_source = _movie_rows(spark, sources.movies, loaded.reading)
            if (rows[REASON] == MOVIE_IS_TEXT).any():
                loaded = _with_text_movies(spark, loaded)
                rows, movie_source = _movie_rows(spark, movie_source, loaded.reading)
            movies = movies_of_rows(rows, movie_source.headers, data.year_from, data.year_to)
            bad_movies = _check_movies(spark, movie_source, movies, data, loaded.reading, rejected_rows)
        else:
            movie_source = None
            movies = movies_of_ratings(loaded.chunks, sources.scale, id_type(loaded.reading.integer_movies))
            bad_movies = {}
        sources = replace(sources, ratings=loaded.source, movies=movie_source)

    with phase("data_integration"):
        partitions = _partitions(spark, sources, loaded.counts[READ])
        users = id_type(loaded.reading.integer_users)
        second = loaded.reading.times.stored if data.split == "time" else None
        fraction = min(1.0, data.sample_ratings / max(loaded.counts[READ], 1)) if data.sample_ratings else 1.0
        gathered = gather_users(
            loaded.chunks,
            sources.scale,
            movies,
            users,
            partitions,
            data.positive_from,
            data.duplicates,
            second,
            fraction,
        )
        loaded.release()

    def reject(reasons: dict[str, int], rows_read: int) -> dict[str, Any]:
        rows = parse_ratings(read_rows(spark, sources.ratings, keep_line=True), loaded.reading)
        rows = check_scale(rows, sources.scale)

        def remedy() -> str:
            return remedy_for_scale(values_off(loaded.chunks, sources.scale), sources.scale, data)

        return rejected_rows.add(
            "ratings",
            sources.ratings,
            rows,
            reasons,
            rows_read,
            movie_table(rows, movies),
            every_duplicate=data.duplicates == REJECT,
            remedy=remedy if reasons[OFF_SCALE] else None,
        )

    with phase("statistical_analysis"):
        statistics = count_ratings(gathered.blocks, len(movies.ids))
        summary = ratings_summary(sources, data, statistics, loaded.counts, gathered.counts, reject)
        summary["movies_file"] = movies_summary(movies, bad_movies, sources.movies is not None)
        if summary["scale"]:
            summary["scale"]["widened"] = sources.scale != first
        summary["best_reachable_rmse"] = sources.best_rmse
        summary["rows_expected"] = sources.size.ratings if sources.size else None
        if not statistics.ratings:
            raise DataError(f"{sources.ratings.path}: {nothing_left(summary, data)}")

    with phase("ratings_arrays"):
        rated = np.flatnonzero(statistics.movie_counts)
        index_of_code = np.full(len(movies.ids), -1, np.int32)
        index_of_code[rated] = np.arange(len(rated), dtype=np.int32)
        blocks = build_blocks(gathered.blocks, index_of_code, data.block_users).persist(_SPILLABLE)
        blocks.count()  # they are used in every epoch
        gathered.release()

    items = _items(movies, rated, statistics)
    return Ingested(blocks, items, summary, rejected_rows.rows, sources)


def _movie_rows(spark: SparkSession, source: Source, reading: Reading) -> tuple[pd.DataFrame, Source]:
    """The parsed rows of movies on the driver, and the source as it was read."""
    rows = read_movies(source, reading.integer_movies)
    if rows is not None:
        return rows, source
    rows = collect_rows(parse_movies(read_rows(spark, source), reading.integer_movies, reading.ids_told))
    if (rows[REASON] == QUOTES).any():
        source = source.by_records(LINE_BREAKS)
        rows = collect_rows(parse_movies(read_rows(spark, source), reading.integer_movies, reading.ids_told))
    return rows, source


def _with_text_movies(spark: SparkSession, loaded: Loaded) -> Loaded:
    """The ratings read again with the movies' ids as text, as the file of movies shows that they are."""
    loaded.release()
    return load_ratings(spark, loaded.source, replace(loaded.reading, integer_movies=False))


def _partitions(spark: SparkSession, sources: Sources, rows: int) -> int:
    """Partitions of users: two a core, more where a partition would hold over about 64 MB of input."""
    cores = spark.sparkContext.defaultParallelism
    if sources.ratings.frame is not None:
        return max(2 * cores, -(-rows // _PARTITION_ROWS))
    splits = spark.read.text(sources.ratings.spark_paths).rdd.getNumPartitions()
    return max(2 * cores, splits)


def _check_movies(
    spark: SparkSession,
    source: Source,
    movies: Movies,
    data: DataConfig,
    reading: Reading,
    rejected_rows: RejectedRows,
) -> dict[str, Any]:
    """Refuses bad movies before the ratings are worked on; their rejected rows by reason."""
    rejected: dict[str, Any] = {}
    if movies.rejected:
        parsed = parse_movies(read_rows(spark, source, keep_line=True), reading.integer_movies, reading.ids_told)
        rejected = rejected_rows.add("movies", source, parsed, movies.rejected, movies.rows_read)
    if not len(movies.ids):
        raise DataError(f"{source.path}: holds no movie: of {movies.rows_read:,} rows read none is left")
    if not movies.selected.any():
        years = movies.years[movies.years != NO_YEAR]
        span = f"are {years.min()} to {years.max()}" if len(years) else "are not in the titles"
        raise DataError(
            f"no movie of the years {data.year_from or ''} to {data.year_to or ''}: the release years in "
            f"{source.path} {span}; change data.year_from, data.year_to"
        )
    return rejected


def _items(movies: Movies, rated: np.ndarray, statistics: Statistics) -> pd.DataFrame:
    years = pd.array(movies.years[rated], dtype="Int32")
    years[movies.years[rated] == NO_YEAR] = pd.NA
    return pd.DataFrame(
        {
            INDEX: np.arange(len(rated), dtype=np.int32),
            MOVIE_ID: movies.ids[rated],
            TITLE: movies.titles[rated],
            YEAR: years,
            POPULARITY: statistics.movie_counts[rated],
        }
    )
