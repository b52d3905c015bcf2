"""Ratings and movies in DataFrames, of Spark or pandas, with any column names, checked before any long work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BinaryType,
    BooleanType,
    DataType,
    DateType,
    NumericType,
    StringType,
    TimestampNTZType,
    TimestampType,
)

from recsys.columns import MOVIE, RATING, TIMESTAMP, TITLE, USER
from recsys.data.sources.files import look_at_frame
from recsys.data.sources.source import Source
from recsys.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

FRAME = "DataFrame"  # in place of the path and the file of a DataFrame
_TEXT, _IDS = (StringType,), (NumericType, StringType, BinaryType)
_TYPES: Mapping[str, tuple[tuple[type[DataType], ...], str]] = {
    USER: (_IDS, "numbers or text"),
    MOVIE: (_IDS, "numbers or text"),
    RATING: ((NumericType, BooleanType, StringType), "numbers, or text that holds numbers"),
    TIMESTAMP: ((NumericType, StringType, DateType, TimestampType, TimestampNTZType), "seconds, or dates and times"),
    TITLE: (_TEXT, "text"),
}


def source_of_frame(
    spark: SparkSession, what: str, frame: DataFrame | pd.DataFrame, columns: Mapping[str, tuple[str, str]]
) -> Source:
    """The rows of a DataFrame as a source, as `files.source_at` gives those of files.

    Args:
        spark: the session in which a pandas DataFrame becomes one of Spark.
        what: the argument that holds the DataFrame, for messages.
        frame: a DataFrame of Spark or pandas.
        columns: for each of our columns the name in the DataFrame, and the argument that gives it.

    Raises:
        DataError: the argument is no DataFrame, or a column is missing, there twice, or of a type that cannot be used.
    """
    if not isinstance(frame, DataFrame) and not hasattr(frame, "iloc"):
        raise DataError(f"{what}: is of type {type(frame).__name__}: expected a DataFrame of Spark or pandas")
    there = [str(name) for name in frame.columns]
    positions = {name: _position(what, there, column, argument) for name, (column, argument) in columns.items()}
    if isinstance(frame, DataFrame):
        # by position: a name may hold dots, or differ from another in case alone
        numbered = frame.toDF(*[f"c{position}" for position in range(len(there))])
        chosen = numbered.select(*[F.col(f"c{position}").alias(name) for name, position in positions.items()])
    else:
        chosen = _from_pandas(spark, what, frame, positions)
    for name, (column, argument) in columns.items():
        types, expected = _TYPES[name]
        kind = chosen.schema[name].dataType
        if not isinstance(kind, types):
            raise DataError(
                f"{what}: the column {column!r} ({argument}) is of type {kind.simpleString()}: expected {expected}"
            )
    same = {name: name for name in columns}
    look = look_at_frame(chosen, same, what, explicit=True)
    return Source(FRAME, 1, 0, None, same, look, frame=chosen)


def _position(what: str, there: Sequence[str], column: str, argument: str) -> int:
    """Where the column is: the one of that name, else the one of the same name in other case, as Spark sees names."""
    for names, wanted in ((there, column), ([name.lower() for name in there], column.lower())):
        matches = [position for position, name in enumerate(names) if name == wanted]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise DataError(f"{what}: has {len(matches)} columns {column!r}: give them different names")
    raise DataError(f"{what}: no column {column!r} (there are {', '.join(there)}): name it by the argument {argument}")


def _from_pandas(spark: SparkSession, what: str, frame: pd.DataFrame, positions: Mapping[str, int]) -> DataFrame:
    import pandas as pd  # here: a Spark DataFrame needs none of it

    columns = {name: frame.iloc[:, position] for name, position in positions.items()}
    for name, values in columns.items():
        if isinstance(values.dtype, pd.CategoricalDtype):
            columns[name] = values.astype(values.dtype.categories.dtype)
    try:
        return spark.createDataFrame(pd.DataFrame(columns))
    except (PySparkException, Py4JJavaError, TypeError, ValueError) as error:
        cause = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{what}: the pandas DataFrame cannot be made one of Spark: {cause}") from None
