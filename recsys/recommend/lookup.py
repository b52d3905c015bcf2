"""The ratings of one known user, for recommendations from a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys.columns import MOVIE, RATING, TIMESTAMP, USER
from recsys.config import DataConfig
from recsys.data.ingest.join import MEAN, REJECT, SUM
from recsys.data.ingest.load import LINE_BREAKS
from recsys.data.ingest.parse import Reading, check_scale, parse_ratings
from recsys.data.ingest.rows import FILE, POSITION, QUOTES, REASON, read_rows
from recsys.data.scale import Scale
from recsys.data.sources.files import find_sources
from recsys.data.sources.ids import are_integers
from recsys.data.sources.source import Sources
from recsys.data.store import look_up_prepared
from recsys.errors import DataError, UserError

Rated = tuple[Any, dict[Any, float]]  # user id as it is in the data, {movie id: rating}


def user_in_prepared(directory: str | Path, user_id: str) -> Rated:
    """The user in a data set that the job prepare left, read without Spark; UserError where there is none."""
    user = look_up_prepared(directory, user_id)
    if user is None:
        raise UserError(f"user {user_id!r} has no ratings in {directory}: name another, or give --ratings")
    return user


def user_in_data(
    spark: SparkSession,
    data: DataConfig,
    default_dir: str | Path,
    user_id: str,
    integer_movies: bool,
    scale: tuple[float, float],
) -> Rated:
    """The user in the files that the settings name, the data folder of the run included; only the user's rows
    reach the driver. UserError where the files or the user are not there.

    Args:
        spark: a session.
        data: the settings that the model was trained with.
        default_dir: the data folder of the run.
        user_id: the user as text.
        integer_movies: whether the model's movies are integers.
        scale: the lowest and the highest rating that the model knows.
    """
    sources = sources_of(spark, data, default_dir, "give --prepared DIR or --ratings")
    rated = _rows_of(spark, sources, data, user_id, integer_movies, scale)
    if not rated[1]:
        raise UserError(f"user {user_id!r} has no ratings in {sources.ratings.path}: name another, or give --ratings")
    return rated


def sources_of(
    spark: SparkSession, data: DataConfig, default_dir: str | Path, remedy: str = "give --prepared DIR"
) -> Sources:
    """The files that a model was trained on; UserError, with the remedy, where they are not there."""
    try:
        return find_sources(spark, data, data.data_dir or "", str(default_dir), make=False)
    except DataError as error:
        raise UserError(f"the data that the model was trained on cannot be read here ({error}): {remedy}") from None


def _rows_of(
    spark: SparkSession,
    sources: Sources,
    data: DataConfig,
    user_id: str,
    integer_movies: bool,
    scale: tuple[float, float],
) -> Rated:
    integer_users = sources.integer_ids(USER, data.id_type) and are_integers([user_id])
    source, reading = (
        sources.ratings,
        Reading.of(sources.ratings, integer_users, integer_movies, data.id_type == "auto"),
    )
    parsed = parse_ratings(read_rows(spark, source), reading)
    if parsed.where(F.col(REASON) == QUOTES).first() is not None:
        parsed = parse_ratings(read_rows(spark, source.by_records(LINE_BREAKS)), reading)
    wide = Scale(min(scale[0], sources.scale.low), max(scale[1], sources.scale.high), None, sources.scale.missing)
    rows = check_scale(parsed.where(F.col(USER).cast("string") == user_id), wide).where(F.col(REASON).isNull())
    rows = rows.orderBy(F.col(TIMESTAMP).asc_nulls_first(), F.col(FILE), F.col(POSITION))
    own = rows.select(USER, MOVIE, RATING).collect()
    rated = one_a_movie([(row[MOVIE], row[RATING]) for row in own], data.duplicates)
    return (own[0][USER] if own else None), liked(rated, data.positive_from)


def liked(rated: dict[Any, float], lowest: float | None) -> dict[Any, float]:
    """The ratings of at least `lowest`, compared as floats, as the data phases do: 3.3 is more as a double."""
    if lowest is None:
        return rated
    return {movie: rating for movie, rating in rated.items() if np.float32(rating) >= np.float32(lowest)}


def one_a_movie(ratings: list[tuple[Any, float]], duplicates: str) -> dict[Any, float]:
    """One rating a movie, of (movie, rating) in the order of time, as the data phases make it by `data.duplicates`."""
    every: dict[Any, list[float]] = {}
    for movie, rating in ratings:
        every.setdefault(movie, []).append(rating)
    if duplicates == REJECT:
        return {movie: values[0] for movie, values in every.items() if len(values) == 1}
    if duplicates in (SUM, MEAN):
        sums = {movie: sum(values) for movie, values in every.items()}
        return sums if duplicates == SUM else {movie: sums[movie] / len(values) for movie, values in every.items()}
    return {movie: values[-1] for movie, values in every.items()}
