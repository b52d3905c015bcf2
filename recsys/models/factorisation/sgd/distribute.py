"""How gradient descent is shared out among workers, and what they hand over is put together."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from pyspark import Broadcast

from recsys.data.partition import Part, one_after_the_other
from recsys.data.split import TRAIN
from recsys.models.factorisation.sgd.ratings import Source
from recsys.models.factorisation.sgd.worker import Errors, Result, Trained, count, cut_ratings
from recsys.training.base import TrainingData
from recsys.training.local_sgd.rounds import Rounds


def blocks_of(counts: np.ndarray, blocks: int) -> np.ndarray:
    """The block of each movie, int32 (movies), so that blocks have about equal numbers of ratings.

    Movies by descending number of ratings each go to the block that has fewest.
    """
    block_of = np.zeros(len(counts), np.int32)
    filled = [(0, block) for block in range(blocks)]
    for movie in np.argsort(-counts, kind="stable").tolist():
        ratings, block = filled[0]
        block_of[movie] = block
        heapq.heapreplace(filled, (ratings + int(counts[movie]), block))
    return block_of


def add_up(results: list[Result]) -> Result:
    """The sum of gradients, in the order given."""
    value = np.zeros_like(results[0].value)
    for one in results:
        value += one.value
    data, compute = (math.fsum(getattr(one, f"{name}_seconds") for one in results) for name in ("data", "compute"))
    return Result(results[0].worker, value, sum_errors(one.errors for one in results), data, compute)


def sorted_by_worker(measured: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """In the order of the workers, so that sums are the same however tasks were scheduled."""
    return sorted(measured, key=lambda one: one[0])


def sum_errors(errors: Iterable[Errors]) -> Errors:
    """In the order given."""
    total = Errors()
    for one in errors:
        total += one
    return total


def other_roles(data: TrainingData) -> tuple[int, ...]:
    """Those that losses are measured on beside training."""
    return tuple(role for role in data.parts if role != TRAIN)


def blocks_for(data: TrainingData) -> Part:
    """The training rows and after them, where users are split, those of the other roles, who are users of their own."""
    return data.parts[TRAIN] if data.examples.by_rating else one_after_the_other(data.parts)


def source_of(data: TrainingData, training: str) -> Source:
    """How workers read what `blocks_for` gives them."""
    roles, every = other_roles(data), range(data.parts[TRAIN].workers)
    held = roles if data.examples.by_rating else ()
    others = tuple((role, tuple(map(data.parts[role].rows_of, every))) for role in roles if role not in held)
    return Source(training, data.examples, held, tuple(map(data.parts[TRAIN].rows_of, every)), others)


def count_ratings(rounds: Rounds, source: Source, movies: int) -> tuple[float, np.ndarray]:
    """The sum of all training ratings, in stars, and how many each movie has, int64 (movies); workers keep theirs."""

    def run(worker: int, blocks: Iterable[Any]) -> Iterator[Any]:
        return count(source, movies, worker, blocks)

    counted = sorted(rounds.prepare(run), key=lambda one: one.worker)
    return math.fsum(one.total for one in counted), np.sum([one.of_movies for one in counted], axis=0)


def cut_by_blocks(rounds: Rounds, source: Source, block_of: Broadcast[np.ndarray]) -> None:
    """Has the workers keep their ratings by blocks of movies."""

    def run(worker: int, elements: Iterable[Any]) -> Iterator[Any]:
        return cut_ratings(source, block_of.value, worker, elements)

    rounds.prepare(run)


def figures_of(one: Trained) -> list[float]:
    """An epoch that was done ahead as a row of numbers, without the movies."""
    errors = [[role, of_role.total, of_role.ratings] for role, of_role in one.errors.items()]
    return [one.epoch, one.seconds, *itertools.chain(*errors)]


def trained_from(row: list[float], movies: np.ndarray | None) -> Trained:
    """The epoch of such a row."""
    epoch, seconds, *rest = row
    errors = {int(rest[at]): Errors(rest[at + 1], int(rest[at + 2])) for at in range(0, len(rest), 3)}
    return Trained(int(epoch), errors, seconds, movies)
