"""What ALS solves from, in both orientations: users over movies, and movies over users' numbers. No Spark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_matrix

from recsys.data.blocks import Block
from recsys.data.examples import Examples
from recsys.data.preprocessing import Preprocessing, keep_entries
from recsys.data.split import TRAIN, VALIDATION
from recsys.models.factorisation.als.solve import Entries
from recsys.models.factorisation.scorer import unit_of

ELEMENT_ENTRIES = 2_000_000  # of movies that stand in one element: Spark passes on at most 2 GB as one
MOVIES = -1  # what rows are that have no role
_ONE = np.ones(1, np.float32)


@dataclass(frozen=True)
class Ratings:
    """Sparse rows. `values`: float32 (entries), stars or the weights of counts; or (1), of likes."""

    indptr: np.ndarray  # int64 (rows + 1)
    indices: np.ndarray  # int32 (entries), ascending in each row
    values: np.ndarray

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.indptr) - 1

    @classmethod
    def of(cls, scaled: csr_matrix, preprocessing: Preprocessing) -> Ratings:
        """Those of rating arrays."""
        if preprocessing.weighted:
            values = scaled.data.astype(np.float32)
        elif preprocessing.likes:
            values = _ONE
        else:
            values = np.asarray(scaled.data * np.float32(unit_of(preprocessing)), np.float32)
        # copies: kernels would be compiled once more for arrays that cannot be written to, as those of blocks are
        return cls(scaled.indptr.astype(np.int64), scaled.indices.astype(np.int32), values)

    def entries(self, weights: np.ndarray, weighted: bool) -> Entries:
        """As what is solved: `weights` float32 (entries) or (1); those of counts, where values are these, multiply."""
        if weighted:
            return Entries(self.indptr, self.indices, _ONE, weights * self.values)
        return Entries(self.indptr, self.indices, self.values, weights)


@dataclass(frozen=True)
class Rows:
    """The ratings of some users (or movies) with consecutive numbers, from `first`.

    Attributes:
        first: the number of the first.
        known: what they are solved for from.
        held: of users, where ratings are split, those that are not known: of training users the validation's.
        judged: how many of the users have a part in these.
        role: of the users; MOVIES: they are movies.
    """

    first: int
    known: Ratings
    held: Ratings | None = None
    judged: int = 0
    role: int = TRAIN

    def weights(self, observed: np.ndarray | float, of_movies: bool) -> np.ndarray:
        """float32 (entries) or (1): the weight of each entry's movie, which is the row or the column."""
        if not isinstance(observed, np.ndarray):
            return np.full(1, observed, np.float32)
        if not of_movies:
            return observed.astype(np.float32)[self.known.indices]
        own = observed[self.first : self.first + self.known.rows].astype(np.float32)
        return np.repeat(own, np.diff(self.known.indptr))


def rows_of(block: Block, first: int, examples: Examples, role: int) -> Rows:
    """A block of users: what the role shows of them, and where ratings are split those that are held out."""
    preprocessing = examples.preprocessing
    shown, target = examples.arrays(block, role)
    known = Ratings.of(preprocessing.scale(shown), preprocessing)
    if not examples.by_rating:
        return Rows(first, known, role=role)
    asked = role
    if role == TRAIN:  # the same users are judged on their validation ratings
        asked, target = VALIDATION, examples.arrays(block, VALIDATION)[1]
    judged = examples.rows(block, asked)
    held = keep_entries(target, np.repeat(judged, np.diff(target.indptr)))
    return Rows(first, known, Ratings.of(preprocessing.scale(held), preprocessing), int(judged.sum()), role)


def totals_of(elements: Iterable[Rows], columns: int) -> np.ndarray:
    """float64 (columns + 1): how many ratings each movie has, and then the sum of all values."""
    totals = np.zeros(columns + 1)
    for one in elements:
        totals[:columns] += np.bincount(one.known.indices, minlength=columns)
        totals[columns] += one.known.values.sum(dtype=np.float64)
    return totals


Cut = tuple[int, np.ndarray, np.ndarray, np.ndarray]  # first user, movies, users' numbers, values


def cut(elements: Iterable[Rows], partition_of_movie: np.ndarray, alike: bool) -> Iterator[tuple[int, Cut]]:
    """(partition, its part) of a worker's users, for each partition of the movies.

    Args:
        elements: the users.
        partition_of_movie: int32 (movies), ascending.
        alike: whether all values are 1, and stand there once.
    """
    starts = np.searchsorted(partition_of_movie, np.arange(partition_of_movie[-1] + 2))
    for one in elements:
        known = one.known
        users = np.repeat(np.arange(one.first, one.first + known.rows, dtype=np.int32), np.diff(known.indptr))
        for partition, (low, high) in enumerate(pairwise(starts)):
            chosen = (known.indices >= low) & (known.indices < high)
            if chosen.any():
                values = known.values if alike else known.values[chosen]
                yield partition, (one.first, known.indices[chosen], users[chosen], values)


def gather(parts: Iterable[Cut], first: int, movies: int, alike: bool) -> Iterator[Rows]:
    """The movies `first` and on, all that a partition has, over users' numbers.

    Args:
        parts: what `cut` made for the partition, in any order.
        first: its first movie.
        movies: how many it has.
        alike: whether all values are 1.
    """
    if not movies:
        return
    in_order = sorted(parts, key=lambda one: one[0])  # so that users ascend within each movie
    columns = [np.concatenate(arrays) for arrays in list(zip(*in_order, strict=True))[1:]] if in_order else []
    rated, users, values = columns or (np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))
    order = np.argsort(rated, kind="stable")  # a radix or merge sort: users stay ascending
    indptr = np.append(0, np.cumsum(np.bincount(rated - first, minlength=movies)))
    start = 0
    while start < movies:
        stop = int(np.searchsorted(indptr, indptr[start] + ELEMENT_ENTRIES, "right")) - 1
        stop = min(max(stop, start + 1), movies)
        chosen = order[indptr[start] : indptr[stop]]
        own = _ONE if alike else values[chosen]
        yield Rows(first + start, Ratings(indptr[start : stop + 1] - indptr[start], users[chosen], own), role=MOVIES)
        start = stop
