"""A worker's ratings as the kernels read them, kept on its executor between rounds, since decoding costs more than an
epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from recsys.data.arrays import stack
from recsys.data.blocks import Block
from recsys.data.examples import Examples
from recsys.data.partition import rows_from
from recsys.data.split import TRAIN
from recsys.models.factorisation.scorer import unit_of
from recsys.training.local_sgd import kept
from recsys.training.local_sgd.kept import Key
from recsys.training.state import Moments


@dataclass(frozen=True)
class Csr:
    """Ratings by user: entries starts[u] to starts[u + 1] are those of user u."""

    starts: np.ndarray  # int64 (users + 1)
    movies: np.ndarray  # int32 (entries)
    stars: np.ndarray  # float32 (entries)

    def take(self, mask: np.ndarray, movies: np.ndarray) -> Csr:
        """The entries of the mask, with those numbers of movies (one an entry of the result)."""
        starts = np.concatenate(([0], np.cumsum(mask)))[self.starts]
        return Csr(starts, movies, self.stars[mask])


@dataclass(frozen=True)
class Source:
    """How a worker's blocks are read.

    Attributes:
        training: another one for other data: what an executor keeps goes by it.
        examples: which ratings play which role.
        held: where ratings are split, the other roles that losses are measured on.
        rows: of each worker's training users.
        others: where users are split, (role, rows of each worker) of those whose blocks come after theirs, in order.
    """

    training: str
    examples: Examples
    held: tuple[int, ...]
    rows: tuple[int, ...]
    others: tuple[tuple[int, tuple[int, ...]], ...] = ()


@dataclass(frozen=True)
class Read:
    """A worker's ratings.

    Attributes:
        hashes: of its training users, uint64.
        train: their training ratings; after `cut`, a piece for each block of movies, numbered within the block.
        held: where ratings are split, those of the other roles that losses are measured on, by role.
        others: where users are split, raw ratings of those who are not trained, by role.
    """

    hashes: np.ndarray
    train: list[Csr]
    held: Mapping[int, Csr]
    others: Mapping[int, csr_matrix]

    @property
    def users(self) -> int:
        """How many training users."""
        return len(self.hashes)


def read(
    source: Source, worker: int, elements: Iterable[Any], block_of: np.ndarray | None = None
) -> tuple[Read, Moments | None]:
    """A worker's ratings and its state of the round before, if it has one. `elements` are read to their end.

    Args:
        source: how blocks are read.
        worker: whose they are.
        elements: what a round left, and then `Ready` or blocks.
        block_of: (movies) the block of each movie, where they are cut; None: all are one block.

    Raises:
        RowsMissing: there is `Ready` instead of blocks, and the ratings are not on this executor.
    """
    whole = Key(source.training, worker)
    if block_of is None:
        return kept.read(whole, elements, lambda blocks: _decode(source, worker, iter(blocks)))
    pieces = len(source.rows)

    def make(blocks: Iterable[Block]) -> Read:
        found = _decode(source, worker, iter(blocks))
        return Read(found.hashes, cut(found.train[0], block_of, pieces), found.held, found.others)

    return kept.read(Key(source.training, worker, "cut"), elements, make)


def cut_kept(source: Source, worker: int, block_of: np.ndarray) -> None:
    """Ratings that are kept whole are from now on kept by blocks of movies. Nothing where they are not kept here."""
    whole = Key(source.training, worker)
    found: Read | None = kept.find(whole)
    if found is not None:
        pieces = cut(found.train[0], block_of, len(source.rows))
        kept.keep(Key(source.training, worker, "cut"), Read(found.hashes, pieces, found.held, found.others))
        kept.drop(whole)


def cut(ratings: Csr, block_of: np.ndarray, blocks: int) -> list[Csr]:
    """The ratings of each block of movies, which are numbered within it in ascending order."""
    place = places(block_of, blocks)
    of_entry = block_of[ratings.movies]
    return [ratings.take(mask, place[ratings.movies[mask]]) for mask in (of_entry == one for one in range(blocks))]


def places(block_of: np.ndarray, blocks: int) -> np.ndarray:
    """Int32 (movies): each movie's number within its block."""
    place = np.empty(len(block_of), np.int32)
    for block in range(blocks):
        movies = np.flatnonzero(block_of == block)
        place[movies] = np.arange(len(movies))
    return place


def _decode(source: Source, worker: int, blocks: Iterator[Block]) -> Read:
    examples = source.examples
    hashes: list[np.ndarray] = []
    train: list[csr_matrix] = []
    held: dict[int, list[csr_matrix]] = {role: [] for role in source.held}
    for block in rows_from(blocks, source.rows[worker]):
        hashes.append(block.hashes)
        train.append(examples.preprocessing.scale(examples.arrays(block, TRAIN)[1]))
        for role, scaled in held.items():
            scaled.append(examples.preprocessing.scale(examples.arrays(block, role)[1]))
    others: dict[int, csr_matrix] = {}
    for role, rows in source.others:
        own = [block.matrix(examples.width) for block in rows_from(blocks, rows[worker])]
        others[role] = stack(own, examples.width)
    return Read(
        np.concatenate(hashes) if hashes else np.zeros(0, np.uint64),
        [_csr(train, examples)],
        {role: _csr(scaled, examples) for role, scaled in held.items()},
        others,
    )


def _csr(scaled: list[csr_matrix], examples: Examples) -> Csr:
    whole = stack(scaled, examples.width)
    stars = whole.data * np.float32(unit_of(examples.preprocessing))
    return Csr(whole.indptr.astype(np.int64), whole.indices.astype(np.int32, copy=False), stars)
