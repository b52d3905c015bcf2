"""What a worker does in a round of gradient descent: plain iterators, no Spark.

A worker's users, with their factors and their optimizer's state, are its own; movies' parameters come and go.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from recsys.data.partition import read_to_end
from recsys.data.split import TRAIN, VALIDATION
from recsys.models.factorisation.scorer import FactorScorer, MovieFactors, Ridge, targets_of
from recsys.models.factorisation.sgd.parameters import COPIES, Rule, Side, first_users, take_step
from recsys.models.factorisation.sgd.ratings import Csr, Read, Source, cut_kept, read
from recsys.training.local_sgd.kept import Ready
from recsys.training.state import Moments

_OPTIMIZERS = {"sgd": 0, "momentum": 1, "adam": 2}  # their numbers in kernels


@dataclass(frozen=True)
class Plan:
    """How a model is trained, the same in all rounds and for all workers.

    Attributes:
        source: how blocks are read.
        seed: of the run.
        k: factors.
        scale, level: standard deviation and mean of users' first factors.
        mean: what is added to all predictions.
        rule: how gradients become steps.
        batch: ratings a step; 0: an epoch is one step.
        ridge: by which validation users are solved for, where users are split.
        unit: what rating arrays are multiplied by.
    """

    source: Source
    seed: int
    k: int
    scale: float
    level: float
    mean: float
    rule: Rule
    batch: int
    ridge: Ridge
    unit: float


@dataclass(frozen=True)
class Counted:
    """A worker's training ratings."""

    worker: int
    ratings: int
    total: float  # of their stars
    of_movies: np.ndarray  # int64 (movies)


@dataclass(frozen=True)
class Errors:
    """A sum of squared errors, in stars, and of how many ratings."""

    total: float = 0.0
    ratings: int = 0

    def loss(self, unit: float) -> float:
        """The mean squared error on the scale of rating arrays, which times `unit` are stars; NaN without ratings."""
        return self.total / self.ratings / unit**2 if self.ratings else math.nan

    def __add__(self, other: Errors) -> Errors:
        return Errors(self.total + other.total, self.ratings + other.ratings)


@dataclass(frozen=True)
class Stretch:
    """Epochs that one worker trains without a word to the driver.

    Attributes:
        first: the first of them, from 1.
        rates: the learning rate of each.
        best: the lowest validation loss so far; None: there was no epoch before.
        best_epoch: whose it is.
        patience: after so many epochs without a better one there are no more; 0: never.
        keep_all: whether movies' parameters are wanted after each epoch, not only after each better one.
    """

    first: int
    rates: tuple[float, ...]
    best: float | None
    best_epoch: int
    patience: int
    keep_all: bool


@dataclass(frozen=True)
class Trained:
    """An epoch of a stretch: errors by role, those of training in its own pass, before each step; seconds."""

    epoch: int
    errors: dict[int, Errors]
    seconds: float
    movies: np.ndarray | None  # the first copy of movies' parameters after it, float32 ((k + 1) x movies)


@dataclass(frozen=True)
class Result:
    """What a worker's round came to.

    `value` holds movies' parameters after a stretch, those of one block of movies, or the movies' gradients.
    """

    worker: int
    value: np.ndarray
    errors: Errors
    data_seconds: float
    compute_seconds: float
    epochs: tuple[Trained, ...] = ()


def count(source: Source, movies: int, worker: int, elements: Iterable[Any]) -> Iterator[Ready | Counted]:
    """The worker's ratings counted; they stay decoded on this executor."""
    ratings = read(source, worker, elements)[0].train[0]
    total = math.fsum(float(piece.sum(dtype=np.float64)) for piece in np.array_split(ratings.stars, 16))
    yield Ready(worker)
    yield Counted(worker, len(ratings.stars), total, np.bincount(ratings.movies, minlength=movies))


def cut_ratings(source: Source, block_of: np.ndarray, worker: int, elements: Iterable[Any]) -> Iterator[Ready]:
    """The worker's ratings, where this executor keeps them, by blocks of movies."""
    read_to_end(elements)  # not before: if the executor that had them was lost, this makes them on this one
    cut_kept(source, worker, block_of)
    yield Ready(worker)


