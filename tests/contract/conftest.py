"""One Spark session, and one small data set, for all families."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

import recsys


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    session = recsys.local_session(2, "contract", memory="1g")
    yield session
    session.stop()


def tastes(users: int = 150, movies: int = 30, each: int = 12) -> pd.DataFrame:
    """Users of three tastes: they rate movies of their own third 4 or 5, the others 1 to 3."""
    draw = np.random.default_rng(3)
    rows = []
    for user in range(users):
        for movie in draw.choice(movies, each, replace=False):
            liked = movie % 3 == user % 3
            rows.append((1000 + user, f"m{movie:02d}", float(draw.integers(4, 6) if liked else draw.integers(1, 4))))
    return pd.DataFrame(rows, columns=["who", "what", "stars"])


@pytest.fixture(scope="session")
def likes(spark: SparkSession) -> recsys.Dataset:
    return recsys.Dataset.from_dataframe(
        spark.createDataFrame(tastes()), user="who", movie="what", rating="stars", positive_from=4.0
    )


@pytest.fixture(scope="session")
def stars(spark: SparkSession) -> recsys.Dataset:
    return recsys.Dataset.from_dataframe(
        spark.createDataFrame(tastes()), user="who", movie="what", rating="stars", split="rating"
    )
