"""Factorisation by gradient descent over Spark, on the driver.

Users are partitioned with their ratings. Their parameters are the workers' state, in Spark; movies' parameters are here
and travel. How an epoch is shared out:

- one worker: a Spark job trains a stretch of epochs, as many as take about a second;
- `local_sgd`: movies are cut into W blocks of about as many ratings each. In sub-round s worker w trains its ratings of
  block (w + s) mod W, so that no two workers meet in a user or a movie and nothing is averaged (DSGD: Gemulla et al.
  2011, "Large-scale matrix factorization with distributed stochastic gradient descent", section 4);
- `gradient_sum`: the workers' gradients of movies are summed, and one step is taken.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pyspark import RDD

from recsys.data.partition import Part
from recsys.data.split import TRAIN, VALIDATION
from recsys.models.base import ModelFamily
from recsys.models.factorisation.scorer import Ridge, unit_of
from recsys.models.factorisation.sgd.parameters import COPIES, Rule, Side, first_movies, take_step
from recsys.models.factorisation.sgd.ratings import Source
from recsys.models.factorisation.sgd.worker import (
    Counted,
    Errors,
    Plan,
    Result,
    Stretch,
    Trained,
    count,
    measure,
    train_block,
    train_gradients,
    train_stretch,
)
from recsys.training.base import AfterRound, Trainer, TrainingData, no_checkpoint
from recsys.training.checkpoint import read_moments
from recsys.training.history import Seconds
from recsys.training.local_sgd.rounds import Rounds, cores_of
from recsys.training.state import Snapshot

REBASE_ROUNDS = 10  # fewer are done again if an executor is lost; more movies' parameters are kept for that
_STRETCH_SECONDS = 1.0  # a stretch takes about this
_STRETCH_BYTES = 32 * 2**20  # of movies' parameters after its epochs, at most
_DECAY = 0.93  # of the learning rate, of stochastic steps
_MOVIES, _SUMS, _AHEAD = "movies", "sums", "ahead"  # names in a checkpoint


class SgdTrainer(Trainer):
    """Trains `mf` and `biased_mf`; `family` makes the model of factors, biases and mean.

    The training loss of an epoch is that of its own pass: of each rating before the step that it is in. The validation
    loss is of the model after the epoch: by users' own factors where ratings are split, else of validation users who
    are solved for from their ratings.
    """

    rate_key = "model.learning_rate"

    def __init__(self, data: TrainingData, ridge: Ridge, family: Callable[[list[np.ndarray]], ModelFamily]) -> None:
        config: Any = data.config.model
        settings = data.config.training
        self.epochs = settings.epochs
        self._data, self._config, self._family = data, config, family
        part = _with_other_users(data)
        self._rounds, self._part, self._context = Rounds(part), part, part.blocks.context
        self._workers = settings.workers
        self._summed = settings.strategy == "gradient_sum"
        self.ahead = self._workers == 1
        train = data.parts[TRAIN]
        roles, every = _other_roles(data), range(self._workers)
        held = roles if data.examples.by_rating else ()
        others = tuple((role, tuple(map(data.parts[role].rows_of, every))) for role in roles if role not in held)
        source = Source(uuid.uuid4().hex, data.examples, held, tuple(map(train.rows_of, every)), others)
        total, self._counts = self._count(source)
        self._ratings = int(self._counts.sum())
        mean = total / max(self._ratings, 1)
        biased = hasattr(config, "l2_bias")
        level = 0.0 if biased else math.sqrt(max(mean, 0.0) / config.factors)
        rule = Rule(config.optimizer, config.momentum, config.l2, getattr(config, "l2_bias", 0.0), biased)
        batch = 0 if self._summed else config.batch_ratings
        self._plan = Plan(
            source=source,
            seed=data.config.seed,
            k=config.factors,
            scale=config.init_scale,
            level=level,
            mean=mean if biased else 0.0,
            rule=rule,
            batch=batch,
            ridge=ridge,
            unit=unit_of(data.preprocessing),
        )
        factors = first_movies(data.columns, config.factors, config.init_scale, level, data.config.seed)
        self._movies = Side.of(factors, COPIES[config.optimizer])
        self._block_of = None
        if not self._summed and self._workers > 1:
            self._block_of = self._context.broadcast(blocks_of(self._counts, self._workers))
        self._errors = Errors()  # of the epoch so far
        self._ahead: dict[int, Trained] = {}  # epochs of the last stretch that the loop has not come to
        self._now: Trained | None = None
        self._stretch_epochs = 1
        self._best: tuple[float, int] | None = None  # validation loss and epoch

    def train_epoch(self, epoch: int, first_round: int = 0, after_round: AfterRound = no_checkpoint) -> Seconds:
        if self.ahead:
            return self._from_stretch(epoch)
        if self._summed:
            return self._sum_gradients(epoch)
        split = Seconds()
        if not first_round:
            self._errors = Errors()
        for number in range(first_round, self._workers):
            split += self._rotate(epoch, number)
            if number + 1 < self._workers:
                after_round(number + 1)
        self._check_all_trained()
        return split

    def losses(self) -> dict[int, float]:
        if self._now is not None:
            return {role: self._loss(errors) for role, errors in self._now.errors.items()}
        plan, block_of = self._plan, self._block_of
        movies = self._context.broadcast(self._movies)

        def run(worker: int, elements: Iterable[Any]) -> Iterator[Any]:
            return measure(plan, movies.value, block_of.value if block_of else None, worker, elements)

        measured = self._rounds.together.mapPartitionsWithIndex(run).collect()
        movies.destroy()
        of_workers = [errors for _, errors in sorted_by_worker(measured)]
        of_others = {role: _sum(errors[role] for errors in of_workers) for role in of_workers[0]}
        return {role: self._loss(errors) for role, errors in {TRAIN: self._errors, **of_others}.items()}

    def weights(self) -> list[np.ndarray]:
        movies = self._movies
        if self._now is not None:
            assert self._now.movies is not None  # the loop asks after better epochs alone, or keeps them all
            movies = Side(self._now.movies, movies.rows, movies.k)
        return [movies.factors().copy(), movies.biases().copy(), np.array(self._plan.mean)]

    def as_model(self, weights: list[np.ndarray] | None) -> ModelFamily:
        return self._family(self.weights() if weights is None else weights)

    def state(self) -> tuple[dict[str, np.ndarray], Iterator[Any]]:
        """Movies' parameters, epochs that are done ahead, the sums of an unfinished epoch, and the users'."""
        arrays = {_MOVIES: self._movies.flat, _SUMS: np.array([self._errors.total, self._errors.ratings])}
        if self._ahead:
            arrays[_AHEAD] = np.array([_figures(one) for one in self._ahead.values()])
            for epoch, one in self._ahead.items():
                if one.movies is not None:
                    arrays[f"{_AHEAD}-{epoch}"] = one.movies
        return arrays, self._rounds.moments()

    def saved(self, checkpoint: Path) -> None:
        """Now and then workers go on from what was written: all that Spark kept to do rounds again is let go."""
        if self._rounds.lineage >= REBASE_ROUNDS:
            self._rounds.restore(read_moments(checkpoint))

    def restore(self, snapshot: Snapshot) -> None:
        arrays = snapshot.arrays
        self._movies = Side(arrays[_MOVIES], self._movies.rows, self._movies.k)
        total, ratings = arrays[_SUMS].tolist()
        self._errors = Errors(total, int(ratings))
        rows = [_trained(row, arrays) for row in arrays.get(_AHEAD, np.zeros((0, 6))).tolist()]
        self._ahead = {one.epoch: one for one in rows}
        for one in snapshot.history:
            self._remember(one.validation_loss, one.epoch)
        for trained in rows:
            self._remember(self._loss(trained.errors[VALIDATION]), trained.epoch)
        self._rounds.restore(snapshot.moments)

    def close(self) -> None:
        self._rounds.close()
        if self._block_of is not None:
            self._block_of.destroy()

    def _rate(self, epoch: int) -> float:
        config, settings = self._config, self._data.config.training
        decay = config.decay or (1.0 if self._summed else _DECAY)
        rate = config.learning_rate * decay ** (epoch - 1)
        if settings.schedule == "cosine":
            rate *= 0.5 * (1 + math.cos(math.pi * (epoch - 1) / settings.epochs))
        return float(rate)

    def _from_stretch(self, epoch: int) -> Seconds:
        if epoch not in self._ahead:
            self._train_stretch(epoch)
        self._now = self._ahead.pop(epoch)
        return Seconds(compute=self._now.seconds) + self._shared

    def _train_stretch(self, first: int) -> None:
        settings = self._data.config.training
        last = min(settings.epochs, first + self._stretch_epochs - 1)
        best, best_epoch = self._best or (None, 0)
        rates = tuple(self._rate(epoch) for epoch in range(first, last + 1))
        stretch = Stretch(first, rates, best, best_epoch, settings.patience, settings.keep == "last")
        plan, clock = self._plan, time.monotonic()
        movies = self._context.broadcast(self._movies)
        sent = time.monotonic() - clock

        def run(worker: int, elements: Iterable[Any]) -> Iterator[Any]:
            return train_stretch(plan, stretch, movies.value, worker, elements)

        (result,) = _results(self._rounds.advance(run, movies)).collect()
        self._rounds.forget()
        self._movies = replace(self._movies, flat=result.value)
        self._ahead = {one.epoch: one for one in result.epochs}
        for one in result.epochs:
            self._remember(self._loss(one.errors[VALIDATION]), one.epoch)
        epochs, seconds = len(result.epochs), sum(one.seconds for one in result.epochs)
        rest = max(0.0, time.monotonic() - clock - sent - result.data_seconds - seconds)
        self._shared = Seconds(data=result.data_seconds / epochs, reduce=rest / epochs, broadcast=sent / epochs)
        fits = max(1, _STRETCH_BYTES // (4 * self._movies.rows * (self._movies.k + 1)))
        wanted = int(_STRETCH_SECONDS * epochs / max(seconds, 1e-6))
        self._stretch_epochs = max(1, min(wanted, 8 * epochs, fits))

    def _rotate(self, epoch: int, number: int) -> Seconds:
        plan, workers, block_of = self._plan, self._workers, self._block_of
        assert block_of is not None
        rate, seed, clock = self._rate(epoch), self._data.config.seed, time.monotonic()
        movies = self._context.broadcast(self._movies)
        sent = time.monotonic() - clock

        def run(worker: int, elements: Iterable[Any]) -> Iterator[Any]:
            block = (worker + number) % workers
            drawn = [seed, epoch, worker, number]
            return train_block(plan, movies.value, block_of.value, block, rate, drawn, worker, elements)

        results = _results(self._rounds.advance(run, movies)).collect()
        self._rounds.forget()
        after = self._movies.copied()
        for one in results:
            rows = np.flatnonzero(block_of.value == (one.worker + number) % workers)
            after.put(rows, Side(one.value, len(rows), after.k))
        self._movies = after
        self._errors += _sum(one.errors for one in sorted(results, key=lambda one: one.worker))
        return self._seconds(results, sent, time.monotonic() - clock)

    def _sum_gradients(self, epoch: int) -> Seconds:
        plan, rate, clock = self._plan, self._rate(epoch), time.monotonic()
        movies = self._context.broadcast(self._movies)
        sent = time.monotonic() - clock

        def run(worker: int, elements: Iterable[Any]) -> Iterator[Any]:
            return train_gradients(plan, movies.value, rate, worker, elements)

        results = _summed(_results(self._rounds.advance(run, movies)), self._workers)
        self._rounds.forget()
        total = add_up(results)
        self._errors = total.errors
        after = self._movies.copied()
        take_step(after, Side(total.value, after.rows, after.k), self._counts, plan.rule, rate, epoch)
        self._movies = after
        self._check_all_trained()
        return self._seconds(results, sent, time.monotonic() - clock)

    def _seconds(self, results: list[Result], sent: float, whole: float) -> Seconds:
        cores = cores_of(self._context, self._workers)
        data, compute = (
            math.fsum(getattr(one, f"{name}_seconds") for one in results) / cores for name in ("data", "compute")
        )
        return Seconds(data=data, compute=compute, reduce=max(0.0, whole - sent - data - compute), broadcast=sent)

    def _count(self, source: Source) -> tuple[float, np.ndarray]:
        """The sum of all training ratings, in stars, and how many each movie has, int64 (movies)."""
        columns = self._data.columns

        def run(worker: int, elements: Iterable[Any]) -> Iterator[Counted]:
            return count(source, columns, worker, elements)

        counted = sorted(self._part.blocks.mapPartitionsWithIndex(run).collect(), key=lambda one: one.worker)
        of_movies = np.sum([one.of_movies for one in counted], axis=0)
        return math.fsum(one.total for one in counted), of_movies

    def _check_all_trained(self) -> None:
        if self._errors.ratings != self._ratings:
            raise RuntimeError(f"workers trained {self._errors.ratings:,} ratings of {self._ratings:,}")

    def _loss(self, errors: Errors) -> float:
        return errors.loss(self._plan.unit)

    def _remember(self, loss: float, epoch: int) -> None:
        best = self._best
        if best is None or loss < best[0] or (math.isnan(best[0]) and not math.isnan(loss)):
            self._best = loss, epoch

    _shared = Seconds()  # what each epoch of a stretch has of what came before and after them


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
    return Result(results[0].worker, value, _sum(one.errors for one in results), data, compute)


def sorted_by_worker(measured: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """In the order of the workers, so that sums are the same however tasks were scheduled."""
    return sorted(measured, key=lambda one: one[0])


def _sum(errors: Iterable[Errors]) -> Errors:
    total = Errors()
    for one in errors:
        total += one
    return total


def _results(state: RDD[Any]) -> RDD[Result]:
    return state.filter(lambda one: isinstance(one, Result))


def _summed(results: RDD[Result], workers: int) -> list[Result]:
    """Sums of groups of about sqrt(workers) workers, made on the executors, in the order of the workers."""
    if workers <= 2:
        return sorted(results.collect(), key=lambda one: one.worker)
    groups = math.isqrt(workers)
    size = -(-workers // groups)

    def add(pairs: Iterable[tuple[int, Result]]) -> Iterator[Result]:
        own = sorted((one for _, one in pairs), key=lambda one: one.worker)
        if own:
            yield add_up(own)

    grouped = results.map(lambda one: (one.worker // size, one)).partitionBy(groups, lambda group: group)
    return sorted(grouped.mapPartitions(add).collect(), key=lambda one: one.worker)


def _other_roles(data: TrainingData) -> tuple[int, ...]:
    return tuple(role for role in data.parts if role != TRAIN)


def _with_other_users(data: TrainingData) -> Part:
    """The training rows and after them, where users are split, those of the other roles, who are users of their own."""
    train = data.parts[TRAIN]
    if data.examples.by_rating:
        return train
    blocks = train.blocks
    for role in _other_roles(data):
        blocks = blocks.union(data.parts[role].blocks)  # one after the other: so it keeps the partitioner
    return Part(blocks, train.rows, train.workers)


def _figures(one: Trained) -> list[float]:
    errors = [[role, of_role.total, of_role.ratings] for role, of_role in one.errors.items()]
    return [one.epoch, one.seconds, *itertools.chain(*errors)]


def _trained(row: list[float], arrays: dict[str, np.ndarray]) -> Trained:
    epoch, seconds, *rest = row
    errors = {int(rest[at]): Errors(rest[at + 1], int(rest[at + 2])) for at in range(0, len(rest), 3)}
    return Trained(int(epoch), errors, seconds, arrays.get(f"{_AHEAD}-{int(epoch)}"))
