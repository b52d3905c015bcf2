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

import math
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from recsys.data.split import TRAIN, VALIDATION
from recsys.models.base import ModelFamily
from recsys.models.factorisation.scorer import Ridge, unit_of
from recsys.models.factorisation.sgd.distribute import (
    add_up,
    blocks_for,
    blocks_of,
    count_ratings,
    cut_by_blocks,
    figures_of,
    sorted_by_worker,
    source_of,
    sum_errors,
    trained_from,
)
from recsys.models.factorisation.sgd.parameters import COPIES, Rule, Side, first_movies, take_step
from recsys.models.factorisation.sgd.worker import (
    Errors,
    Plan,
    Result,
    Stretch,
    Trained,
    measure,
    train_block,
    train_gradients,
    train_stretch,
)
from recsys.training.base import AfterRound, Trainer, TrainingData, no_checkpoint
from recsys.training.checkpoint import read_moments
from recsys.training.history import Seconds
from recsys.training.local_sgd.gather import gather, gather_sums
from recsys.training.local_sgd.rounds import Rounds, cores_of
from recsys.training.state import Snapshot

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
        part, training = blocks_for(data), uuid.uuid4().hex
        self._rounds, self._context = Rounds(part, training), part.blocks.context
        self._workers = settings.workers
        self._summed = settings.strategy == "gradient_sum"
        self.ahead = self._workers == 1
        source = source_of(data, training)
        total, self._counts = count_ratings(self._rounds, source, data.columns)
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
            cut_by_blocks(self._rounds, source, self._block_of)
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

        measured = self._rounds.ask(run)
        movies.destroy()
        of_workers = [errors for _, errors in sorted_by_worker(measured)]
        of_others = {role: sum_errors(errors[role] for errors in of_workers) for role in of_workers[0]}
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
            arrays[_AHEAD] = np.array([figures_of(one) for one in self._ahead.values()])
            for epoch, one in self._ahead.items():
                if one.movies is not None:
                    arrays[f"{_AHEAD}-{epoch}"] = one.movies
        return arrays, self._rounds.moments()

    def saved(self, checkpoint: Path) -> None:
        """Workers whose state is lost begin again from what was written, and not before."""
        self._rounds.begin_again_from(lambda: read_moments(checkpoint))

    def restore(self, snapshot: Snapshot) -> None:
        arrays = snapshot.arrays
        self._movies = Side(arrays[_MOVIES], self._movies.rows, self._movies.k)
        total, ratings = arrays[_SUMS].tolist()
        self._errors = Errors(total, int(ratings))
        rows = arrays.get(_AHEAD, np.zeros((0, 6))).tolist()
        ahead = [trained_from(row, arrays.get(f"{_AHEAD}-{int(row[0])}")) for row in rows]
        self._ahead = {one.epoch: one for one in ahead}
        for one in snapshot.history:
            self._remember(one.validation_loss, one.epoch)
        for trained in ahead:
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

        (result,) = self._rounds.advance(run, movies, gather)
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

        results = self._rounds.advance(run, movies, gather)
        after = self._movies.copied()
        for one in results:
            rows = np.flatnonzero(block_of.value == (one.worker + number) % workers)
            after.put(rows, Side(one.value, len(rows), after.k))
        self._movies = after
        self._errors += sum_errors(one.errors for one in results)
        return self._seconds(results, sent, time.monotonic() - clock)

    def _sum_gradients(self, epoch: int) -> Seconds:
        plan, rate, clock = self._plan, self._rate(epoch), time.monotonic()
        movies = self._context.broadcast(self._movies)
        sent = time.monotonic() - clock

        def run(worker: int, elements: Iterable[Any]) -> Iterator[Any]:
            return train_gradients(plan, movies.value, rate, worker, elements)

        results = self._rounds.advance(run, movies, lambda state: gather_sums(state, self._workers, add_up))
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
