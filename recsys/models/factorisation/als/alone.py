"""Epochs of one worker that has all ratings: several in one Spark job, as a job takes longer than an epoch of few."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from pyspark import RDD

from recsys.data.split import TRAIN, VALIDATION
from recsys.models.factorisation.als.rows import MOVIES, Rows
from recsys.models.factorisation.als.solve import Piece, gramian_of
from recsys.models.factorisation.als.sweeps import Sweeps
from recsys.models.factorisation.als.worker import Solved, Sums, fold_in, solve_movies, solve_users
from recsys.training.history import Seconds

MOST_RATINGS = 5_000_000  # twice in the worker's memory, by user and by movie, of 8 bytes each
MOST_BYTES = 32 * 2**20  # of the users' factors, and of the movies' after each epoch, that come to the driver together
STRETCH_SECONDS = 1.0  # a stretch takes about this


@dataclass(frozen=True)
class Stretch:
    """Epochs that the worker trains without a word to the driver.

    Attributes:
        first, last: the epochs, from 1.
        best: the lowest validation loss before; None: there is none.
        best_epoch: whose it is.
        patience: after so many epochs without a better one there are no more; 0: never.
        seconds: after so many no further epoch is begun.
    """

    first: int
    last: int
    seconds: float
    best: float | None = None
    best_epoch: int = 0
    patience: int = 0


@dataclass(frozen=True)
class Trained:
    """An epoch: the movies' factors after it, the (sum, weight) of the loss by role, and seconds of work."""

    epoch: int
    movies: np.ndarray
    losses: dict[int, np.ndarray]
    seconds: float


def fits_alone(users: int, movies: int, width: int, ratings: float) -> bool:
    """Whether so many ratings, and factors of that width, are few enough for one worker and the driver."""
    return ratings <= MOST_RATINGS and 4 * width * (users + movies) <= MOST_BYTES


def train_stretch(
    sweeps: Sweeps,
    stretch: Stretch,
    movies: np.ndarray,
    users: np.ndarray | None,
    elements: Iterable[Rows],
) -> Iterator[Trained | np.ndarray]:
    """Each epoch of the stretch, at least one, and then the users' factors after the last.

    Args:
        sweeps: the half-sweeps.
        stretch: which epochs.
        movies: the factors before, float32 (movies, f).
        users: the users' given these, float32 (users, f); None: not known.
        elements: the ratings of users of each role, and of movies.
    """
    clock = time.monotonic()
    rows: dict[int, list[Rows]] = {}
    for one in elements:
        rows.setdefault(one.role, []).append(one)
    of_movies, known = rows.pop(MOVIES, []), rows.pop(TRAIN, [])
    if users is None:
        users = _users(sweeps, movies, known, {})[0]
    best, best_epoch, sent = stretch.best, stretch.best_epoch, users.nbytes
    for epoch in range(stretch.first, stretch.last + 1):
        started = time.monotonic()
        task = sweeps.of_movies(gramian_of(users) if sweeps.config.unobserved_weight else None)
        given, after = Piece(0, users), np.zeros_like(movies)
        for solved in solve_movies(task, [partial(_itself, given)], None, 0, of_movies):
            if isinstance(solved, Solved):
                after[solved.first : solved.first + len(solved.factors)] = solved.factors
        movies = after
        users, losses = _users(sweeps, movies, known, rows)
        yield Trained(epoch, movies, losses, time.monotonic() - started)
        (total, weight), sent = losses.get(VALIDATION, np.zeros(2)), sent + movies.nbytes
        loss = total / weight if weight else math.nan
        if best is None or loss < best or math.isnan(best):
            best, best_epoch = loss, epoch
        if stretch.patience and epoch - best_epoch >= stretch.patience:
            break
        if time.monotonic() - clock >= stretch.seconds or sent >= MOST_BYTES or not np.isfinite(losses[TRAIN][0]):
            break
    yield users


def _users(
    sweeps: Sweeps, movies: np.ndarray, known: list[Rows], judged: Mapping[int, list[Rows]]
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """The users' factors given the movies', and the (sum, weight) of the loss by role, of other roles' users too."""
    task, piece = sweeps.of_users(movies), [partial(_itself, Piece(0, movies))]
    factors, sums = [np.zeros((0, movies.shape[1]), np.float32)], list[Sums]()
    for one in solve_users(task, piece, 0, known):
        if isinstance(one, Solved):
            factors.append(one.factors)
        else:
            sums.append(one)
    for role, rows in judged.items():
        sums += fold_in(task, piece, role, 0, rows)
    losses: dict[int, np.ndarray] = {}
    for of_some in sums:
        for role, pair in of_some.losses.items():
            losses[role] = losses.get(role, np.zeros(2)) + pair
    return np.concatenate(factors), losses


def _itself(piece: Piece) -> Piece:
    return piece


class Alone:
    """Trains stretches over Spark.

    Args:
        sweeps: the half-sweeps.
        ratings: users' ratings of each role, and the movies', each in one partition.
        epochs, patience: as the settings.
    """

    def __init__(self, sweeps: Sweeps, ratings: Sequence[RDD[Rows]], epochs: int, patience: int) -> None:
        self._sweeps, self._epochs, self._patience = sweeps, epochs, patience
        self._context = ratings[0].context
        self._elements = self._context.union([*ratings]).coalesce(1)
        self._ahead: dict[int, Trained] = {}  # that the loop has not come to
        self._users: np.ndarray | None = None  # after the last epoch of the stretch
        self._best: float | None = None
        self._best_epoch = 0
        self._shared = Seconds()

    def epoch(self, number: int, movies: np.ndarray) -> tuple[Trained, Seconds]:
        """The epoch after the one that has left those factors, and where its seconds went."""
        if number not in self._ahead:
            self._train(number, movies)
        trained = self._ahead.pop(number)
        return trained, Seconds(compute=trained.seconds) + self._shared

    def forget(self) -> None:
        """What is trained next begins with factors that were not trained here."""
        self._ahead, self._users, self._best = {}, None, None

    def _train(self, first: int, movies: np.ndarray) -> None:
        clock = time.monotonic()
        sent = self._context.broadcast((movies, self._users))
        sending = time.monotonic() - clock
        sweeps = self._sweeps
        stretch = Stretch(first, self._epochs, STRETCH_SECONDS, self._best, self._best_epoch, self._patience)

        def run(elements: Iterable[Rows]) -> Iterator[Any]:
            movies, users = sent.value
            return train_stretch(sweeps, stretch, movies, users, elements)

        *trained, self._users = self._elements.mapPartitions(run).collect()
        sent.destroy()
        for one in trained:
            total, weight = one.losses.get(VALIDATION, np.zeros(2))
            loss = float(total / weight) if weight else math.nan
            if self._best is None or loss < self._best:
                self._best, self._best_epoch = loss, one.epoch
        self._ahead = {one.epoch: one for one in trained}
        rest = max(0.0, time.monotonic() - clock - sending - sum(one.seconds for one in trained))
        self._shared = Seconds(reduce=rest / len(trained), broadcast=sending / len(trained))
