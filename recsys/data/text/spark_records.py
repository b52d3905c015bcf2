"""The records of text files as a DataFrame, a task a file, read by Python (`recsys.data.text.records`)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys.data.text.compression import decompressed, open_bytes
from recsys.data.text.records import WIDE, Record, RecordFormat, read_records
from recsys.errors import DataError
from recsys.files import readable_path

ROW, FILE, LINE, STRAY_QUOTE = "row", "file", "line", "stray_quote"
_BATCH = 10_000
_TASKS = 1000  # at most, of local files: the Netflix prize has 17,770 files
_LARGEST = (1 << 31) - 1 - (1 << 20)  # bytes of a file that Spark reads as one value

_ESCAPES = r'\\["\\]'  # an escaped quote or backslash
_GLOB = re.compile(r"[\\{}\[\]*?]")  # what Spark takes for a pattern in a path

Batches = Iterable[pa.RecordBatch]


def records_frame(spark: SparkSession, paths: Sequence[str], form: RecordFormat, fields: int) -> DataFrame:
    """The records of text files, which may be compressed; a task reads one file, or a few of more than 1,000 files.

    Local files (file:/...) must be on every executor. Those of other file systems are read as a whole by Spark.

    Args:
        spark: a session.
        paths: the files as Spark names them (`DataFrame.inputFiles`).
        form: how all of them are written.
        fields: how many leading fields of a record are of interest.

    Returns:
        A row a record: row (bigint, the number of its first line, from 1), file (int, of its path, from 1), line
        (string, the start of its text), c0, c1, ... (string, null where the record has fewer), and stray_quote
        (boolean: a quote has no end in it). Of several matrices without ids the users are file-number ("2-17").

    Raises:
        DataError: of a remote file that is too large; within a task: of a file that is missing, corrupt, no text, or of
            another size than on the driver.
    """
    names = ", ".join(f"c{number} string" for number in range(fields))
    schema = f"{ROW} bigint, {FILE} int, {LINE} string, {names}, {STRAY_QUOTE} boolean"
    files = [_LocalFile.of(readable_path(path)) for path in paths]
    numbered = form.layout == WIDE and form.id_column is None and len(paths) > 1
    together = -(-len(paths) // _TASKS)

    def batches_of(stream: BinaryIO, file: str, number: int) -> Batches:
        records = read_records(stream, form, file)
        return record_batches(_with_own_users(records, number) if numbered else records, number, fields)

    def read_local(batches: Batches) -> Batches:
        for task in (task for batch in batches for task in batch["id"].to_pylist()):
            for number in range(task * together, min((task + 1) * together, len(files))):
                with files[number].open() as stream:
                    yield from batches_of(stream, files[number].path, number + 1)

    def read_remote(batches: Batches) -> Batches:
        for batch in batches:
            for number, content in zip(batch[FILE].to_pylist(), batch["content"], strict=True):
                stream = decompressed(pa.BufferReader(content.as_buffer()), paths[number - 1])
                yield from batches_of(stream, paths[number - 1], number)

    if all(path.startswith("file:/") for path in paths):
        tasks = -(-len(paths) // together)
        return spark.range(0, tasks, 1, tasks).mapInArrow(read_local, schema)
    return _contents(spark, paths).mapInArrow(read_remote, schema)


def record_batches(records: Iterator[Record], file: int, fields: int) -> Iterator[pa.RecordBatch]:
    """Record batches with the columns of `records_frame`, of the records of the file with that number."""
    while True:
        rows: list[int] = []
        texts: list[str] = []
        strays: list[bool] = []
        flat: list[str | None] = []  # the fields of all records: a list a record would keep the garbage collector busy
        for row, values, line, stray in islice(records, _BATCH):
            rows.append(row)
            texts.append(line)
            strays.append(stray)
            flat += values[:fields]
            if len(values) < fields:
                flat += [None] * (fields - len(values))
        if not rows:
            return
        columns = {
            ROW: pa.array(rows, pa.int64()),
            FILE: pa.repeat(pa.scalar(file, pa.int32()), len(rows)),
            LINE: pa.array(texts, pa.string()),
        }
        for number in range(fields):
            columns[f"c{number}"] = pa.array(flat[number::fields], pa.string())
        yield pa.RecordBatch.from_pydict({**columns, STRAY_QUOTE: pa.array(strays, pa.bool_())})


def odd_quotes(column: Column) -> Column:
    """Whether a line has an odd number of double quotes (boolean); quotes that a backslash escapes do not count.

    In such a line a quoted field goes on in the next line, or a quote has no end.
    """
    text = F.regexp_replace(column, F.lit(_ESCAPES), F.lit(""))
    return (F.length(text) - F.length(F.replace(text, F.lit('"'), F.lit("")))) % 2 == 1


@dataclass(frozen=True)
class _LocalFile:
    """A file on the disks of all machines."""

    path: str
    size: int | None  # on the driver, in bytes; None where it is not there

    @staticmethod
    def of(path: str) -> _LocalFile:
        return _LocalFile(path, os.path.getsize(path) if os.path.isfile(path) else None)

    def open(self) -> BinaryIO:
        """Its bytes, decompressed; DataError where it is not as on the driver."""
        path = self.path
        try:
            if self.size not in (None, os.path.getsize(path)):
                raise DataError(f"{path}: has another size on an executor than on the driver: copy it there again")
            return open_bytes(path)
        except FileNotFoundError:
            raise DataError(
                f"{path}: an executor does not find it: put it where all machines see it under this path"
            ) from None
        except OSError as error:
            text = f"{path}: an executor cannot read it ({error.strerror}): allow it, or copy the file"
            raise DataError(text) from None


def _with_own_users(records: Iterator[Record], file: int) -> Iterator[Record]:
    """The same ratings with the number of the file before that of the user."""
    for record in records:
        record.fields[0] = f"{file}-{record.fields[0]}"
        yield record


def _contents(spark: SparkSession, paths: Sequence[str]) -> DataFrame:
    """The number and the bytes of each file: file (int), content (binary)."""
    java = spark._jvm
    assert java is not None
    names = [java.org.apache.hadoop.fs.Path(java.java.net.URI(path)).toString() for path in paths]
    files = spark.read.format("binaryFile").load([_GLOB.sub(r"\\\g<0>", name) for name in names])
    large = files.where(F.col("length") > _LARGEST).select("path", "length").first()
    if large is not None:
        raise DataError(
            f"{large['path']}: has {large['length']:,} bytes, and of a remote file in this encoding or layout at most "
            f"{_LARGEST:,} are read: split it, convert it to plain UTF-8, or copy it to the disks of all machines"
        )
    number = F.array_position(F.lit(names), F.col("path")).cast("int")
    return files.select(number.alias(FILE), "content")
