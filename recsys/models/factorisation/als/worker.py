"""What a worker does in a half-sweep: plain iterators and pieces, no Spark."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from recsys.data.split import TRAIN, VALIDATION
from recsys.models.factorisation.als.implicit import drawn_to
from recsys.models.factorisation.als.rows import Ratings, Rows
from recsys.models.factorisation.als.solve import NOTHING, HalfSweep, Piece, Problem, gramian_of
from recsys.models.factorisation.count_power import CountPower
from recsys.training.state import Moments

OpenPiece = Callable[[], Piece]
OpenTerms = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Solved:
    """The factors (and biases) of users or movies with consecutive numbers, from `first`: float32 (rows, f)."""

    first: int
    factors: np.ndarray


@dataclass(frozen=True)
class Sums:
    """What a worker's half-sweep came to beside factors: (sum, weight) of the loss by role, and seconds."""

    worker: int
    losses: dict[int, tuple[float, float]]
    seconds: float


@dataclass(frozen=True)
class Task:
    """A half-sweep, the same for all workers.

    Attributes:
        problem: what is minimised for each row.
        observed: what the ratings of each movie weigh: float64 (movies), or one number.
        weighted: whether values are the weights of counts.
        unit: what rating arrays were multiplied by: losses are on their scale.
        width: f, factors and the bias.
        divided_by: what implicit sums are divided by.
        gramian: of the movies, float64 (f, f), where the loss is of all entries; None: of ratings alone.
    """

    problem: Problem
    observed: np.ndarray | float
    weighted: bool
    unit: float
    width: int
    divided_by: CountPower
    gramian: np.ndarray | None = None


def solve_users(
    task: Task,
    pieces: Sequence[OpenPiece],
    worker: int,
    elements: Iterable[Rows | Solved | Moments | Sums],
    terms: OpenTerms | None = None,
) -> Iterator[Solved | Sums]:
    """Factors of a worker's users, and then the sums of their training and validation losses.

    Args:
        task: the half-sweep.
        pieces: of the movies.
        worker: its number.
        elements: the users' ratings; before them, where the solver goes on from these, their factors.
        terms: the users' implicit terms, where there are some.
    """
    clock = time.monotonic()
    sweep, before = HalfSweep(task.problem, pieces), list[Solved]()
    losses = {role: np.zeros(2) for role in (TRAIN, VALIDATION)}
    for one in elements:
        if isinstance(one, Solved):
            before.append(one)
        elif isinstance(one, Rows):
            known = one.known.entries(one.weights(task.observed, of_movies=False), task.weighted)
            drawn = drawn_to(one.known, terms(), task.divided_by, task.width) if terms else None
            factors = sweep.solve(known, factors_of(before, one) if before else None, drawn)
            losses[TRAIN] += _loss(task, sweep, one.known, factors, one.known.rows)
            if one.held is not None:
                losses[VALIDATION] += _loss(task, sweep, one.held, factors, one.judged)
            yield Solved(one.first, factors)
    sums = {role: (float(total), float(weight)) for role, (total, weight) in losses.items()}
    yield Sums(worker, sums, time.monotonic() - clock)


def solve_movies(
    task: Task,
    pieces: Sequence[OpenPiece],
    before: np.ndarray | None,
    worker: int,
    elements: Iterable[Rows],
    terms: OpenTerms | None = None,
) -> Iterator[Solved | Sums]:
    """Factors of a worker's movies. `before`: those of all movies that the solver goes on from, if it does."""
    clock, sweep = time.monotonic(), HalfSweep(task.problem, pieces)
    for one in elements:
        known = one.known.entries(one.weights(task.observed, of_movies=True), task.weighted)
        own = None if before is None else before[one.first : one.first + one.known.rows]
        drawn = drawn_to(one.known, terms(), task.divided_by, task.width) if terms else None
        yield Solved(one.first, sweep.solve(known, own, drawn))
    yield Sums(worker, {}, time.monotonic() - clock)


def fold_in(
    task: Task,
    pieces: Sequence[OpenPiece],
    role: int,
    worker: int,
    elements: Iterable[Rows],
    terms: OpenTerms | None = None,
) -> Iterator[Sums]:
    """The sums of the loss of a worker's users of another role: of what is held out, or else of what is known."""
    clock, sweep, loss = time.monotonic(), HalfSweep(task.problem, pieces), np.zeros(2)
    for one in elements:
        known = one.known.entries(one.weights(task.observed, of_movies=False), task.weighted)
        drawn = drawn_to(one.known, terms(), task.divided_by, task.width) if terms else None
        ratings, judged = (one.known, one.known.rows) if one.held is None else (one.held, one.judged)
        loss += _loss(task, sweep, ratings, sweep.solve(known, drawn_to=drawn), judged)
    yield Sums(worker, {role: (float(loss[0]), float(loss[1]))}, time.monotonic() - clock)


def factors_of(solved: list[Solved], rows: Rows) -> np.ndarray:
    """The factors of these rows. A worker's users have consecutive numbers, and come in their order."""
    for one in solved:
        start = rows.first - one.first
        if 0 <= start < len(one.factors):
            return one.factors[start : start + rows.known.rows]
    raise ValueError(f"row {rows.first} was not solved for")


def _loss(task: Task, sweep: HalfSweep, ratings: Ratings, factors: np.ndarray, rows: int) -> np.ndarray:
    """(sum, weight) of squared errors over ratings, or over all entries: the mean over columns of each of `rows`."""
    entries = ratings.entries(NOTHING, task.weighted)
    total = sweep.squared_errors(entries, factors, task.gramian is not None) / task.unit**2
    if task.gramian is None:
        return np.array([total, len(ratings.indices)])
    total += float(np.vdot(gramian_of(factors), task.gramian)) / task.unit**2
    return np.array([total / task.problem.columns, rows])
