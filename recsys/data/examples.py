"""What goes into the model and what its output is compared with: scaling, splits, held-out ratings, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix

from recsys.config import Config
from recsys.data.blocks import Block
from recsys.data.preprocessing import Preprocessing, keep_entries
from recsys.data.split import TEST, TRAIN, VALIDATION, hold_out, split_ratings, split_users


@dataclass(frozen=True)
class Examples:
    """The splits of a run. `role` is TRAIN, VALIDATION or TEST. Rows of blocks are users, or movies (over users)."""

    width: int  # of a rating array: the number of movies, or for movies' arrays the number of users
    preprocessing: Preprocessing
    by_rating: bool
    seed: int
    test_fraction: float
    validation_fraction: float
    holdout_fraction: float
    # for movies' arrays the hashes of the users (width); None where the columns are movies
    column_hashes: np.ndarray | None = field(default=None, compare=False, repr=False)
    # where a file names the test ratings: their hashes (recsys.data.split.hash_pairs), ascending
    test_entries: np.ndarray | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        config: Config,
        width: int,
        preprocessing: Preprocessing,
        column_hashes: np.ndarray | None = None,
        test_entries: np.ndarray | None = None,
    ) -> Examples:
        """The splits that the settings ask for; `test_entries` are the ratings of `data.test_ratings`."""
        return cls(
            width,
            preprocessing,
            config.data.split == "rating",
            config.seed,
            config.data.test_fraction,
            config.data.validation_fraction,
            config.evaluation.holdout_fraction,
            column_hashes,
            test_entries,
        )

    def rows(self, block: Block, role: int) -> np.ndarray:
        """Mask of the block's rows that have the role; where ratings are split, every row has every role."""
        if self.by_rating:
            return np.ones(block.rows, bool)
        return split_users(block.hashes, self.seed, self.test_fraction, self.validation_fraction) == role

    def arrays(self, block: Block, role: int) -> tuple[csr_matrix, csr_matrix]:
        """(input, target) raw ratings for the loss: by user the whole rating array is both, as in the paper.

        By rating the input is what the model may know: the training ratings, for the test the validation ratings too.
        """
        matrix = block.matrix(self.width)
        if not self.by_rating:
            return matrix, matrix
        split = self.test_fraction, self.validation_fraction, self.column_hashes, self.test_entries
        parts = split_ratings(matrix, block.hashes, self.seed, *split)
        if role == TRAIN:
            train = keep_entries(matrix, parts == TRAIN)
            return train, train
        known = parts == TRAIN if role == VALIDATION else parts != TEST
        return keep_entries(matrix, known), keep_entries(matrix, parts == role)

    def shown_and_held(self, block: Block, role: int) -> tuple[csr_matrix, csr_matrix]:
        """(shown, held out) raw ratings for the metrics: by user a fold-in and the rest, by rating as `arrays`."""
        if self.by_rating:
            return self.arrays(block, role)
        return hold_out(block.matrix(self.width), block.hashes, self.seed, self.holdout_fraction)


def batches(matrix: csr_matrix, size: int) -> Iterator[csr_matrix]:
    """Consecutive rows, `size` at a time."""
    for start in range(0, matrix.shape[0], size):
        yield matrix[start : start + size]
