"""Implicit terms: what somebody rated at all says of them, and who rated a movie at all says of it.

They are those of SVD++ (Koren 2008, eq. 15), for movies those of its flipped form (Rendle, Zhang and Koren 2019, arXiv
1905.01395, section 3.3), here as what factors are drawn towards: the penalty of a user's factors x is c |x - z|^2 in
place of c |x|^2, where z is (n + implicit_shrinkage)^-implicit_power times the sum of y over the n movies that the
user rated. y minimises the sum of these penalties over the users + implicit_l2 |y|^2, a ridge regression with users for
rows. Movies likewise. With the power of 1/2 z may grow with the count. With 1 it is a mean: the estimate of a taste
from what it chose, as large for few as for many.

Only training ratings are asked for. The driver holds some arrays of the size of y: of movies x factors, for movies'
terms of users x factors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from recsys.models.factorisation.als.rows import Ratings, Rows
from recsys.models.factorisation.count_power import CountPower

STEPS = 5  # of conjugate gradients for each epoch; they go on from the terms of the epoch before
Sum = Callable[[Callable[[Rows], np.ndarray]], np.ndarray]  # of what a function makes of all rows, over the workers


@dataclass(frozen=True)
class Regression:
    """A ridge regression of rows' factors on what they rated.

    Attributes:
        columns: how many there are.
        l2: the ridge.
        divided_by: what a row's sum is divided by.
        penalties: c of each row, from `indptr`.
    """

    columns: int
    l2: float
    divided_by: CountPower
    penalties: Callable[[np.ndarray], np.ndarray]

    def fit(self, start: np.ndarray, right: np.ndarray, diagonal: np.ndarray, times: Callable[..., np.ndarray]) -> Any:
        """Terms y, float64 (columns, k), after STEPS steps of conjugate gradients, each factor by itself.

        Args:
            start: the terms to go on from.
            right: S' C x (columns, k), of rows' factors x.
            diagonal: that of S' C S (columns), by which steps are preconditioned.
            times: S' C S times an array of the shape of `start`.
        """
        whole = diagonal[:, None] + self.l2
        y, r = start.astype(np.float64), right - times(start) - self.l2 * start
        z = r / whole
        p, slope = z.copy(), (r * z).sum(axis=0)
        for _ in range(STEPS):
            product = times(p) + self.l2 * p
            step = slope / np.maximum((p * product).sum(axis=0), np.finfo(np.float64).tiny)
            y += step * p
            r -= step * product
            z = r / whole
            before, slope = slope, (r * z).sum(axis=0)
            p = z + slope / np.maximum(before, np.finfo(np.float64).tiny) * p
        return y

    def right_and_diagonal(self, rows: Rows, factors: np.ndarray) -> np.ndarray:
        """What some rows add to S' C x and, last, to the diagonal of S' C S: float64 (columns, k + 1)."""
        matrix, penalties = rated(rows.known, self.columns, self.divided_by), self._penalties(rows)
        squares = csr_matrix((matrix.data**2, matrix.indices, matrix.indptr), shape=matrix.shape)
        return np.column_stack([matrix.T @ (penalties[:, None] * factors), squares.T @ penalties])

    def product(self, rows: Rows, values: np.ndarray) -> np.ndarray:
        """What some rows add to S' C S times values (columns, k): float64."""
        matrix = rated(rows.known, self.columns, self.divided_by)
        return np.asarray(matrix.T @ (self._penalties(rows)[:, None] * (matrix @ values)))

    def _penalties(self, rows: Rows) -> np.ndarray:
        return self.penalties(rows.known.indptr).astype(np.float64)


def rated(ratings: Ratings, columns: int, divided_by: CountPower) -> csr_matrix:
    """S of some rows (rows, columns), float64: at each of a row's ratings 1 / what its sum is divided by."""
    counts = np.diff(ratings.indptr)
    values = np.repeat(1 / divided_by.of(counts), counts)
    return csr_matrix((values, ratings.indices, ratings.indptr), shape=(ratings.rows, columns))


def drawn_to(ratings: Ratings, terms: np.ndarray, divided_by: CountPower, width: int) -> np.ndarray:
    """z of some rows: float32 (rows, width), 0 for what follows the factors."""
    z = np.zeros((ratings.rows, width), np.float32)
    z[:, : terms.shape[1]] = rated(ratings, len(terms), divided_by) @ terms
    return z


def sum_rows(
    elements: Iterable[Rows], what: Callable[[Rows], np.ndarray], worker: int
) -> Iterator[tuple[int, np.ndarray]]:
    """(worker, the sum of what a function makes of its rows); nothing where it has none."""
    total: Any = None
    for one in elements:
        part = what(one)
        total = part if total is None else total + part
    if total is not None:
        yield worker, total
