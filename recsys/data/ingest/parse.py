"""From text, Parquet or a DataFrame to typed rows, each good or with the reason why it is rejected.

The same expressions serve every format: a column of strings is cast with `try_cast` (Spark 4 is ANSI: a plain cast
raises). What does not parse and what is missing are different reasons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    DataType,
    DateType,
    DoubleType,
    FloatType,
    LongType,
    NumericType,
    StringType,
    TimestampNTZType,
)

from recsys.columns import MOVIE, RATING, TIMESTAMP, TITLE, USER, YEAR
from recsys.data.sources.layout import UNDECODABLE

if TYPE_CHECKING:
    from recsys.data.sources.files import Source  # what executors import stays small

POSITION = "position"  # of a row: grows from row to row within a file
FILE = "file"  # of a row; constant where there is only one
REASON = "reason"  # why a row is rejected; null for a good one
LINE = "line"  # the text of the row in the file

DOES_NOT_PARSE = "does_not_parse"
MISSING_FIELD = "missing_field"
OFF_SCALE = "off_scale"
REPEATED_HEADER = "repeated_header"
UNKNOWN_MOVIE = "unknown_movie"
DUPLICATE = "duplicate"
FILES_NUMBERED = 64  # with more files it costs more to look up each name than to keep it
HEADER = "header"  # not a reason to reject: the first row of a file may be one

# the reasons that depend on the row alone, in the order in which they are checked
ROW_REASONS = (MISSING_FIELD, DOES_NOT_PARSE, OFF_SCALE)

# The year that closes a title: (1983), (1983)), (2006–2007), (2009– ); behind it blanks, a dangling dash or one
# bracketed note, as in "The Naked Truth (1957) (Your Past Is Showing)".
_CLOSED = r"[\s\u00a0]*\)[)\]\s\u00a0‐-―-]*"
YEAR_PATTERN = r"\(((?:1[89]|2[01])\d\d)\s*(?:[-‐-―]\s*(?:\d{4})?)?" + _CLOSED + r"(?:\((?!\d)[^()]*" + _CLOSED + ")?$"


def read_lines(spark: SparkSession, source: Source, name_files: bool) -> DataFrame:
    """The lines of a text source (value), or the rows of Parquet or a DataFrame, with position and file.

    Blank lines are kept. The file of a DataFrame's rows is the source's path, "DataFrame".
    """
    if source.frame is not None:
        return source.frame.withColumns({POSITION: F.monotonically_increasing_id(), FILE: F.lit(source.path)})
    read = spark.read.text if source.layout is not None else spark.read.parquet
    file = F.input_file_name() if name_files else F.lit("")
    return read(source.path).withColumns({POSITION: F.monotonically_increasing_id(), FILE: file})


def read_rows(spark: SparkSession, source: Source, keep_line: bool = False) -> DataFrame:
    """The rows of a source before they are parsed: a column a field (strings for text), with their position.

    Header lines are kept, with the reason `header`; blank lines are left out. With `keep_line` there is a column with
    the text of the row.
    """
    frame = read_lines(spark, source, name_files=source.files > 1 or keep_line)
    if source.files > 1 and not keep_line:
        frame = number_files(frame, source)
    return parse_fields(frame, source, keep_line)


def number_files(frame: DataFrame, source: Source) -> DataFrame:
    """The same rows with the number of their file instead of its name: it sorts in the same order and costs less."""
    if len(source.names) > FILES_NUMBERED:
        return frame
    return frame.withColumn(FILE, F.array_position(F.lit(list(source.names)), F.col(FILE)).cast("int"))


def parse_fields(frame: DataFrame, source: Source, keep_line: bool = False) -> DataFrame:
    """The fields of rows as `read_rows` gives them, from position, file and value (or the columns of Parquet)."""
    if source.layout is None:
        fields = {name: F.col(f"`{column}`") for name, column in source.columns.items()}
        line = F.to_json(F.struct(*[column.alias(name) for name, column in fields.items()]))
        reason: Column = F.lit(None).cast("string")
    else:
        # blank lines had positions too, so that row numbers count them
        frame = frame.where("value != ''")
        layout = source.layout
        if layout.encoding != "UTF-8":
            frame = frame.withColumn("value", F.decode(F.col("value").cast("binary"), layout.encoding))
        schema = ", ".join(f"c{position} string" for position in range(layout.width))
        options = {"sep": layout.separator, "quote": '"' if layout.quoted else "\u0000", "escape": '"'}
        frame = frame.withColumn("fields", F.from_csv("value", schema, options))
        fields = {name: F.col(f"fields.c{position}") for name, position in layout.positions.items()}
        line = F.make_valid_utf8("value")
        is_header = F.col("value") == F.lit(layout.header)
        reason = F.when(is_header, F.lit(HEADER)) if layout.header else F.lit(None).cast("string")
    columns = [column.alias(name) for name, column in fields.items()]
    columns += [F.col(POSITION), reason.alias(REASON), F.col(FILE)]
    if keep_line:
        columns.append(line.alias(LINE))
    return frame.select(*columns)


def parse_ratings(rows: DataFrame, integer_users: bool, integer_movies: bool) -> DataFrame:
    """Typed ratings: user and movie (bigint or string), rating (float), timestamp (bigint, seconds), reason."""
    types = {field.name: field.dataType for field in rows.schema}
    has_time = TIMESTAMP in types
    user, movie = _parse_id(rows, USER, integer_users), _parse_id(rows, MOVIE, integer_movies)
    rating = _parse_number(rows, RATING)
    time = _parse_time(rows) if has_time else F.lit(None).cast("bigint")
    missing = _is_missing(rows, USER) | _is_missing(rows, MOVIE) | _is_missing(rows, RATING)
    unparsed = user.isNull() | movie.isNull() | rating.isNull()
    if has_time:
        unparsed = unparsed | (time.isNull() & ~_is_missing(rows, TIMESTAMP))
    reason = (
        F.when(F.col(REASON).isNotNull(), F.col(REASON)).when(missing, MISSING_FIELD).when(unparsed, DOES_NOT_PARSE)
    )
    kept = [name for name in (POSITION, FILE, LINE) if name in types]
    return rows.select(
        user.alias(USER), movie.alias(MOVIE), rating.alias(RATING), time.alias(TIMESTAMP), reason.alias(REASON), *kept
    )


def id_type(integer: bool) -> DataType:
    """The type of users or movies."""
    return LongType() if integer else StringType()


def check_scale(ratings: DataFrame, low: float, high: float, step: float | None) -> DataFrame:
    """The same rows; those off the scale from `low` to `high` in steps of `step` (or NaN) get that reason."""
    # the bounds as floats, as the ratings are: 0.7 as a double is more than 0.7 as a float
    rating, lowest, highest = F.col(RATING), F.lit(float(low)).cast("float"), F.lit(float(high)).cast("float")
    # a NaN is larger than everything in Spark, so that it is off the scale as well
    off = (rating < lowest) | (rating > highest)
    if step:
        off = off | ((rating - lowest) % F.lit(float(step)).cast("float") != 0)
    return ratings.withColumn(REASON, F.when(F.col(REASON).isNull() & off, OFF_SCALE).otherwise(F.col(REASON)))


def parse_movies(rows: DataFrame, integer_movies: bool) -> DataFrame:
    """Typed movies: movie (bigint or string), title (trimmed, may be empty), year (int, null without one), reason."""
    movie = _parse_id(rows, MOVIE, integer_movies)
    title = F.trim(F.coalesce(F.col(TITLE).cast("string"), F.lit("")))
    year = F.expr(f"try_cast(regexp_extract({TITLE}, {_sql_text(YEAR_PATTERN)}, 1) as int)")
    reason = (
        F.when(F.col(REASON).isNotNull(), F.col(REASON))
        .when(_is_missing(rows, MOVIE), MISSING_FIELD)
        .when(movie.isNull(), DOES_NOT_PARSE)
    )
    kept = [name for name in (POSITION, FILE, LINE) if name in rows.columns]
    return rows.select(movie.alias(MOVIE), title.alias(TITLE), reason.alias(REASON), *kept).withColumn(YEAR, year)


def _parse_id(rows: DataFrame, name: str, integer: bool) -> Column:
    kind = rows.schema[name].dataType
    if not integer:
        text = F.trim(F.col(name).cast("string"))
        # bytes that are not in the encoding would merge two users into one
        return F.when((text != "") & ~text.contains(UNDECODABLE), text)
    if isinstance(kind, NumericType) and kind.typeName() in ("float", "double", "decimal"):
        return F.when(F.col(name) == F.floor(name), F.expr(f"try_cast({name} as bigint)"))
    return F.expr(f"try_cast({name} as bigint)")


def _parse_number(rows: DataFrame, name: str) -> Column:
    number = F.expr(f"try_cast({name} as float)")
    if not isinstance(rows.schema[name].dataType, StringType):
        return number
    # Java reads '4.5d' and '0x1p2' as numbers; a file that holds them is broken
    return F.when(~F.col(name).rlike(r"(?i)[\d.]\s*[df]\s*$|x"), number)


def _parse_time(rows: DataFrame) -> Column:
    kind = rows.schema[TIMESTAMP].dataType
    if isinstance(kind, DateType | TimestampNTZType):
        return F.unix_timestamp(F.col(TIMESTAMP).cast("timestamp"))
    seconds = F.expr(f"try_cast({TIMESTAMP} as bigint)")
    if not isinstance(kind, StringType):
        return seconds
    return F.coalesce(seconds, F.expr(f"unix_timestamp(try_cast({TIMESTAMP} as timestamp))"))


def _is_missing(rows: DataFrame, name: str) -> Column:
    kind = rows.schema[name].dataType
    if isinstance(kind, StringType):
        return F.col(name).isNull() | (F.trim(F.col(name)) == "")
    if isinstance(kind, FloatType | DoubleType) and name != RATING:
        return F.col(name).isNull() | F.isnan(name)  # as pandas writes a missing integer
    return F.col(name).isNull()


def _sql_text(text: str) -> str:
    return "r'" + text + "'"
