"""From text, Parquet or a DataFrame to typed rows, each good or with the reason why it is rejected.

The same expressions serve every format: a column of strings is cast with `try_cast` (Spark 4 is ANSI: a plain cast
raises). What does not parse and what is missing are different reasons.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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
    TimestampType,
)

from recsys.columns import MOVIE, RATING, TIMESTAMP, TITLE, USER, YEAR
from recsys.data.sources.ids import INTEGER_PATTERN, LIKE_AN_INTEGER
from recsys.data.sources.layout import UNDECODABLE
from recsys.data.sources.times import SECONDS, Times
from recsys.data.text.records import LINE_CHARS
from recsys.data.text.spark_records import odd_quotes, records_frame

if TYPE_CHECKING:
    from recsys.data.scale import Scale
    from recsys.data.sources.source import Source  # what executors import stays small

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
# not reasons to reject: where a row has one, the source is read again in another way
USER_IS_TEXT, MOVIE_IS_TEXT = "user_is_text", "movie_is_text"  # an id that is not what its integer is written as
QUOTES = "quotes"  # the quotes of the line do not close, or are escaped by a backslash
FIELD = "field"  # the column of a rejected row that is missing, or does not parse
FILES_NUMBERED = 64  # with more files it costs more to look up each name than to keep it
HEADER = "header"  # not a reason to reject: the first row of a file may be one

# the reasons that depend on the row alone, in the order in which they are checked
ROW_REASONS = (MISSING_FIELD, DOES_NOT_PARSE, OFF_SCALE)


@dataclass(frozen=True)
class Reading:
    """How the fields of ratings are read."""

    integer_users: bool
    integer_movies: bool
    decimal: str = "."
    times: Times = SECONDS
    ids_told: bool = True  # from the data, so that ids such as 01 make all of them text

    @staticmethod
    def of(source: Source, integer_users: bool, integer_movies: bool, ids_told: bool) -> Reading:
        """How the fields of that source are read."""
        decimal = source.layout.decimal if source.layout is not None else "."
        return Reading(integer_users, integer_movies, decimal, source.look.times or SECONDS, ids_told)


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
    file = F.input_file_name() if name_files else F.lit("")
    if source.layout is not None:
        frame = spark.read.text(source.spark_paths)
    else:
        frame = spark.read.parquet(*source.spark_paths)
    return frame.withColumns({POSITION: F.monotonically_increasing_id(), FILE: file})


def read_rows(spark: SparkSession, source: Source, keep_line: bool = False) -> DataFrame:
    """The rows of a source before they are parsed: a column a field (strings for text), with their position.

    Header lines are kept, with the reason `header`; blank lines are left out. With `keep_line` there is a column with
    the text of the row, and the file is a name; else it may be a number. The position of a row that the record reader
    reads is its number in the file.
    """
    if source.layout is not None and source.layout.records:
        return _read_records(spark, source, keep_line)
    frame = read_lines(spark, source, name_files=source.files > 1 or keep_line)
    if source.files > 1 and not keep_line:
        frame = number_files(frame, source)
    return parse_fields(frame, source, keep_line)


def _read_records(spark: SparkSession, source: Source, keep_line: bool) -> DataFrame:
    """The rows of a text source by the record reader, as `read_rows` gives them."""
    layout = source.layout
    assert layout is not None
    frame = records_frame(spark, source.names, layout.record_format(), layout.width)
    columns = [F.col(f"c{position}").alias(name) for name, position in layout.positions.items()]
    is_header = F.lit(False)
    if layout.header is not None and layout.layout == "long":
        is_header = F.col("line") == F.lit(layout.header[:LINE_CHARS])
    reason = F.when(is_header, F.lit(HEADER))
    columns += [F.col("row").alias(POSITION), reason.alias(REASON)]
    if keep_line:
        names = F.array(*[F.lit(name) for name in source.names])
        columns += [F.element_at(names, F.col("file")).alias(FILE), F.col("line").alias(LINE)]
    else:
        columns.append(F.col("file").alias(FILE))
    return frame.select(*columns)


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
        if layout.rest_of_line:
            frame = frame.withColumn("fields", F.split("value", re.escape(layout.separator), layout.width))
            fields = {name: F.get("fields", F.lit(position)) for name, position in layout.positions.items()}
        else:
            schema = ", ".join(f"c{position} string" for position in range(layout.width))
            options = {"sep": layout.separator, "quote": '"' if layout.quoted else "\u0000", "escape": '"'}
            frame = frame.withColumn("fields", F.from_csv("value", schema, options))
            fields = {name: F.col(f"fields.c{position}") for name, position in layout.positions.items()}
        line = F.make_valid_utf8("value")
        reason = F.lit(None).cast("string")
        if layout.quoted:
            escaped = F.col("value").contains('\\"')
            reason = F.when(odd_quotes(F.col("value")) | escaped, F.lit(QUOTES))
        if layout.header:
            reason = F.when(F.col("value") == F.lit(layout.header), F.lit(HEADER)).otherwise(reason)
    columns = [column.alias(name) for name, column in fields.items()]
    columns += [F.col(POSITION), reason.alias(REASON), F.col(FILE)]
    if keep_line:
        columns.append(line.alias(LINE))
    return frame.select(*columns)


def parse_ratings(rows: DataFrame, reading: Reading) -> DataFrame:
    """Typed ratings: user and movie (bigint or string), rating (float), timestamp (bigint), reason.

    Without a column of ratings every rating is 1. The timestamp is in the unit of `reading.times.stored`. Where rows
    have their line, `field` is the column that is missing, or does not parse.
    """
    types = {field.name: field.dataType for field in rows.schema}
    has_time, has_rating = TIMESTAMP in types, RATING in types
    user, movie = _parse_id(rows, USER, reading.integer_users), _parse_id(rows, MOVIE, reading.integer_movies)
    rating = _parse_number(rows, RATING, reading.decimal) if has_rating else F.lit(1.0).cast("float")
    time = _parse_time(rows, reading.times) if has_time else F.lit(None).cast("bigint")
    missing = [(_is_missing(rows, name), name) for name in (USER, MOVIE, RATING) if name in types]
    unparsed = [(user.isNull(), USER), (movie.isNull(), MOVIE), (rating.isNull(), RATING)]
    if has_time:
        unparsed.append((time.isNull() & ~_is_missing(rows, TIMESTAMP), TIMESTAMP))
    reason = F.when(F.col(REASON).isNotNull(), F.col(REASON))
    if reading.ids_told:
        for name, integer, is_text in (
            (USER, reading.integer_users, USER_IS_TEXT),
            (MOVIE, reading.integer_movies, MOVIE_IS_TEXT),
        ):
            if integer and (wrong := _is_text(rows, name)) is not None:
                reason = reason.when(wrong, is_text)
    reason = reason.when(_any(missing), MISSING_FIELD).when(_any(unparsed), DOES_NOT_PARSE)
    kept = [F.col(name) for name in (POSITION, FILE, LINE) if name in types]
    if LINE in types:
        kept.append(_first_of([*missing, *unparsed]).alias(FIELD))
    return rows.select(
        user.alias(USER), movie.alias(MOVIE), rating.alias(RATING), time.alias(TIMESTAMP), reason.alias(REASON), *kept
    )


def _any(conditions: list[tuple[Column, str]]) -> Column:
    found = F.lit(False)
    for condition, _ in conditions:
        found = found | condition
    return found


def _first_of(conditions: list[tuple[Column, str]]) -> Column:
    """The name of the first condition that holds; null where none does."""
    return F.coalesce(*[F.when(condition, F.lit(name)) for condition, name in conditions])


def id_type(integer: bool) -> DataType:
    """The type of users or movies."""
    return LongType() if integer else StringType()


def check_scale(ratings: DataFrame, scale: Scale) -> DataFrame:
    """The same rows; those off the scale (or NaN) get that reason. Rows that say "not rated" are left out."""
    # the bounds as floats, as the ratings are: 0.7 as a double is more than 0.7 as a float
    rating, lowest, highest = F.col(RATING), F.lit(scale.low).cast("float"), F.lit(scale.high).cast("float")
    if scale.missing:
        codes = [F.lit(float(code)).cast("float") for code in scale.missing]
        ratings = ratings.where(F.col(REASON).isNotNull() | ~rating.isin(codes))
    # a NaN is larger than everything in Spark, so that it is off the scale as well
    off = (rating < lowest) | (rating > highest)
    if scale.step:
        off = off | ((rating - lowest) % F.lit(float(scale.step)).cast("float") != 0)
    checked = ratings.withColumn(REASON, F.when(F.col(REASON).isNull() & off, OFF_SCALE).otherwise(F.col(REASON)))
    if FIELD in checked.columns:
        checked = checked.withColumn(FIELD, F.when(F.col(REASON) == OFF_SCALE, RATING).otherwise(F.col(FIELD)))
    return checked


def parse_movies(rows: DataFrame, integer_movies: bool, ids_told: bool = True) -> DataFrame:
    """Typed movies: movie (bigint or string), title (trimmed, may be empty), year (int, null without one), reason."""
    movie = _parse_id(rows, MOVIE, integer_movies)
    title = F.trim(F.coalesce(F.col(TITLE).cast("string"), F.lit("")))
    year = F.expr(f"try_cast(regexp_extract({TITLE}, {_sql_text(YEAR_PATTERN)}, 1) as int)")
    if YEAR in rows.columns:
        column = F.expr(f"try_cast(try_cast({YEAR} as double) as int)")  # 2008.0 where some rows have none
        year = F.coalesce(F.when(column != 0, column), year)
    reason = F.when(F.col(REASON).isNotNull(), F.col(REASON))
    if integer_movies and ids_told and (is_text := _is_text(rows, MOVIE)) is not None:
        reason = reason.when(is_text, MOVIE_IS_TEXT)
    reason = reason.when(_is_missing(rows, MOVIE), MISSING_FIELD).when(movie.isNull(), DOES_NOT_PARSE)
    kept = [F.col(name) for name in (POSITION, FILE, LINE) if name in rows.columns]
    if LINE in rows.columns:
        kept.append(F.when(movie.isNull(), F.lit(MOVIE)).alias(FIELD))
    return rows.select(movie.alias(MOVIE), title.alias(TITLE), year.alias(YEAR), reason.alias(REASON), *kept)


def _parse_id(rows: DataFrame, name: str, integer: bool) -> Column:
    kind = rows.schema[name].dataType
    if not integer:
        text = F.trim(F.col(name).cast("string"))
        # bytes that are not in the encoding would merge two users into one
        return F.when((text != "") & ~text.contains(UNDECODABLE), text)
    if isinstance(kind, NumericType) and kind.typeName() in ("float", "double", "decimal"):
        return F.when(F.col(name) == F.floor(name), F.expr(f"try_cast({name} as bigint)"))
    if not isinstance(kind, StringType):
        return F.expr(f"try_cast({name} as bigint)")
    # 1.0 is 1
    return F.expr(rf"try_cast(regexp_replace({name}, r'\.0+\s*$', '') as bigint)")


def _is_text(rows: DataFrame, name: str) -> Column | None:
    """Whether an id is an integer that is not written so, such as 01; None where ids are numbers."""
    kind = rows.schema[name].dataType
    if kind.typeName() == "decimal":  # unsigned integers of 64 bits
        return F.col(name).isNotNull() & F.expr(f"try_cast({name} as bigint)").isNull()
    if not isinstance(kind, StringType):
        return None
    text = F.trim(name)
    return text.rlike(f"^{LIKE_AN_INTEGER}$") & ~text.rlike(f"^{INTEGER_PATTERN}$")


def _parse_number(rows: DataFrame, name: str, decimal: str) -> Column:
    if not isinstance(rows.schema[name].dataType, StringType):
        return F.expr(f"try_cast({name} as float)")
    text = F.col(name) if decimal == "." else F.replace(F.col(name), F.lit(decimal), F.lit("."))
    # Java reads '4.5d' and '0x1p2' as numbers; a file that holds them is broken
    return F.when(~text.rlike(r"(?i)[\d.]\s*[df]\s*$|x"), text.try_cast("float"))


def _parse_time(rows: DataFrame, times: Times) -> Column:
    """Times as integers, `times.stored` of them a second."""
    kind = rows.schema[TIMESTAMP].dataType
    if isinstance(kind, DateType | TimestampType | TimestampNTZType):
        return _of_micros(F.unix_micros(F.col(TIMESTAMP).cast("timestamp")), times)
    whole = F.expr(f"try_cast({TIMESTAMP} as bigint)")
    number = F.col(TIMESTAMP).try_cast("double")
    if times.stored != times.per_second:
        number = number * F.lit(times.stored / times.per_second)
        whole = F.lit(None).cast("bigint")
    seconds = F.coalesce(whole, F.when(F.abs(number) < 2.0**63, F.floor(number)))
    if not isinstance(kind, StringType):
        return seconds
    return F.coalesce(seconds, _of_micros(F.expr(f"unix_micros(try_cast({TIMESTAMP} as timestamp))"), times))


def _of_micros(micros: Column, times: Times) -> Column:
    if times.stored == 10**6:
        return micros
    if times.stored > 10**6:
        return micros * F.lit(times.stored // 10**6)
    return F.floor(micros / F.lit(10**6 // times.stored))


def _is_missing(rows: DataFrame, name: str) -> Column:
    kind = rows.schema[name].dataType
    if isinstance(kind, StringType):
        return F.col(name).isNull() | (F.trim(F.col(name)) == "")
    if isinstance(kind, FloatType | DoubleType) and name != RATING:
        return F.col(name).isNull() | F.isnan(name)  # as pandas writes a missing integer
    return F.col(name).isNull()


def _sql_text(text: str) -> str:
    return "r'" + text + "'"
