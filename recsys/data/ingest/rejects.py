"""Rejected rows: all with file, row and text, examples of each reason, and the error where there are too many."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from recsys.columns import MOVIE, TIMESTAMP, USER
from recsys.data.ingest.movies import SELECTED
from recsys.data.ingest.rows import (
    DUPLICATE,
    FIELD,
    FILE,
    HEADER,
    LINE,
    POSITION,
    REASON,
    REPEATED_HEADER,
    UNKNOWN_MOVIE,
    read_lines,
)
from recsys.data.sources.source import Source
from recsys.errors import DataError

EXAMPLES = 5  # of each reason
ROW = "row"
_LINE_CHARACTERS = 200
_PART, _BEFORE, _FIRST, _TOP = "part", "before", "first", "top"


@dataclass(frozen=True)
class Rejected:
    """The rows of one reason: how many, and the first of them."""

    count: int
    examples: list[dict[str, Any]]  # file, row (from 1, as an editor counts), field (or None), text


class RejectedRows:
    """The rejected rows of all sources, ratings and movies, added one source after the other."""

    def __init__(self, spark: SparkSession, max_rejected: float) -> None:
        self._spark, self._max_rejected = spark, max_rejected
        self._frames: list[DataFrame] = []

    def add(
        self,
        what: str,
        source: Source,
        rows: DataFrame,
        counts: dict[str, int],
        rows_read: int,
        known: DataFrame | None = None,
        every_duplicate: bool = False,
        remedy: Callable[[], str] | None = None,
    ) -> dict[str, dict[str, Any]]:
        """Count and examples by reason, for statistics.json; DataError where too many rows are rejected.

        `rows`, `known` and `every_duplicate` as in `rejected_rows`; `remedy` gives one more line of the error.
        """
        occurred = {reason: count for reason, count in counts.items() if count}
        if not occurred:
            return {}
        frame = rejected_rows(self._spark, source, rows, occurred, known, every_duplicate)
        rejected = with_examples(frame, occurred)
        check_rejected(what, rows_read, rejected, self._max_rejected, remedy)
        self._frames.append(frame)
        return {reason: {"count": rows.count, "examples": rows.examples} for reason, rows in rejected.items()}

    @property
    def rows(self) -> DataFrame | None:
        """Every rejected row (reason, file, row, field, line); None where there is none."""
        return reduce(DataFrame.union, self._frames) if self._frames else None


def rejected_rows(
    spark: SparkSession,
    source: Source,
    rows: DataFrame,
    reasons: Collection[str],
    known: DataFrame | None = None,
    every_duplicate: bool = False,
) -> DataFrame:
    """Every rejected row: reason, file, row (from 1, as an editor counts), field (null where it is none), line.

    Args:
        spark: a session.
        source: where the rows come from.
        rows: the source's parsed rows with their line.
        reasons: the reasons that occurred.
        known: of ratings the known movies (movie, code, selected). Duplicates count in ratings of selected movies.
        every_duplicate: whether all rows of a repeated pair are rejected, not only all but the latest.
    """
    kept = [REASON, FILE, POSITION, FIELD, LINE]
    good, selected = F.col(REASON).isNull(), F.lit(True)
    if known is not None:
        # one pass for all reasons that depend on a row and the movies alone
        rows = rows.join(F.broadcast(known), MOVIE, "left")
        selected = F.coalesce(F.col(SELECTED), F.lit(False))
        unknown = F.when(good & F.col(SELECTED).isNull(), F.lit(UNKNOWN_MOVIE))
        rows = rows.withColumn(REASON, F.coalesce(REASON, unknown))
    rejected = rows.where(~good).select(kept)
    if DUPLICATE in reasons:
        duplicates = _duplicates(rows.where(good & selected), every_duplicate).withColumn(REASON, F.lit(DUPLICATE))
        rejected = rejected.union(duplicates.select(kept))
    reason = F.when(F.col(REASON) == HEADER, F.lit(REPEATED_HEADER)).otherwise(F.col(REASON))
    if source.layout is not None and source.layout.records:
        # the record reader numbers the rows; the first of a file may be its header
        first = rows.groupBy(FILE).agg(F.min(POSITION).alias(_TOP))
        numbered = rejected.join(F.broadcast(first), FILE)
        is_header = (F.col(REASON) == HEADER) & (F.col(POSITION) == F.col(_TOP))
        columns = [reason.alias(REASON), _readable().alias(FILE), F.col(POSITION).alias(ROW), F.col(FIELD), F.col(LINE)]
        return numbered.where(~is_header).select(*columns)
    numbered = rejected.withColumn(_PART, _part()).join(F.broadcast(_parts(spark, source)), [FILE, _PART])
    row = F.col(_BEFORE) + F.col(POSITION) - F.col(_FIRST) + 1
    is_header = (F.col(REASON) == HEADER) & (row == F.col(_TOP))
    columns = [reason.alias(REASON), _readable().alias(FILE), row.alias(ROW), F.col(FIELD), F.col(LINE)]
    return numbered.where(~is_header).select(*columns)


def with_examples(rejected: DataFrame, counts: dict[str, int]) -> dict[str, Rejected]:
    """Count and first examples of every reason that occurred; `rejected` as `rejected_rows` gives them."""
    in_order = Window.partitionBy(REASON).orderBy(FILE, ROW)
    first = rejected.withColumn("rank", F.row_number().over(in_order)).where(F.col("rank") <= EXAMPLES)
    text = F.substring(LINE, 1, _LINE_CHARACTERS).alias("text")
    examples = first.orderBy(REASON, "rank").select(REASON, FILE, ROW, FIELD, text).collect()
    return {
        reason: Rejected(
            count, [{"file": e[1], "row": e[2], "field": e[3], "text": e[4]} for e in examples if e[0] == reason]
        )
        for reason, count in counts.items()
    }


def check_rejected(
    what: str,
    rows_read: int,
    rejected: dict[str, Rejected],
    max_rejected: float,
    remedy: Callable[[], str] | None = None,
) -> None:
    """DataError with the first examples where more than the fraction `max_rejected` of the rows was rejected."""
    total = sum(rows.count for rows in rejected.values())
    if total <= max_rejected * rows_read:
        return
    lines = [
        f"{total:,} of {rows_read:,} {what} are rejected, more than data.max_rejected = {max_rejected:g} allows; "
        "correct the file, set its layout (data.separator, data.columns, data.rating_max, data.id_type), "
        "say what repeated rows are (data.duplicates), or raise data.max_rejected:"
    ]
    for reason, rows in rejected.items():
        lines.append(f"  {reason}: {rows.count:,}")
        lines += [f"    {e['file']} row {e['row']}{_of_field(e)}: {e['text']!r}" for e in rows.examples[:3]]
    if remedy:
        lines.append(remedy())
    raise DataError("\n".join(lines))


def _of_field(example: dict[str, Any]) -> str:
    return f" ({example['field']})" if example.get("field") else ""


def _duplicates(good: DataFrame, every: bool) -> DataFrame:
    """The rows that `unique_ratings` (or, of movies, `movies_of_rows`) leaves out: all but the latest of their key, or
    every row of a repeated key."""
    keys = [name for name in (USER, MOVIE) if name in good.columns]
    times = [F.col(TIMESTAMP).desc_nulls_last()] if TIMESTAMP in good.columns else []
    # the few keys first, so that not every line is shuffled
    twice = good.groupBy(keys).count().where("count > 1").select(keys)
    if every:
        return good.join(twice, keys, "left_semi")
    latest_first = Window.partitionBy(keys).orderBy(*times, F.col(FILE).desc(), F.col(POSITION).desc())
    ranked = good.join(twice, keys, "left_semi").withColumn("rank", F.row_number().over(latest_first))
    return ranked.where(F.col("rank") > 1)


def _parts(spark: SparkSession, source: Source) -> DataFrame:
    """Where each file's parts begin. One task reads a part: positions grow by one within a part, not between parts.

    `before` is the number of the file's lines in earlier parts, `first` the part's first position, `top` the row of
    the file's first line that is not blank. The driver gets a row for each file and task.
    """
    lines = read_lines(spark, source, name_files=True)
    filled = F.col("value") != "" if source.layout is not None else F.lit(True)
    firsts = [F.min(POSITION), F.count(F.lit(1)), F.min(F.when(filled, F.col(POSITION)))]
    before: dict[str, int] = {}
    top: dict[str, int] = {}
    parts = []
    for file, part, first, count, first_filled in sorted(lines.groupBy(FILE, _part()).agg(*firsts).collect()):
        start = before.get(file, 0)
        if first_filled is not None:
            top.setdefault(file, start + first_filled - first + 1)
        parts.append((file, part, first, start))
        before[file] = start + count
    with_top = [(*part, top.get(part[0])) for part in parts]
    schema = f"{FILE} string, {_PART} bigint, {_FIRST} bigint, {_BEFORE} bigint, {_TOP} bigint"
    return spark.createDataFrame(with_top, schema)


def _part() -> Column:
    """The task that read a row: the upper bits of monotonically_increasing_id."""
    return F.shiftright(F.col(POSITION), 33)


def _readable() -> Column:
    """The file as `recsys.files.readable_path` gives it: a plain path where it is local."""
    path = F.regexp_replace(FILE, "^file:/+", "/")
    decoded = F.url_decode(F.replace(path, F.lit("+"), F.lit("%2B")))
    return F.when(F.col(FILE).startswith("file:/"), decoded).otherwise(F.col(FILE))
