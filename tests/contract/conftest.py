"""One Spark session, and one small data set, for all families."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kinds import OF_STARS, tastes
from pyspark.sql import SparkSession
from quick_java import quick_java

import recsys


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    with quick_java():
        session = recsys.local_session(2, "contract", memory="1g")
    session.conf.set("spark.sql.shuffle.partitions", "2")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def likes(spark: SparkSession) -> recsys.Dataset:
    return recsys.Dataset.from_dataframe(
        spark.createDataFrame(tastes()), user="who", movie="what", rating="stars", positive_from=4.0
    )


@pytest.fixture(scope="session")
def stars_by_user(spark: SparkSession) -> recsys.Dataset:
    return recsys.Dataset.from_dataframe(spark.createDataFrame(tastes()), user="who", movie="what", rating="stars")


@pytest.fixture(scope="session")
def stars(spark: SparkSession) -> recsys.Dataset:
    return recsys.Dataset.from_dataframe(
        spark.createDataFrame(tastes()), user="who", movie="what", rating="stars", split="rating"
    )


@pytest.fixture
def dataset(kind: str, likes: recsys.Dataset, stars_by_user: recsys.Dataset) -> recsys.Dataset:
    """What the kind is trained on."""
    return stars_by_user if kind in OF_STARS else likes
