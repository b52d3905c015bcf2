"""The rows of a source as fields, before they are parsed: of text, Parquet or a DataFrame."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys.data.text.records import LINE_CHARS
from recsys.data.text.spark_records import odd_quotes, records_frame

if TYPE_CHECKING:
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
