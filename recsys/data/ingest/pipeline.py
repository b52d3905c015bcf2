"""The data phases in order: from sources to blocks of rating arrays, with statistics and rejected rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession

from recsys.columns import INDEX, MOVIE, MOVIE_ID, POPULARITY, TITLE, USER, YEAR
from recsys.config import DataConfig
from recsys.data.blocks import build_blocks
from recsys.data.ingest.arrow_chunks import OFF, READ, Scale, count_off
from recsys.data.ingest.fast_csv import read_movies
from recsys.data.ingest.join import BELOW_POSITIVE, GATHERED, JOINED, OUTSIDE_YEARS, UNIQUE, UNKNOWN, gather_users
from recsys.data.ingest.load import load_ratings
from recsys.data.ingest.movies import NO_YEAR, Movies, collect_rows, movie_table, movies_of_ratings, movies_of_rows
from recsys.data.ingest.parse import (
    DUPLICATE,
    HEADER,
    OFF_SCALE,
    REPEATED_HEADER,
    ROW_REASONS,
    UNKNOWN_MOVIE,
    check_scale,
    id_type,
    parse_movies,
    parse_ratings,
    read_rows,
)
from recsys.data.ingest.rejects import RejectedRows
from recsys.data.ingest.statistics import Statistics, count_ratings
from recsys.data.sources.files import Source, Sources
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


def prepare(spark: SparkSession, sources: Sources, data: DataConfig, phase: Phase, profile: bool) -> Ingested:
    """Runs the six data phases.

    Args:
        spark: a session.
        sources: the ratings and movies.
        data: the settings.
        phase: called with the name of each phase; the context that it returns encloses the phase's work.
        profile: whether each phase materialises its result within its own context.
    """
    integer_users = sources.integer_ids(USER, data.id_type)
    integer_movies = sources.integer_ids(MOVIE, data.id_type)

    rejected_rows = RejectedRows(spark, data.max_rejected)

    def reject(reasons: dict[str, int], rows_read: int) -> dict[str, Any]:
        rows = parse_ratings(read_rows(spark, sources.ratings, keep_line=True), integer_users, integer_movies)
        rows = check_scale(rows, sources.rating_min, sources.rating_max, sources.rating_step)
        return rejected_rows.add("ratings", sources.ratings, rows, reasons, rows_read, movie_table(rows, movies))

    with phase("data_loading"):
        loaded = load_ratings(spark, sources.ratings, integer_users, integer_movies)

    with phase("ratings_transformation"):
        scale = Scale(sources.rating_min, sources.rating_max, sources.rating_step)
        if profile:
            count_off(loaded.chunks, scale)  # for its cost alone: to keep the result costs more than to do it again

    with phase("movies_transformation"):
        if sources.movies is not None:
            rows = read_movies(sources.movies, integer_movies)
            if rows is None:
                rows = collect_rows(parse_movies(read_rows(spark, sources.movies), integer_movies))
            movies = movies_of_rows(rows, sources.movies.headers, data.year_from, data.year_to)
            bad_movies = _check_movies(spark, sources.movies, movies, data, integer_movies, rejected_rows)
        else:
            movies, bad_movies = movies_of_ratings(loaded.chunks, scale, id_type(integer_movies)), {}

    with phase("data_integration"):
        partitions = _partitions(spark, sources, loaded.counts[READ])
        users = id_type(integer_users)
        by_time = data.split == "time"
        gathered = gather_users(loaded.chunks, scale, movies, users, partitions, data.positive_from, by_time)
        loaded.release()

    with phase("statistical_analysis"):
        statistics = count_ratings(gathered.blocks, len(movies.ids))
        summary = _summary(sources.ratings, statistics, loaded.counts, gathered.counts, reject)
        summary["movies_file"] = _movies_summary(movies, bad_movies, sources.movies is not None)
        summary["best_reachable_rmse"] = sources.best_rmse
        summary["rows_expected"] = sources.size.ratings if sources.size else None
        if not statistics.ratings:
            raise DataError(f"{sources.ratings.path}: {_nothing_left(summary, data)}")

    with phase("ratings_arrays"):
        rated = np.flatnonzero(statistics.movie_counts)
        index_of_code = np.full(len(movies.ids), -1, np.int32)
        index_of_code[rated] = np.arange(len(rated), dtype=np.int32)
        blocks = build_blocks(gathered.blocks, index_of_code, data.block_users).persist(_SPILLABLE)
        blocks.count()  # they are used in every epoch
        gathered.release()

    items = _items(movies, rated, statistics)
    return Ingested(blocks, items, summary, rejected_rows.rows)


def _partitions(spark: SparkSession, sources: Sources, rows: int) -> int:
    """Partitions of users: two a core, more where a partition would hold over about 64 MB of input."""
    cores = spark.sparkContext.defaultParallelism
    if sources.ratings.frame is not None:
        return max(2 * cores, -(-rows // _PARTITION_ROWS))
    splits = spark.read.text(sources.ratings.path).rdd.getNumPartitions()
    return max(2 * cores, splits)


def _check_movies(
    spark: SparkSession,
    source: Source,
    movies: Movies,
    data: DataConfig,
    integer_ids: bool,
    rejected_rows: RejectedRows,
) -> dict[str, Any]:
    """Refuses bad movies before the ratings are worked on; their rejected rows by reason."""
    rejected: dict[str, Any] = {}
    if movies.rejected:
        parsed = parse_movies(read_rows(spark, source, keep_line=True), integer_ids)
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


def _summary(
    ratings: Source,
    statistics: Statistics,
    rows: Mapping[str, int],
    left_out: Mapping[str, int],
    reject: Callable[[dict[str, int], int], dict[str, Any]],
) -> dict[str, Any]:
    """The entries of statistics.json on the ratings; `reject` collects rejected rows and refuses too many."""
    headers = min(rows[HEADER], ratings.headers)
    rejects = {reason: rows.get(reason, 0) for reason in ROW_REASONS}
    rejects[OFF_SCALE] += left_out[OFF]
    rejects[REPEATED_HEADER] = rows[HEADER] - headers
    rejects[UNKNOWN_MOVIE] = left_out[UNKNOWN]
    rejects[DUPLICATE] = left_out[GATHERED] - left_out[UNIQUE]
    _check_all_there(ratings, rows, left_out)
    rows_read = rows[READ] - headers
    return {
        **statistics.summary(),
        "rows_read": rows_read,
        "rows_rejected": sum(rejects.values()),
        "rejected": reject(rejects, rows_read),
        "not_selected": {OUTSIDE_YEARS: left_out[OUTSIDE_YEARS], BELOW_POSITIVE: left_out[BELOW_POSITIVE]},
    }


def _check_all_there(ratings: Source, rows: Mapping[str, int], left_out: Mapping[str, int]) -> None:
    """DataError unless each phase had all ratings of the phase before: a file that is read again may have changed."""
    good = rows[READ] - rows[HEADER] - sum(rows.get(reason, 0) for reason in ROW_REASONS)
    joined = left_out[OFF] + left_out[JOINED]
    selected = left_out[JOINED] - left_out[UNKNOWN] - left_out[OUTSIDE_YEARS]
    if (joined, left_out[GATHERED]) != (good, selected):
        raise DataError(
            f"{ratings.path}: of {good:,} good rows read {joined:,} were joined, and of {selected:,} selected "
            f"{left_out[GATHERED]:,} were gathered by user: the input changed in the meantime; start again"
        )


def _movies_summary(movies: Movies, rejected: dict[str, Any], has_titles: bool) -> dict[str, Any]:
    """The entries of statistics.json on the movies."""
    return {
        "rows_read": movies.rows_read,
        "rejected": rejected,
        "known": len(movies.ids),
        "in_years": int(movies.selected.sum()),
        "without_year": movies.without_year if has_titles else None,
        "undecodable_titles": movies.undecodable_titles,
    }


def _nothing_left(summary: dict[str, Any], data: DataConfig) -> str:
    outside = summary["not_selected"]
    wide = {"data.year_from": data.year_from, "data.year_to": data.year_to, "data.positive_from": data.positive_from}
    widen = ", ".join(f"{key} = {value}" for key, value in wide.items() if value is not None)
    return (
        f"no rating is left: of {summary['rows_read']:,} rows read {summary['rows_rejected']:,} are rejected, "
        f"{outside[OUTSIDE_YEARS]:,} are of other years, {outside[BELOW_POSITIVE]:,} below data.positive_from; "
        + (f"widen {widen}" if widen else "give a file that holds ratings")
    )


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