def train_stretch(
    plan: Plan, stretch: Stretch, movies: Side, worker: int, elements: Iterable[Any]
) -> Iterator[Moments | Result]:
    """Epochs of the only worker."""
    clock = time.monotonic()
    ratings, state = read(plan.source, worker, elements)
    users, steps = _users(plan, ratings, state)
    movies, began = movies.copied(), time.monotonic()
    best, best_epoch, done = stretch.best, stretch.best_epoch, list[Trained]()
    for epoch, rate in enumerate(stretch.rates, stretch.first):
        started = time.monotonic()
        errors, steps = _epoch(plan, ratings.train[0], users, movies, rate, steps, [plan.seed, epoch, worker, 0])
        measured = errors_by_role(plan, ratings, users, movies)
        loss = measured[VALIDATION].loss(plan.unit)
        better = best is None or loss < best or (math.isnan(best) and not math.isnan(loss))
        if better:
            best, best_epoch = loss, epoch
        kept = movies.flat[: movies.rows * (movies.k + 1)].copy() if better or stretch.keep_all else None
        done.append(Trained(epoch, {TRAIN: errors, **measured}, time.monotonic() - started, kept))
        if not math.isfinite(errors.total) or (stretch.patience and epoch - best_epoch >= stretch.patience):
            break
    yield Moments(worker, steps, users.flat)
    yield Result(worker, movies.flat, done[-1].errors[TRAIN], began - clock, time.monotonic() - began, tuple(done))


def train_block(
    plan: Plan,
    movies: Side,
    block_of: np.ndarray,
    block: int,
    rate: float,
    seed: list[int],
    worker: int,
    elements: Iterable[Any],
) -> Iterator[Moments | Result]:
    """The worker's ratings of one block of movies, whose new parameters are the result."""
    clock = time.monotonic()
    ratings, state = read(plan.source, worker, elements, block_of)
    users, steps = _users(plan, ratings, state)
    own = movies.take(np.flatnonzero(block_of == block))
    began = time.monotonic()
    errors, steps = _epoch(plan, ratings.train[block], users, own, rate, steps, seed)
    yield Moments(worker, steps, users.flat)
    yield Result(worker, own.flat, errors, began - clock, time.monotonic() - began)


def train_gradients(
    plan: Plan, movies: Side, rate: float, worker: int, elements: Iterable[Any]
) -> Iterator[Moments | Result]:
    """The movies' gradients, summed over the worker's ratings; its users take their step."""
    clock = time.monotonic()
    ratings, state = read(plan.source, worker, elements)
    users, steps = _users(plan, ratings, state)
    began = time.monotonic()
    errors, of_users, of_movies = gradients(plan, ratings.train[0], users, movies)
    take_step(users, of_users, np.diff(ratings.train[0].starts), plan.rule, rate, steps + 1)
    yield Moments(worker, steps + 1, users.flat)
    yield Result(worker, of_movies.flat, errors, began - clock, time.monotonic() - began)


def measure(plan: Plan, movies: Side, pieces: np.ndarray | None, worker: int, elements: Iterable[Any]) -> Iterator[Any]:
    """(worker, errors by role) of the worker's users as they are."""
    ratings, state = read(plan.source, worker, elements, pieces)
    yield worker, errors_by_role(plan, ratings, _users(plan, ratings, state)[0], movies)


def errors_by_role(plan: Plan, ratings: Read, users: Side, movies: Side) -> dict[int, Errors]:
    """Of the users' own factors where ratings are split, else of other users, solved for from all their ratings."""
    if ratings.others:
        return {role: errors_of_others(plan, raw, movies) for role, raw in ratings.others.items()}
    held = ratings.held.items()
    return {role: Errors(_squared_errors(plan, own, users, movies), len(own.stars)) for role, own in held}


