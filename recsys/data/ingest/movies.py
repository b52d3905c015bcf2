"""The movies on the driver: ids in order, titles, years, and which of them the year filter selects."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType

from recsys.columns import CODE, MOVIE, TITLE, YEAR
from recsys.data.ingest.arrow_chunks import map_chunks, on_scale
from recsys.data.ingest.rows import DUPLICATE, FILE, HEADER, POSITION, REASON, REPEATED_HEADER
from recsys.data.scale import Scale
from recsys.data.sources.layout import UNDECODABLE

NO_YEAR = -1
SELECTED = "selected"  # of a movie: whether the year filter selects it


@dataclass(frozen=True)
class Movies:
    """All known movies, sorted by id; a movie's code is its position in these arrays."""

    ids: np.ndarray  # int64 or str objects, ascending, each once
    titles: np.ndarray  # str objects
    years: np.ndarray  # int32, NO_YEAR where the title has none
    selected: np.ndarray  # bool: whether the year filter selects it
    rows_read: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    undecodable_titles: int = 0

    @property
    def without_year(self) -> int:
        """How many movies have no release year in their title."""
        return int((self.years == NO_YEAR).sum())


def collect_rows(frame: DataFrame) -> pd.DataFrame:
    """Parsed rows of movies on the driver: movie, title, year, reason, position, file."""
    # pandas makes integers floats where one is null, as in a header's row
    no_movie = F.lit(None if isinstance(frame.schema[MOVIE].dataType, StringType) else 0)
    movie = F.coalesce(MOVIE, no_movie).alias(MOVIE)
    return frame.select(movie, TITLE, YEAR, REASON, POSITION, FILE).toPandas()


def movies_of_rows(rows: pd.DataFrame, headers: int, year_from: int | None, year_to: int | None) -> Movies:
    """The movies of such rows; of an id that occurs twice the last row counts. `headers`: files with a header."""
    reasons = rows[REASON].value_counts().to_dict()
    header_rows = reasons.pop(HEADER, 0)
    rejected = {str(reason): int(count) for reason, count in reasons.items()}
    if header_rows > headers:
        rejected[REPEATED_HEADER] = header_rows - headers
    good = rows[rows[REASON].isna()].sort_values([FILE, POSITION], kind="stable")
    unique = good.drop_duplicates(MOVIE, keep="last").sort_values(MOVIE, kind="stable")
    if len(unique) < len(good):
        rejected[DUPLICATE] = len(good) - len(unique)
    years = unique[YEAR].fillna(NO_YEAR).to_numpy(np.int32)
    titles = unique[TITLE].to_numpy(object)
    return Movies(
        ids=_ids(unique[MOVIE]),
        titles=titles,
        years=years,
        selected=in_years(years, year_from, year_to),
        rows_read=len(rows) - min(header_rows, headers),
        rejected=rejected,
        undecodable_titles=sum(UNDECODABLE in title for title in titles),
    )


def movie_table(ratings: DataFrame, movies: Movies) -> DataFrame:
    """The known movies (movie, code, selected), ids of the same type as in the ratings."""
    codes = np.arange(len(movies.ids), dtype=np.int32)
    table = pd.DataFrame({MOVIE: movies.ids, CODE: codes, SELECTED: movies.selected})
    schema = f"{MOVIE} {ratings.schema[MOVIE].dataType.simpleString()}, {CODE} int, {SELECTED} boolean"
    return ratings.sparkSession.createDataFrame(table, schema)


def movies_of_ratings(chunks: DataFrame, scale: Scale, movie_type: DataType) -> Movies:
    """The movies of chunks of ratings, where there is no file of movies: titles are made of ids, there are no years."""

    def distinct(table: pa.Table) -> pa.Table:
        return pa.table({MOVIE: pc.unique(on_scale(table, scale)[MOVIE])})

    movies = map_chunks(chunks, distinct, f"{MOVIE} {movie_type.simpleString()}").distinct()
    frame: pd.DataFrame = movies.toPandas()
    ids = frame[MOVIE].sort_values(kind="stable")
    return Movies(
        ids=_ids(ids),
        titles=np.array([f"movie {movie}" for movie in ids], object),
        years=np.full(len(ids), NO_YEAR, np.int32),
        selected=np.ones(len(ids), bool),
    )


def in_years(years: np.ndarray, year_from: int | None, year_to: int | None) -> np.ndarray:
    """Which years are in the range, both ends included; without a year a movie is only in a range without ends."""
    if year_from is None and year_to is None:
        return np.ones(len(years), bool)
    low = -(2**31) if year_from is None else year_from
    high = 2**31 - 1 if year_to is None else year_to
    return (years != NO_YEAR) & (years >= low) & (years <= high)


def _ids(values: pd.Series) -> np.ndarray:
    return values.to_numpy(np.int64 if values.dtype.kind in "iu" else object)
