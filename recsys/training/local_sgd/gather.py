"""What a round's results come to: always added up in the order of the workers, however tasks were scheduled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from pyspark import RDD

from recsys.training.local_sgd.kept import Missing, RowsMissing
from recsys.training.local_sgd.worker import Delta

FEW_WORKERS = 8  # so many workers' results are added up on the driver: a second stage would take longer


def gather(results: RDD[Any]) -> list[Any]:
    """The results of a round, in the order of the workers; RowsMissing where one is Missing."""
    found = results.collect()
    if any(isinstance(one, Missing) for one in found):
        raise RowsMissing
    return sorted(found, key=lambda one: one.worker)


def gather_sums(results: RDD[Any], workers: int, add: Callable[[list[Any]], Any]) -> list[Any]:
    """Sums of the results of about sqrt(workers) workers each, in the order of the workers.

    So that sums are the same however tasks were scheduled, and wherever they are made: on the executors, or where there
    are few workers here. RowsMissing where a result is Missing.
    """
    size = -(-workers // max(1, math.isqrt(workers)))

    def sums(some: Iterable[Any]) -> Iterator[Any]:
        in_order = sorted(some, key=lambda one: one.worker)
        missing = [one for one in in_order if isinstance(one, Missing)]
        yield from missing[:1] or ([add(in_order)] if in_order else [])

    if workers <= FEW_WORKERS:
        found = gather(results)
        groups = [[one for one in found if one.worker // size == group] for group in range(-(-workers // size))]
        return [one for group in groups for one in sums(group)]

    def results_of(elements: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        return ((one.worker // size, one) for one in elements)

    grouped = results.mapPartitions(results_of).partitionBy(-(-workers // size), lambda group: group)
    return gather(grouped.mapPartitions(lambda pairs: sums(one for _, one in pairs)))


def tree_reduce(results: RDD[Any], workers: int, trained: int) -> Delta:
    """The mean of the deltas weighted by rows, `trained` in all; RowsMissing where one is Missing."""

    def weighed(deltas: list[Delta]) -> Delta:
        return add_up(deltas, (np.float32(one.rows / trained) * one.value for one in deltas))

    sums = gather_sums(results, workers, weighed)
    return add_up(sums, (one.value for one in sums))


def add_up(parts: list[Delta], values: Iterable[np.ndarray]) -> Delta:
    """The sum of these values, in the order given; those of no rows count for nothing. Times add up, too."""
    total = np.zeros(max(len(one.value) for one in parts), np.float32)
    for one, value in zip(parts, values, strict=True):
        if one.rows:
            total += value
    data, compute = (math.fsum(getattr(one, name) for one in parts) for name in ("data_seconds", "compute_seconds"))
    rows = sum(one.rows for one in parts)
    return Delta(parts[0].worker, rows, total, data, compute)
