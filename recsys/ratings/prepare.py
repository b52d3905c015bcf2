"""The data phases in order: from files to blocks of rating arrays, with statistics and rejected rows told."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pyspark import StorageLevel
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from recsys.columns import INDEX, MOVIE, MOVIE_ID, POPULARITY, TITLE, USER, YEAR
from recsys.config import DataConfig
from recsys.errors import DataError
from recsys.ratings.blocks import build_blocks
from recsys.ratings.integrate import (
    BELOW_POSITIVE,
    JOINED,
    OUTSIDE_YEARS,
    UNKNOWN,
    gather_users,
    select_ratings,
)
from recsys.ratings.movies import NO_YEAR, Movies, collect_movies, movies_of_ratings
from recsys.ratings.read import (
    DUPLICATE,
    HEADER,
    REASON,
    REPEATED_HEADER,
    ROW_REASONS,
    UNKNOWN_MOVIE,
    check_scale,
    parse_movies,
    parse_ratings,
    read_rows,
)
from recsys.ratings.rejects import Rejected, check_rejected, with_examples
from recsys.ratings.sources import Sources
from recsys.ratings.statistics import Statistics, count_ratings

Phase = Callable[[str], AbstractContextManager[Any]]

_SPILLABLE = StorageLevel.MEMORY_AND_DISK


@dataclass(frozen=True)
class Prepared:
    """What training and evaluation start from."""

    blocks: DataFrame  # rows of blocks (recsys.ratings.blocks)
    items: pd.DataFrame  # index, movie_id, title, year (null without one), popularity (ratings in the selection)
    statistics: dict[str, Any]  # what statistics.json says
    rating_min: float
    rating_max: float
    positive_from: float | None

    @property
    def movies(self) -> int:
        """How many movies: the length of a rating array."""
        return len(self.items)


class _Counts:
    """What is observed of the rows while they pass."""

    def __init__(self) -> None:
        self.rows = Observation("rows")
        self.selection = Observation("selection")

    def observe_rows(self, parsed: DataFrame) -> DataFrame:
        reasons = [*ROW_REASONS, HEADER]
        counts = [F.count_if(F.col(REASON) == reason).alias(reason) for reason in reasons]
        return parsed.observe(self.rows, F.count(F.lit(1)).alias("all"), *counts)


def prepare(spark: SparkSession, sources: Sources, data: DataConfig, phase: Phase, profile: bool) -> Prepared:
    """Runs the six data phases; with `profile` each one materialises its result within its own bracket."""
    counts = _Counts()
    integer_users = sources.integer_ids(USER, data.id_type)
    integer_movies = sources.integer_ids(MOVIE, data.id_type)

    def parse(keep_line: bool) -> DataFrame:
        parsed = parse_ratings(read_rows(spark, sources.ratings, keep_line), integer_users, integer_movies)
        return check_scale(parsed, sources.rating_min, sources.rating_max, sources.rating_step)

    with phase("data_loading"):
        loaded = parse_ratings(read_rows(spark, sources.ratings), integer_users, integer_movies)
        loaded = _materialise(loaded, profile)
        raw_movies = read_rows(spark, sources.movies) if sources.movies else None

    with phase("ratings_transformation"):
        checked = check_scale(loaded, sources.rating_min, sources.rating_max, sources.rating_step)
        good = counts.observe_rows(checked).where(F.col(REASON).isNull()).drop(REASON)
        good = _materialise(good, profile, loaded)

    with phase("movies_transformation"):
        if raw_movies is not None and sources.movies is not None:
            parsed_movies = parse_movies(raw_movies, integer_movies)
            movies = collect_movies(parsed_movies, sources.movies.headers, data.year_from, data.year_to)
        else:
            movies = movies_of_ratings(good)
        _check_movies(spark, sources, movies, data, integer_movies)

    with phase("data_integration"):
        selected = select_ratings(good, movies, data.positive_from, counts.selection)
        gathered = gather_users(selected, _partitions(spark, sources)).persist(_SPILLABLE)
        kept = gathered.count()  # used twice: statistics and arrays
        _release(good, profile)

    with phase("statistical_analysis"):
        statistics = count_ratings(gathered, len(movies.ids))
        told = _tell(spark, sources, movies, statistics, counts, kept, parse, data.max_rejected)
        if not statistics.ratings:
            raise DataError(_nothing_left(told, data))

    with phase("ratings_arrays"):
        rated = np.flatnonzero(statistics.movie_counts)
        index_of_code = np.full(len(movies.ids), -1, np.int32)
        index_of_code[rated] = np.arange(len(rated), dtype=np.int32)
        blocks = build_blocks(gathered, index_of_code, data.block_users).persist(_SPILLABLE)
        blocks.count()  # used in every epoch
        gathered.unpersist()

    items = _items(movies, rated, statistics)
    return Prepared(blocks, items, told, sources.rating_min, sources.rating_max, data.positive_from)


def _materialise(frame: DataFrame, profile: bool, before: DataFrame | None = None) -> DataFrame:
    """With profiling the frame computed and kept, so that its cost falls into this phase; what it came from let go."""
    if not profile:
        return frame
    frame = frame.persist(_SPILLABLE)
    frame.count()
    if before is not None:
        before.unpersist()
    return frame


def _release(frame: DataFrame, profile: bool) -> None:
    if profile:
        frame.unpersist()


def _partitions(spark: SparkSession, sources: Sources) -> int:
    """Partitions of users: two a core, more where a partition would hold over about 64 MB of input."""
    cores = spark.sparkContext.defaultParallelism
    splits = spark.read.text(sources.ratings.path).rdd.getNumPartitions()
    return max(2 * cores, splits)


def _check_movies(
    spark: SparkSession, sources: Sources, movies: Movies, data: DataConfig, integer_movies: bool
) -> None:
    """Refuses bad movies before the ratings are worked on."""
    if sources.movies is not None and movies.rejected:
        parsed = parse_movies(read_rows(spark, sources.movies, keep_line=True), integer_movies)
        parsed = parsed.withColumn(USER, F.lit(0))
        rejected = with_examples(spark, parsed, movies.rejected, None, sources.movies.headers)
        check_rejected("movies", movies.rows_read, rejected, data.max_rejected)
    if not movies.selected.any():
        years = movies.years[movies.years != NO_YEAR]
        span = f"{years.min()} to {years.max()}" if len(years) else "none"
        raise DataError(
            f"no movie of the years {data.year_from or ''} to {data.year_to or ''}: the release years in "
            f"{sources.movies.path if sources.movies else 'the movies'} are {span}; change data.year_from, data.year_to"
        )


def _tell(
    spark: SparkSession,
    sources: Sources,
    movies: Movies,
    statistics: Statistics,
    counts: _Counts,
    kept: int,
    parse: Callable[[bool], DataFrame],
    max_rejected: float,
) -> dict[str, Any]:
    """What statistics.json says; DataError where too many rows are rejected."""
    rows, selection = counts.rows.get, counts.selection.get
    headers = min(rows[HEADER], sources.ratings.headers)
    rejects = {reason: rows[reason] for reason in ROW_REASONS}
    rejects[REPEATED_HEADER] = rows[HEADER] - headers
    rejects[UNKNOWN_MOVIE] = selection[UNKNOWN]
    outside = {OUTSIDE_YEARS: selection[OUTSIDE_YEARS], BELOW_POSITIVE: selection[BELOW_POSITIVE]}
    rejects[DUPLICATE] = selection[JOINED] - selection[UNKNOWN] - sum(outside.values()) - kept
    rows_read = rows["all"] - headers
    rejected: dict[str, Rejected] = {}
    if any(rejects.values()):
        known = spark.createDataFrame(pd.DataFrame({MOVIE: movies.ids}))
        rejected = with_examples(spark, parse(True), rejects, F.broadcast(known), sources.ratings.headers)
    check_rejected("ratings", rows_read, rejected, max_rejected)
    summary = statistics.summary()
    return {
        **summary,
        "rows_read": rows_read,
        "rows_rejected": sum(rejects.values()),
        "rejected": {reason: {"count": one.count, "examples": one.examples} for reason, one in rejected.items()},
        "not_selected": outside,
        "movies_file": {
            "rows_read": movies.rows_read,
            "rejected": movies.rejected,
            "known": len(movies.ids),
            "in_years": int(movies.selected.sum()),
            "without_year": movies.without_year if sources.movies else None,
            "undecodable_titles": movies.undecodable_titles,
        },
        "best_reachable_rmse": sources.best_rmse,
    }


def _nothing_left(told: dict[str, Any], data: DataConfig) -> str:
    outside = told["not_selected"]
    return (
        f"no rating is left: of {told['rows_read']:,} rows read {told['rows_rejected']:,} are rejected, "
        f"{outside[OUTSIDE_YEARS]:,} are of other years, {outside[BELOW_POSITIVE]:,} below data.positive_from; "
        f"widen data.year_from = {data.year_from}, data.year_to = {data.year_to} or "
        f"data.positive_from = {data.positive_from}"
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
