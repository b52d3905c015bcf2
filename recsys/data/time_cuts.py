"""A data set's split by time: the two moments, by counting where the blocks are, and what each part then holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from pyspark.sql import DataFrame

from recsys.columns import INDICES, TIMES, TIMESTAMP
from recsys.config import DataConfig
from recsys.data.blocks import NO_TIME, block_from_row, hash_movies
from recsys.data.sources.source import Source
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.data.time_split import (
    BINS,
    WITHOUT_TIMES,
    Moments,
    count_bins,
    count_by_row,
    is_known,
    iso_time,
    split_by_moments,
    split_last,
)
from recsys.errors import ConfigError, DataError

PARTS = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
_OTHERS = "set data.split = 'rating' or 'user'"
_LATEST = np.iinfo(np.int64).max

CountBins = Callable[[int, int], np.ndarray]  # (low, width) -> as `count_bins`, of all times


def find_time_split(blocks: DataFrame, data: DataConfig) -> tuple[Moments | None, dict[str, Any]]:
    """Where `data.split = "time"` cuts the ratings.

    Args:
        blocks: the users' stored blocks, with times.
        data: the settings: split_time, test_fraction, validation_fraction.

    Returns:
        The moments, None of split_time = "user", and the entry `time_split` of statistics.json: the first and last time
        (ISO 8601, UTC); when the validation and the test begin, null of split_time = "user"; ratings and users by part;
        and users with ratings of a part but none before it, who cannot be evaluated.

    Raises:
        ConfigError: the blocks were made without times.
        DataError: times are missing or all the same, or a part would be empty.
    """
    name = data.ratings or data.dataset
    total, first, last = _survey(blocks, name)
    moments = _moments(blocks, data, total, first, last) if data.split_time == "all" else None
    counts, starts = _count_parts(blocks, data, moments)
    wanted = {part: one for part, one in PARTS.items() if one != VALIDATION or data.validation_fraction}
    if moments is None and (empty := [part for part, one in wanted.items() if not counts[one, 0]]):
        raise DataError(f"{name}: no user has enough ratings for a part of its own ({empty[0]}): {_OTHERS}")
    if not counts[TEST, 1] - counts[TEST, 2]:
        raise DataError(
            f"{name}: none of the {counts[TEST, 1]:,} users with ratings from {iso_time(int(starts[TEST]))} on has an "
            "earlier one, of which to predict them: set data.split_time = 'user'"
        )
    summary = {
        "kind": data.split_time,
        "first": iso_time(first),
        "last": iso_time(last),
        **{
            f"{part}_from": iso_time(int(starts[PARTS[part]])) if moments and part in wanted else None
            for part in ("validation", "test")
        },
        "ratings": {part: int(counts[one, 0]) for part, one in PARTS.items()},
        "users": {part: int(counts[one, 1]) for part, one in PARTS.items()},
        "without_history": {
            part: {"users": int(counts[PARTS[part], 2]), "ratings": int(counts[PARTS[part], 3])}
            for part in ("validation", "test")
        },
    }
    return moments, summary


def check_times(source: Source) -> None:
    """DataError, before anything is read, where the ratings have no column of times."""
    columns = source.columns if source.layout is None else source.layout.positions
    if TIMESTAMP not in columns:
        raise DataError(
            f"{source.path}: has no column of times, which data.split = 'time' needs: name it in "
            f"data.columns.timestamp (of a DataFrame by the argument timestamp), or {_OTHERS}"
        )


def nth_time(rank: int, low: int, high: int, count: CountBins) -> tuple[int, int]:
    """(the smallest time with at least `rank` of the times up to it, how many these are); rank from 1.

    All times are in [low, high], low < high. The memory is that of BINS counts, however many different times there are.
    """
    before = up_to = 0
    while low < high:
        width = -(-(high - low + 1) // BINS)
        ends = before + np.cumsum(count(low, width))
        number = int(np.searchsorted(ends, rank))
        before, up_to = int(ends[number - 1]) if number else before, int(ends[number])
        low, high = low + number * width, min(high, low + (number + 1) * width - 1)
    return low, up_to


def _survey(blocks: DataFrame, name: str | None) -> tuple[int, int, int]:
    """(how many ratings, first time, last time); refuses what cannot be ordered."""

    def run(rows: Iterable[Any]) -> Iterator[tuple[int, int, int, int, int]]:
        total = untimed = missing = 0
        first, last = _LATEST, int(NO_TIME)
        for row in rows:
            total += len(row[INDICES]) // 4
            if row[TIMES] is None:
                untimed += len(row[INDICES]) // 4
                continue
            times = np.frombuffer(row[TIMES], "<i8")
            known = times[times != NO_TIME]
            missing += len(times) - len(known)
            if len(known):
                first, last = min(first, int(known.min())), max(last, int(known.max()))
        yield total, untimed, missing, first, last

    surveys = np.array(blocks.select(INDICES, TIMES).rdd.mapPartitions(run).collect(), np.int64)
    total, untimed, missing = (int(number) for number in surveys[:, :3].sum(axis=0))
    first, last = int(surveys[:, 3].min()), int(surveys[:, 4].max())
    if untimed:
        raise ConfigError(f"the data set of {name} {WITHOUT_TIMES}, or {_OTHERS}")
    if missing:
        raise DataError(
            f"{name}: {missing:,} of {total:,} ratings have no time, which data.split = 'time' needs: give each rating "
            f"its time, or {_OTHERS}"
        )
    if first == last:
        raise DataError(
            f"{name}: all {total:,} ratings have the same time, {iso_time(first)}, so that data.split = 'time' cannot "
            f"order them: {_OTHERS}"
        )
    return total, first, last


def _moments(blocks: DataFrame, data: DataConfig, total: int, first: int, last: int) -> Moments:
    """The moments for all users: fractions of all ratings, those of one second together in the earlier part."""

    @lru_cache
    def count(low: int, width: int) -> np.ndarray:
        def run(rows: Iterable[Any]) -> Iterator[np.ndarray]:
            yield sum((count_bins(np.frombuffer(row[TIMES], "<i8"), low, width) for row in rows), np.zeros(BINS, int))

        counts: np.ndarray = blocks.select(TIMES).rdd.mapPartitions(run).treeReduce(np.add)
        return counts

    test_after, before = nth_time(_earlier(total, data.test_fraction), first, last, count)
    if test_after == last:
        raise _no_rating_left("test", data, last)
    if not data.validation_fraction:
        return Moments(test_after, test_after)
    validation_after, _ = nth_time(_earlier(before, data.validation_fraction), first, last, count)
    if validation_after == test_after:
        raise _no_rating_left("validation", data, test_after)
    return Moments(validation_after, test_after)


def _earlier(count: int, fraction: float) -> int:
    """How many of so many ratings are before the latest `fraction`, which is one rating at least."""
    return max(count - max(int(fraction * count + 0.5), 1), 1)


def _no_rating_left(part: str, data: DataConfig, time: int) -> DataError:
    fraction = f"data.{part}_fraction = {getattr(data, f'{part}_fraction'):g}"
    return DataError(
        f"{data.ratings or data.dataset}: no rating is left for the {part}: {fraction} of the ratings, and more, have "
        f"one time, {iso_time(time)}, and stay together: raise data.{part}_fraction, set data.split_time = 'user', or "
        f"{_OTHERS}"
    )


def _count_parts(blocks: DataFrame, data: DataConfig, moments: Moments | None) -> tuple[np.ndarray, np.ndarray]:
    """By part: (ratings, users, users without earlier ratings, their ratings), and the first time (int64)."""
    fractions = data.test_fraction, data.validation_fraction

    def run(rows: Iterable[Any]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        counts, starts = np.zeros((3, 4), np.int64), np.full(3, _LATEST)
        for row in rows:
            block = block_from_row(row)
            assert block.times is not None
            if moments is not None:
                parts = split_by_moments(block.times, moments)
            else:
                parts = split_last(block.times, block.indptr, block.hashes, hash_movies(block.indices), *fractions)
            for part in range(3):
                asked = count_by_row(parts == part, block.indptr)
                without = count_by_row(is_known(parts, part), block.indptr) == 0
                counts[part] += asked.sum(), (asked > 0).sum(), ((asked > 0) & without).sum(), asked[without].sum()
                starts[part] = min(starts[part], block.times[parts == part].min(initial=_LATEST))
        yield counts, starts

    def add(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        return one[0] + other[0], np.minimum(one[1], other[1])

    found: tuple[np.ndarray, np.ndarray] = blocks.rdd.mapPartitions(run).treeReduce(add)
    return found
