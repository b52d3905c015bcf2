"""The records of text files as a DataFrame, a task a file, read by Python (`recsys.data.text.records`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, zip_longest
from typing import BinaryIO

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys.data.text.compression import decompressed, open_bytes
from recsys.data.text.quotes import ESCAPES
from recsys.data.text.records import Record, RecordFormat, read_records
from recsys.errors import DataError
from recsys.files import readable_path

ROW, FILE, LINE, STRAY_QUOTE = "row", "file", "line", "stray_quote"
_BATCH = 10_000
_LARGEST = (1 << 31) - 1 - (1 << 20)  # bytes of a file that Spark reads as one value

_GLOB = re.compile(r"[\\{}\[\]*?]")  # what Spark takes for a pattern in a path

Batches = Iterable[pa.RecordBatch]


def records_frame(spark: SparkSession, paths: Sequence[str], form: RecordFormat, fields: int) -> DataFrame:
    """The records of text files, each file read by one task; files may be compressed.

    Local files (file:/...) must be on every executor. Those of other file systems are read as a whole by Spark.

    Args:
        spark: a session.
        paths: the files as Spark names them (`DataFrame.inputFiles`).
        form: how all of them are written.
        fields: how many leading fields of a record are of interest.

    Returns:
        A row a record: row (bigint, the number of its first line, from 1), file (int, of its path, from 1), line
        (string, the start of its text), c0, c1, ... (string, null where the record has fewer), and stray_quote
        (boolean: a quote has no end in it).

    Raises:
        DataError: of a remote file that is too large; within a task: of a file that is missing, corrupt or no text.
    """
    names = ", ".join(f"c{number} string" for number in range(fields))
    schema = f"{ROW} bigint, {FILE} int, {LINE} string, {names}, {STRAY_QUOTE} boolean"
    local = [readable_path(path) for path in paths]

    def read_local(batches: Batches) -> Batches:
        for number in (number for batch in batches for number in batch["id"].to_pylist()):
            with _open_local(local[number]) as stream:
                yield from record_batches(read_records(stream, form, local[number]), number + 1, fields)

    def read_remote(batches: Batches) -> Batches:
        for batch in batches:
            for number, content in zip(batch[FILE].to_pylist(), batch["content"], strict=True):
                stream = decompressed(pa.BufferReader(content.as_buffer()), paths[number - 1])
                yield from record_batches(read_records(stream, form, paths[number - 1]), number, fields)

    if all(path.startswith("file:/") for path in paths):
        return spark.range(0, len(paths), 1, len(paths)).mapInArrow(read_local, schema)
    return _contents(spark, paths).mapInArrow(read_remote, schema)


def record_batches(records: Iterator[Record], file: int, fields: int) -> Iterator[pa.RecordBatch]:
    """Record batches with the columns of `records_frame`, of the records of the file with that number."""
    while part := list(islice(records, _BATCH)):
        columns = list(islice(zip_longest(*(record.fields for record in part)), fields))
        columns += [()] * (fields - len(columns))
        yield pa.RecordBatch.from_pydict(
            {
                ROW: pa.array([record.row for record in part], pa.int64()),
                FILE: pa.repeat(pa.scalar(file, pa.int32()), len(part)),
                LINE: pa.array([record.line for record in part], pa.string()),
                **{
                    f"c{number}": pa.array(column, pa.string()) if column else pa.nulls(len(part), pa.string())
                    for number, column in enumerate(columns)
                },
                STRAY_QUOTE: pa.array([record.stray_quote for record in part], pa.bool_()),
            }
        )


def odd_quotes(column: Column) -> Column:
    """Whether a line has an odd number of double quotes (boolean), as `quotes.has_odd_quotes`."""
    text = F.regexp_replace(column, F.lit(ESCAPES), F.lit(""))
    return (F.length(text) - F.length(F.replace(text, F.lit('"'), F.lit("")))) % 2 == 1


def _open_local(path: str) -> BinaryIO:
    try:
        return open_bytes(path)
    except FileNotFoundError:
        raise DataError(
            f"{path}: an executor does not find it: put it where all machines see it under this path"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: an executor cannot read it ({error.strerror}): allow it, or copy the file") from None


def _contents(spark: SparkSession, paths: Sequence[str]) -> DataFrame:
    """The number and the bytes of each file: file (int), content (binary)."""
    java = spark._jvm
    assert java is not None
    names = [java.org.apache.hadoop.fs.Path(java.java.net.URI(path)).toString() for path in paths]
    files = spark.read.format("binaryFile").load([_GLOB.sub(r"\\\g<0>", name) for name in names])
    large = files.where(F.col("length") > _LARGEST).select("path", "length").first()
    if large is not None:
        raise DataError(
            f"{large['path']}: has {large['length']:,} bytes, and in this encoding or layout Spark reads at most "
            f"{_LARGEST:,} of a remote file: split it, convert it to UTF-8 with a rating a row, or copy it to a disk of "
            "every machine"
        )
    number = F.array_position(F.lit(names), F.col("path")).cast("int")
    return files.select(number.alias(FILE), "content")
