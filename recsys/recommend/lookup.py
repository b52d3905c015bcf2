"""The ratings of one known user, for recommendations from a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recsys.columns import MOVIE, RATING, TIMESTAMP, USER
from recsys.config import DataConfig
from recsys.data.ingest.parse import FILE, POSITION, REASON, check_scale, parse_ratings, read_rows
from recsys.data.sources.files import Sources, find_sources
from recsys.data.store import look_up_prepared
from recsys.errors import DataError, UserError

Rated = tuple[Any, dict[Any, float]]  # user id as it is in the data, {movie id: rating}


def user_in_prepared(directory: str | Path, user_id: str) -> Rated:
    """The user in a data set that the job prepare left, read without Spark; UserError where there is none."""
    user = look_up_prepared(directory, user_id)
    if user is None:
        raise UserError(f"user {user_id!r} has no ratings in {directory}: name another, or give --ratings")
    return user


def user_in_data(spark: SparkSession, data: DataConfig, default_dir: str | Path, user_id: str) -> Rated:
    """The user in the files that the settings name, the data folder of the run included; only the user's rows
    reach the driver. UserError where the files or the user are not there."""
    sources = sources_of(spark, data, default_dir, "give --prepared DIR or --ratings")
    rated = _rows_of(spark, sources, data, user_id)
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


def _rows_of(spark: SparkSession, sources: Sources, data: DataConfig, user_id: str) -> Rated:
    integer_users, integer_movies = (sources.integer_ids(name, data.id_type) for name in (USER, MOVIE))
    parsed = parse_ratings(read_rows(spark, sources.ratings), integer_users, integer_movies)
    rows = check_scale(
        parsed.where(F.col(USER).cast("string") == user_id), sources.rating_min, sources.rating_max, sources.rating_step
    )
    rows = rows.where(F.col(REASON).isNull())
    # of a movie that was rated twice the latest rating counts, then the last row, as in the data phases
    rows = rows.orderBy(F.col(TIMESTAMP).asc_nulls_first(), F.col(FILE), F.col(POSITION))
    own = rows.select(USER, MOVIE, RATING).collect()
    latest = {row[MOVIE]: row[RATING] for row in own}
    if data.positive_from is not None:
        latest = {movie: rating for movie, rating in latest.items() if rating >= data.positive_from}
    return (own[0][USER] if own else None), latest
