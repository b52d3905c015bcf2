"""A worker's ratings as the kernels read them, kept in its process between rounds, since decoding costs more than an
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
from recsys.training.state import Moments

_KEPT_BYTES = 768 * 2**20  # of a process: beyond it, what was used longest ago is decoded again when it is needed


@dataclass(frozen=True)
class Csr:
    """Ratings by user: entries starts[u] to starts[u + 1] are those of user u."""

    starts: np.ndarray  # int64 (users + 1)
    movies: np.ndarray  # int32 (entries)
    stars: np.ndarray  # float32 (entries)

    @property
    def nbytes(self) -> int:
        """Of memory."""
        return int(self.starts.nbytes + self.movies.nbytes + self.stars.nbytes)

    def take(self, mask: np.ndarray, movies: np.ndarray) -> Csr:
        """The entries of the mask, with those numbers of movies (one an entry of the result)."""
        starts = np.concatenate(([0], np.cumsum(mask)))[self.starts]
        return Csr(starts, movies, self.stars[mask])


@dataclass(frozen=True)
class Source:
    """How a worker's blocks are read.

    Attributes:
        training: another one for other data: what a process keeps goes by it.
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

    @property
    def nbytes(self) -> int:
        """Of memory, about."""
        return sum(one.nbytes for one in (*self.train, *self.held.values()))


_kept: dict[tuple[str, int, int], Read] = {}  # by training, worker and how many blocks of movies; last used last


def read(
    source: Source, worker: int, elements: Iterable[Any], block_of: np.ndarray | None = None
) -> tuple[Read, Moments | None]:
    """A worker's ratings and its state of the round before, if it has one. `elements` are read to their end.

    Args:
        source: how blocks are read.
        worker: whose they are.
        elements: blocks, and what a round left.
        block_of: (movies) the block of each movie, where they are cut; None: all are one block.
    """
    state: list[Moments] = []

    def blocks() -> Iterator[Block]:
        for element in elements:
            if isinstance(element, Block):
                yield element
            elif isinstance(element, Moments):
                state.append(element)

    pieces = 1 if block_of is None else len(source.rows)
    key = source.training, worker, pieces
    for other in [one for one in _kept if one[0] != source.training]:
        del _kept[other]
    if key in _kept:
        found = _kept.pop(key)
        for _ in blocks():
            pass
    else:
        found = _decode(source, worker, blocks())
        if block_of is not None:
            found = Read(found.hashes, cut(found.train[0], block_of, pieces), found.held, found.others)
            _kept.pop((source.training, worker, 1), None)  # what was made to count ratings
    _kept[key] = found
    while len(_kept) > 1 and sum(one.nbytes for one in _kept.values()) > _KEPT_BYTES:
        del _kept[next(iter(_kept))]
    return found, state[0] if state else None


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
