"""Implicit terms over Spark: the jobs by which they are fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from pyspark import RDD

from recsys.models.factorisation.als.config import AlsConfig
from recsys.models.factorisation.als.implicit import Regression, sum_rows
from recsys.models.factorisation.als.rows import Rows
from recsys.models.factorisation.als.worker import Solved, factors_of

_USERS, _MOVIES = "terms_of_users", "terms_of_movies"
RowValues = Callable[[Rows], np.ndarray]


class ImplicitTerms:
    """The terms of users, and where they are asked for those of movies; 0 at first.

    Args:
        users: the users' training ratings.
        movies: the same ratings, movies over users.
        config: the model's settings.
        shape: (users, movies).
        penalties: c of each row, from `indptr`.

    Attributes:
        of_users: y, float32 (movies, k).
        of_movies: those of the other side, float32 (users, k); None: there are none.
    """

    def __init__(
        self,
        users: RDD[Rows],
        movies: RDD[Rows],
        config: AlsConfig,
        shape: tuple[int, int],
        penalties: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        rows, columns = shape
        self._users, self._movies, self._context = users, movies, users.context
        self._over_users = Regression(columns, config.implicit_l2, config.divided_by, penalties)
        self._over_movies = Regression(rows, config.implicit_l2, config.divided_by, penalties)
        self._k = config.factors
        self.of_users = np.zeros((columns, config.factors), np.float32)
        both = config.implicit == "both"
        self.of_movies = np.zeros((rows, config.factors), np.float32) if both else None

    def fit_users(self, solved: RDD[Any]) -> None:
        """Fits the users' terms to their factors, as a half-sweep left them in Spark."""
        k, regression = self._k, self._over_users

        def run(worker: int, elements: Iterable[Any]) -> Iterator[tuple[int, np.ndarray]]:
            factors, rows = list[Solved](), list[Rows]()
            for one in elements:
                if isinstance(one, Solved):
                    factors.append(one)
                elif isinstance(one, Rows):
                    rows.append(one)

            def added(rows: Rows) -> np.ndarray:
                return regression.right_and_diagonal(rows, factors_of(factors, rows)[:, :k])

            return sum_rows(rows, added, worker)

        sums = _added(solved.union(self._users).mapPartitionsWithIndex(run))
        self.of_users = self._fitted(regression, self.of_users, sums, self._users)

    def fit_movies(self, factors: np.ndarray) -> None:
        """Fits the movies' terms to their factors, float32 (movies, k or more)."""
        assert self.of_movies is not None
        k, regression, sent = self._k, self._over_movies, self._context.broadcast(factors)

        def own(rows: Rows) -> np.ndarray:
            mine: np.ndarray = sent.value[rows.first : rows.first + rows.known.rows, :k]
            return mine

        sums = self._sum(self._movies, lambda rows: regression.right_and_diagonal(rows, own(rows)))
        sent.destroy()
        self.of_movies = self._fitted(regression, self.of_movies, sums, self._movies)

    @property
    def both(self) -> bool:
        """Whether movies have terms, too."""
        return self.of_movies is not None

    def state(self) -> dict[str, np.ndarray]:
        """What `restore` takes."""
        arrays = {_USERS: self.of_users}
        return arrays if self.of_movies is None else {**arrays, _MOVIES: self.of_movies}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Goes on from these."""
        self.of_users, self.of_movies = arrays[_USERS], arrays.get(_MOVIES)

    def _fitted(self, regression: Regression, start: np.ndarray, sums: np.ndarray, rows: RDD[Rows]) -> np.ndarray:
        def times(values: np.ndarray) -> np.ndarray:
            sent = self._context.broadcast(values)
            try:
                return self._sum(rows, lambda one: regression.product(one, sent.value))
            finally:
                sent.destroy()

        fitted = regression.fit(start, sums[:, :-1], sums[:, -1], times)
        return np.asarray(fitted, np.float32)

    def _sum(self, rows: RDD[Rows], what: RowValues) -> np.ndarray:
        def run(worker: int, elements: Iterable[Rows]) -> Iterator[tuple[int, np.ndarray]]:
            return sum_rows(elements, what, worker)

        return _added(rows.mapPartitionsWithIndex(run))


def _added(parts: RDD[tuple[int, np.ndarray]]) -> np.ndarray:
    """The sum in the order of the workers, so that it is the same however tasks were scheduled."""
    values = [value for _, value in sorted(parts.collect(), key=lambda part: part[0])]
    total: np.ndarray = sum(values[1:], values[0])
    return total
