"""From text, Parquet or a DataFrame to typed rows, each good or with the reason why it is rejected.

The same expressions serve every format: a column of strings is cast with `try_cast` (Spark 4 is ANSI: a plain cast
raises). What does not parse and what is missing are different reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
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
from recsys.data.ingest.rows import (
    DOES_NOT_PARSE,
    FIELD,
    FILE,
    LINE,
    MISSING_FIELD,
    MOVIE_IS_TEXT,
    OFF_SCALE,
    POSITION,
    REASON,
    USER_IS_TEXT,
)
from recsys.data.sources.ids import INTEGER_PATTERN, LIKE_AN_INTEGER, NO_ID_PATTERN
from recsys.data.sources.layout import UNDECODABLE
from recsys.data.sources.times import SECONDS, Times

if TYPE_CHECKING:
    from recsys.data.scale import Scale
    from recsys.data.sources.source import Source  # what executors import stays small


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
        missing = F.col(name).isNull() | (F.trim(F.col(name)) == "")
        return missing | F.trim(name).rlike(f"^{NO_ID_PATTERN}$") if name in (USER, MOVIE) else missing
    if isinstance(kind, FloatType | DoubleType) and name != RATING:
        return F.col(name).isNull() | F.isnan(name)  # as pandas writes a missing integer
    return F.col(name).isNull()


def _sql_text(text: str) -> str:
    return "r'" + text + "'"
