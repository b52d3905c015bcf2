"""Rejected rows: first examples of each reason with file, row and text, and the error when there are too many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys.columns import MOVIE, USER
from recsys.errors import DataError
from recsys.ratings.read import DUPLICATE, FILE, HEADER, LINE, POSITION, REASON, REPEATED_HEADER, UNKNOWN_MOVIE

EXAMPLES = 5  # of each reason
_LINE_CHARACTERS = 200


@dataclass(frozen=True)
class Rejected:
    """The rows of one reason: how many, and the first of them."""

    count: int
    examples: list[dict[str, Any]]  # file, row (from 1, as an editor counts), text


def first_examples(rows: DataFrame, reason: str) -> list[dict[str, Any]]:
    """The first rows of that reason, of rows that keep their line; their row numbers still to be told."""
    wanted = rows.where(F.col(REASON) == reason).orderBy(FILE, POSITION).limit(EXAMPLES)
    return [row.asDict() for row in wanted.select(FILE, POSITION, LINE).collect()]


def with_examples(
    spark: SparkSession, rows: DataFrame, counts: dict[str, int], known_movies: DataFrame | None, headers: int
) -> dict[str, Rejected]:
    """The examples of every reason that occurred. `rows`: parsed rows (user, movie, reason) that keep their line."""
    result = {}
    for reason, count in counts.items():
        if not count:
            continue
        if reason == UNKNOWN_MOVIE and known_movies is not None:
            good = rows.where(F.col(REASON).isNull())
            found = first_examples(
                good.join(known_movies, MOVIE, "left_anti").withColumn(REASON, F.lit(reason)), reason
            )
        elif reason == DUPLICATE:
            good = rows.where(F.col(REASON).isNull())
            pairs = good.groupBy(USER, MOVIE).count().where("count > 1").orderBy(USER, MOVIE).limit(EXAMPLES)
            twice = good.join(F.broadcast(pairs.select(USER, MOVIE)), [USER, MOVIE]).withColumn(REASON, F.lit(reason))
            found = first_examples(twice, reason)
        elif reason == REPEATED_HEADER:
            header_rows = rows.where(F.col(REASON) == HEADER).orderBy(FILE, POSITION).limit(EXAMPLES + headers)
            found = [row.asDict() for row in header_rows.select(FILE, POSITION, LINE).collect()]
        else:
            found = first_examples(rows, reason)
        result[reason] = Rejected(count, found)
    numbers = _row_numbers(rows, [example for one in result.values() for example in one.examples])
    for reason, one in result.items():
        told = [
            {"file": e[FILE], "row": numbers[(e[FILE], e[POSITION])], "text": e[LINE][:_LINE_CHARACTERS]}
            for e in one.examples
        ]
        if reason == REPEATED_HEADER:
            told = [example for example in told if example["row"] > 1][:EXAMPLES]
        result[reason] = Rejected(one.count, told)
    return result


def check_rejected(what: str, rows_read: int, rejected: dict[str, Rejected], max_rejected: float) -> None:
    """DataError with the first examples where more than the fraction `max_rejected` of the rows was rejected."""
    total = sum(one.count for one in rejected.values())
    if total <= max_rejected * rows_read:
        return
    lines = [
        f"{total:,} of {rows_read:,} {what} are rejected, more than data.max_rejected = {max_rejected:g} allows; "
        "mend the file, tell its layout (data.separator, data.columns, data.rating_max, data.id_type), "
        "or raise data.max_rejected:"
    ]
    for reason, one in rejected.items():
        lines.append(f"  {reason}: {one.count:,}")
        lines += [f"    {e['file']} row {e['row']}: {e['text']!r}" for e in one.examples[:3]]
    raise DataError("\n".join(lines))


def _row_numbers(rows: DataFrame, examples: list[dict[str, Any]]) -> dict[tuple[str, int], int]:
    """The row number, from 1, of each example: positions grow by one within a file's part, not between parts."""
    if not examples:
        return {}
    files = sorted({example[FILE] for example in examples})
    part = F.shiftright(F.col(POSITION), 33).alias("part")
    parts = (
        rows.where(F.col(FILE).isin(files))
        .groupBy(FILE, part)
        .agg(F.min(POSITION).alias("first"), F.max(POSITION).alias("last"))
        .orderBy(FILE, "part")
        .collect()
    )
    numbers = {}
    for example in examples:
        before = 0
        for file, _, first, last in parts:
            if file != example[FILE]:
                continue
            if first <= example[POSITION] <= last:
                numbers[(file, example[POSITION])] = before + example[POSITION] - first + 1
                break
            before += last - first + 1
    return numbers