def errors_of_others(plan: Plan, raw: csr_matrix, movies: Side) -> Errors:
    """Of users who are solved for from those ratings, at these ratings alone."""
    preprocessing = plan.source.examples.preprocessing
    known = MovieFactors(movies.factors(), movies.biases(), plan.mean, plan.rule.biased)
    scaled = preprocessing.scale(raw)
    solved = FactorScorer(known, plan.ridge, preprocessing).user_factors(raw)
    users = Side.of(np.ascontiguousarray(solved[:, : plan.k]), 1)
    if plan.rule.biased:
        users.biases()[...] = solved[:, plan.k]
    stars = targets_of(scaled, preprocessing).astype(np.float32)
    held = Csr(scaled.indptr.astype(np.int64), scaled.indices.astype(np.int32, copy=False), stars)
    return Errors(_squared_errors(plan, held, users, movies), len(stars))


def gradients(plan: Plan, ratings: Csr, users: Side, movies: Side) -> tuple[Errors, Side, Side]:
    """Of half the sum of squared errors, by users' and by movies' parameters, without l2."""
    from recsys.models.factorisation.sgd import kernels

    of_users, of_movies = (Side.of(np.zeros_like(side.factors()), 1) for side in (users, movies))
    total = kernels.add_gradients(
        ratings.starts, ratings.movies, ratings.stars, np.float32(plan.mean),
        users.factors(), users.biases(), movies.factors(), movies.biases(),
        of_users.factors(), of_users.biases(), of_movies.factors(), of_movies.biases(),
    )  # fmt: skip
    return Errors(float(total), len(ratings.stars)), of_users, of_movies


def _epoch(
    plan: Plan, ratings: Csr, users: Side, movies: Side, rate: float, steps: int, seed: list[int]
) -> tuple[Errors, int]:
    """All those ratings once, by users in an order drawn from the seed; parameters are changed in place.

    Returns the errors before each step, and how many steps there were so far.
    """
    rule = plan.rule
    if not plan.batch:
        errors, of_users, of_movies = gradients(plan, ratings, users, movies)
        take_step(users, of_users, np.diff(ratings.starts), rule, rate, steps + 1)
        counts = np.bincount(ratings.movies, minlength=movies.rows)
        take_step(movies, of_movies, counts, rule, rate, steps + 1)
        return errors, steps + 1
    from recsys.models.factorisation.sgd import kernels

    order = np.random.default_rng(seed).permutation(np.flatnonzero(np.diff(ratings.starts)))
    data = order, ratings.starts, ratings.movies, ratings.stars, np.float32(plan.mean)
    values = users.factors(), users.biases(), movies.factors(), movies.biases()
    rates = np.float32(rate), np.float32(rule.l2), np.float32(rule.l2_bias)
    if rule.optimizer == "sgd" and plan.batch == 1:
        total = kernels.stochastic_epoch(*data, *values, *rates, rule.biased)
        return Errors(float(total), len(ratings.stars)), steps + len(ratings.stars)
    batch = max(1, min(plan.batch, len(ratings.stars)))
    total, steps = kernels.batched_epoch(
        *data, *values, _more(users), _more(movies), rule.biased, *rates, batch, _OPTIMIZERS[rule.optimizer],
        np.float32(rule.momentum), steps,
    )  # fmt: skip
    return Errors(float(total), len(ratings.stars)), int(steps)


def _more(side: Side) -> tuple[np.ndarray, ...]:
    """First and second moments of factors and biases; what the optimizer has not is never looked at."""
    copies = [copy if copy < side.copies else 0 for copy in (1, 2)]
    arrays = [(side.factors(copy), side.biases(copy).reshape(-1, 1)) for copy in copies]
    return tuple(array for pair in arrays for array in pair)


def _squared_errors(plan: Plan, ratings: Csr, users: Side, movies: Side) -> float:
    from recsys.models.factorisation.sgd import kernels

    values = users.factors(), users.biases(), movies.factors(), movies.biases()
    data = ratings.starts, ratings.movies, ratings.stars
    return float(kernels.squared_errors(*data, np.float32(plan.mean), *values))


def _users(plan: Plan, ratings: Read, state: Moments | None) -> tuple[Side, int]:
    """The worker's users, in memory that can be written to, and how many steps they have taken."""
    if state is not None:
        return Side(np.array(state.values, np.float32), ratings.users, plan.k), state.step
    factors = first_users(ratings.hashes, plan.k, plan.scale, plan.level, plan.seed)
    return Side.of(factors, COPIES[plan.rule.optimizer]), 0
