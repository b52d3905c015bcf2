"""ALS over Spark: users stay with their ratings, movies' factors and pieces of the users' travel.

An epoch solves for movies given users, and then for users given movies, so that users are what the scorer's fold-in
gives. The ratings lie in Spark in both orientations, and so do the users' factors. The driver holds the movies'
factors, and one piece of the users' at a time, on its way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pyspark import RDD, Broadcast

from recsys.data.partition import UNCOMPRESSED
from recsys.data.split import TRAIN
from recsys.models.base import ModelFamily
from recsys.models.factorisation.als.alone import Alone, fits_alone
from recsys.models.factorisation.als.config import AlsConfig
from recsys.models.factorisation.als.distribute import (
    SparkRatings,
    gather_users,
    moments_of,
    opener,
    openers,
    send_movies,
    send_users,
    solved_from,
    sums_of,
    users_gramian,
)
from recsys.models.factorisation.als.rows import Rows
from recsys.models.factorisation.als.solve import Piece, compile_kernels
from recsys.models.factorisation.als.sweeps import Sweeps
from recsys.models.factorisation.als.terms import ImplicitTerms
from recsys.models.factorisation.als.worker import Solved, Sums, fold_in, solve_movies, solve_users
from recsys.models.factorisation.model import FactorModel
from recsys.models.factorisation.scorer import MovieFactors, unit_of
from recsys.training.base import AfterRound, Trainer, TrainingData, no_checkpoint
from recsys.training.checkpoint import read_moments
from recsys.training.history import Seconds
from recsys.training.local_sgd.rounds import cores_of
from recsys.training.state import Moments, Snapshot

PIECE_BYTES = 256_000_000  # of the factors that are sent together: what a worker holds of the other side
REBASE_ROUNDS = 10  # fewer are done again if an executor is lost; more factors are kept for that


class AlsTrainer(Trainer):
    """Alternates between both half-sweeps.

    Args:
        data: what is trained on.
        family: makes the model.
        piece_bytes: of factors that are sent together, at most.
    """

    def __init__(self, data: TrainingData, family: type[FactorModel], piece_bytes: int = PIECE_BYTES) -> None:
        config = data.config.model
        assert isinstance(config, AlsConfig)
        compile_kernels(config.solver, config.nonnegative, config.implicit != "none")
        self.epochs = data.config.training.epochs
        self._data, self._config, self._family = data, config, family
        self._part, self._context = data.parts[TRAIN], data.parts[TRAIN].blocks.context
        width = config.factors + config.has_biases
        self._piece_rows = max(1, piece_bytes // (4 * width))
        roles = tuple(data.parts)
        own = data.kept.get(("als", roles), lambda: SparkRatings(data)) if data.kept else SparkRatings(data)
        self._ratings, self._known, self._movies, self._judged = own, own.users, own.movies, own.judged
        columns, ratings = data.columns, float(own.counts.sum())
        mean = own.total / max(ratings, 1.0) if config.has_biases else 0.0
        weighted, unit = data.preprocessing.weighted, unit_of(data.preprocessing)
        observed = config.observed(own.counts)
        self._sweeps = Sweeps(config, self._part.rows, columns, mean, observed, weighted, unit)
        draw = np.random.default_rng([data.config.seed, 0])
        self._factors = np.zeros((columns, width), np.float32)
        scale = config.init_scale / np.sqrt(config.factors)
        self._factors[:, : config.factors] = draw.standard_normal((columns, config.factors)) * scale
        if config.nonnegative:
            np.abs(self._factors, out=self._factors)
        self._solved: RDD[Any] | None = None  # of Solved and Sums
        self._sums: list[Sums] = []
        self._users: list[Solved] | None = None  # all of `_solved`, where they fit in one piece and are not yet sent
        self._pieces: list[Callable[[], Piece]] = []  # of the movies, as users were solved for from them
        self._user_terms: Callable[[], np.ndarray] | None = None
        self._sent: list[list[Broadcast[Any]]] = []  # what `_solved` would be computed from again
        self._terms: ImplicitTerms | None = None
        if config.implicit != "none":
            shape, problem = (self._part.rows, columns), self._sweeps.of_users(self._factors).problem
            self._terms = ImplicitTerms(self._known, self._movies, config, shape, problem.penalties)
        self._alone: Alone | None = None  # of one worker that has all ratings
        self._sums_alone: dict[int, np.ndarray] = {}
        one_piece = max(self._part.rows, columns) <= self._piece_rows
        fits = one_piece and fits_alone(self._part.rows, columns, width, ratings)
        if self._part.workers == 1 and fits and not self._warm and self._terms is None:
            everything, settings = [self._known, *self._judged.values(), self._movies], data.config.training
            self._alone = Alone(self._sweeps, everything, self.epochs, settings.patience)
            self.ahead = True

    @property
    def _fits(self) -> bool:
        """Whether all users are one piece: the driver gets them in the job that solves for them."""
        return self._part.rows <= self._piece_rows

    def _all_users(self) -> Iterable[Solved]:
        """In their order. Where they are several pieces the driver holds one, and an element that comes after it."""
        assert self._solved is not None
        users, self._users = self._users, None
        if users is not None:
            return users
        if self._fits:
            return gather_users(self._solved, True)[1] or []
        return self._solved.filter(lambda one: isinstance(one, Solved)).toLocalIterator()  # in the order of workers

    @property
    def _warm(self) -> bool:
        """Whether a half-sweep goes on from the factors of the one before."""
        return self._config.solver != "cholesky"

    def train_epoch(self, epoch: int, first_round: int = 0, after_round: AfterRound = no_checkpoint) -> Seconds:
        if self._alone:
            trained, split = self._alone.epoch(epoch, self._factors)
            self._factors, self._sums_alone = trained.movies, trained.losses
            return split
        split = Seconds()
        if self._solved is None:
            split += self._solve_users()
        if self._terms:
            split += self._fit(self._terms.fit_users, self._solved)
        split += self._solve_movies()
        if self._terms and self._terms.both:
            split += self._fit(self._terms.fit_movies, self._factors)
        return split + self._solve_users()

    def losses(self) -> dict[int, float]:
        """Of training users as their half-sweep had them, and of other roles' users, folded in."""
        if self._alone:
            return {role: _mean(self._sums_alone.get(role, np.zeros(2))) for role in self._data.parts}
        sums = self._sums
        for role, judged in self._judged.items():
            sums = sums + self._fold_in(role, judged)
        totals = {role: np.zeros(2) for role in self._data.parts}
        for one in sums:
            for role, pair in one.losses.items():
                totals[role] += pair
        return {role: _mean(total) for role, total in totals.items()}

    def weights(self) -> list[np.ndarray]:
        return [self._factors.copy()] if self._terms is None else [self._factors.copy(), self._terms.of_users]

    def as_model(self, weights: list[np.ndarray] | None) -> ModelFamily:
        config, (factors, *terms) = self._config, self.weights() if weights is None else weights
        k = config.factors
        biases = np.zeros(len(factors), np.float32)
        if config.has_biases:
            biases = factors[:, k] * np.float32(config.bias_unit)
        movies = MovieFactors(
            np.ascontiguousarray(factors[:, :k]), biases, self._sweeps.mean, config.has_biases, *terms
        )
        return self._family(config, self._data.preprocessing, movies, self._sweeps.ridge)

    def state(self) -> tuple[dict[str, np.ndarray], Iterator[Moments]]:
        """The movies' factors. Users are solved for from them; where a half-sweep goes on from the last, theirs too."""
        arrays = {"factors": self._factors}
        if self._terms:
            arrays |= self._terms.state()
        return arrays, self._moments()

    def saved(self, checkpoint: Path) -> None:
        """Now and then users go on from what was written: what Spark kept to compute them again is let go."""
        if self._warm and len(self._sent) >= REBASE_ROUNDS:
            sums = self._sums
            self._set_users(read_moments(checkpoint))
            self._sums = sums

    def restore(self, snapshot: Snapshot) -> None:
        self._factors = snapshot.arrays["factors"]
        if self._terms:
            self._terms.restore(snapshot.arrays)
        self._forget_users()
        if self._warm:
            self._set_users(snapshot.moments)

    def close(self) -> None:
        """Frees ratings and users' factors."""
        self._forget_users()
        if self._data.kept is None:
            self._ratings.close()

    def _fit(self, fit: Callable[[Any], None], factors: Any) -> Seconds:
        clock = time.monotonic()
        fit(factors)
        return Seconds(reduce=time.monotonic() - clock)

    def _fold_in(self, role: int, judged: RDD[Rows]) -> list[Sums]:
        task, pieces, terms = self._sweeps.of_users(self._factors, "cholesky"), self._pieces, self._user_terms

        def run(worker: int, own: Iterable[Rows]) -> Iterator[Sums]:
            return fold_in(task, pieces, role, worker, own, terms)

        return sums_of(judged.mapPartitionsWithIndex(run))

    def _solve_users(self) -> Seconds:
        clock = time.monotonic()
        sent: list[Broadcast[Any]] = [*send_movies(self._context, self._factors, self._piece_rows)]
        sending = time.monotonic() - clock
        before, task = self._solved, self._sweeps.of_users(self._factors)
        self._pieces, self._user_terms = openers(sent), None
        if self._terms:
            shared = self._context.broadcast(self._terms.of_users)
            self._user_terms = opener(shared)
            sent = [*sent, shared]
        pieces, terms = self._pieces, self._user_terms
        elements = before.union(self._known) if before is not None and self._warm else self._known

        def run(worker: int, own: Iterable[Any]) -> Iterator[Any]:
            return solve_users(task, pieces, worker, own, terms)

        solved = elements.mapPartitionsWithIndex(run, preservesPartitioning=True)
        self._solved = solved.persist(UNCOMPRESSED)
        self._sums, self._users = gather_users(self._solved, self._fits)
        if before is not None:
            before.unpersist()
        if not self._warm:  # the users before are not what these would be computed from again
            self._destroy_sent()
        self._sent.append(sent)
        return self._seconds(clock, sending, self._sums)

    def _solve_movies(self) -> Seconds:
        clock, width = time.monotonic(), self._factors.shape[1]
        assert self._solved is not None
        gramian = users_gramian(self._solved, width) if self._config.unobserved_weight else None
        sent = send_users(self._context, self._all_users(), self._piece_rows, width)
        before = self._context.broadcast(self._factors) if self._warm else None
        sending = time.monotonic() - clock
        task, pieces = self._sweeps.of_movies(gramian), openers(sent)
        shared = self._context.broadcast(self._terms.of_movies) if self._terms and self._terms.both else None
        terms = opener(shared) if shared else None

        def run(worker: int, own: Iterable[Rows]) -> Iterator[Any]:
            return solve_movies(task, pieces, before.value if before else None, worker, own, terms)

        sums = []
        factors = np.zeros_like(self._factors)
        for one in self._movies.mapPartitionsWithIndex(run).collect():
            if isinstance(one, Solved):
                factors[one.first : one.first + len(one.factors)] = one.factors
            else:
                sums.append(one)
        self._factors = factors
        for piece in sent:
            piece.destroy()
        for other in (before, shared):
            if other:
                other.destroy()
        return self._seconds(clock, sending, sums)

    def _moments(self) -> Iterator[Moments]:
        if self._solved is None or not self._warm:
            return
        yield from moments_of(self._solved)

    def _set_users(self, moments: Iterable[Moments]) -> None:
        """Users' factors are these from now on; nothing that was before is needed any more."""
        self._forget_users()
        # a broadcast each: tasks would not take that much, and a worker reads its own alone
        sent = {one.worker: self._context.broadcast(one) for one in moments}
        self._solved = solved_from(self._context, sent, self._part)
        self._sent = [list(sent.values())]

    def _forget_users(self) -> None:
        if self._solved is not None:
            self._solved.unpersist()
        self._solved, self._users, self._sums = None, None, []
        if self._alone:
            self._alone.forget()
        self._destroy_sent()

    def _destroy_sent(self) -> None:
        for sent in self._sent:
            for piece in sent:
                piece.destroy()
        self._sent = []

    def _seconds(self, clock: float, sending: float, sums: list[Sums]) -> Seconds:
        compute = sum(one.seconds for one in sums) / cores_of(self._context, self._part.workers)
        rest = max(0.0, time.monotonic() - clock - sending - compute)
        return Seconds(compute=compute, broadcast=sending, reduce=rest)


def _mean(sums: np.ndarray) -> float:
    """The mean of (sum, weight); NaN of nothing."""
    total, weight = sums
    return float(total / weight) if weight else float("nan")
