"""One Spark session for all of these tests."""

import os
import sys

import pytest
from pyspark.sql import SparkSession
from quick_java import quick_java

from recsys import workers


@pytest.fixture(scope="session")
def spark():
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = (
        SparkSession.builder.master("local[2]")
        .appName("tests")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.memory", "2g")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
    )
    for key, value in workers.PROPERTIES.items():
        builder = builder.config(key, value)
    with quick_java():
        session = builder.getOrCreate()
    workers.ship(session.sparkContext)
    yield session
    session.stop()
