"""What goes into the model and what its output is compared with: scaling, splits, held-out ratings, block by block.

Where ratings are split, by chance or by time, the input of training is its target: the training ratings. For the
validation these are the input, and for the test they and the validation ratings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix

from recsys.config import Config
from recsys.data.blocks import Block, hash_movies
from recsys.data.preprocessing import Preprocessing, keep_entries
from recsys.data.split import TRAIN, hold_out, sample_users, split_ratings, split_users
from recsys.data.time_split import Moments, is_known, rows_of_part, split_by_moments, split_last


@dataclass(frozen=True)
class Examples:
    """The splits of a run. `role` is TRAIN, VALIDATION or TEST. Rows of blocks are users, or movies (over users)."""

    width: int  # of a rating array: the number of movies, or for movies' arrays the number of users
    preprocessing: Preprocessing
    by_rating: bool  # ratings are split, by chance, by a file or by time; not users
    seed: int
    test_fraction: float
    validation_fraction: float
    holdout_fraction: float
    # for movies' arrays the hashes of the users (width); None where the columns are movies
    column_hashes: np.ndarray | None = field(default=None, compare=False, repr=False)
    # where a file names the test ratings: their hashes (recsys.data.split.hash_pairs), ascending
    test_entries: np.ndarray | None = field(default=None, compare=False, repr=False)
    split_time: str | None = None  # how ratings are split by time: "all" or "user"; None: they are not
    moments: Moments | None = None  # of split_time = "all"
    sample: float = 1.0  # the part of the training users that are there; where ratings are split, of all users

    @classmethod
    def of(
        cls,
        config: Config,
        width: int,
        preprocessing: Preprocessing,
        column_hashes: np.ndarray | None = None,
        test_entries: np.ndarray | None = None,
        moments: Moments | None = None,
    ) -> Examples:
        """The splits that the settings ask for.

        `test_entries` are the ratings of `data.test_ratings`, `moments` those of `data.split_time` = "all".
        """
        return cls(
            width,
            preprocessing,
            config.data.split != "user",
            config.split_seed,
            config.data.test_fraction,
            config.data.validation_fraction,
            config.evaluation.holdout_fraction,
            column_hashes,
            test_entries,
            config.data.split_time if config.data.split == "time" else None,
            moments,
        )

    def rows(self, block: Block, role: int) -> np.ndarray:
        """Mask of the block's rows that have the role.

        Where ratings are split, every row has every role; by time only the users who have ratings of that part, and
        earlier ones to show.
        """
        if self.split_time is not None and self.column_hashes is None:
            asked = rows_of_part(self.parts(block), block.indptr, role)
        elif self.by_rating:
            asked = np.ones(block.rows, bool)
        else:
            asked = split_users(block.hashes, self.seed, self.test_fraction, self.validation_fraction) == role
        if self.sample < 1 and (self.by_rating or role == TRAIN):
            asked &= sample_users(block.hashes, self.seed, self.sample)
        return asked

    def arrays(self, block: Block, role: int) -> tuple[csr_matrix, csr_matrix]:
        """(input, target) raw ratings for the loss: by user the whole rating array is both, as in the paper.

        By rating the input is what the model may know: the training ratings, for the test the validation ratings too.
        """
        matrix = block.matrix(self.width)
        if not self.by_rating:
            return matrix, matrix
        parts = self.parts(block)
        known = keep_entries(matrix, is_known(parts, role))
        return known, known if role == TRAIN else keep_entries(matrix, parts == role)

    def parts(self, block: Block) -> np.ndarray:
        """TRAIN, VALIDATION or TEST (int8) of each entry of the block, where ratings are split."""
        fractions = self.test_fraction, self.validation_fraction
        if self.split_time is None:
            split = *fractions, self.column_hashes, self.test_entries
            return split_ratings(block.matrix(self.width), block.hashes, self.seed, *split)
        if block.times is None:
            raise ValueError("a split by time needs blocks with times")
        if self.split_time == "user":
            return split_last(block.times, block.indptr, block.hashes, hash_movies(block.indices), *fractions)
        if self.moments is None:
            raise ValueError("data.split_time = 'all' needs the moments of the data set")
        return split_by_moments(block.times, self.moments)

    def shown_and_held(self, block: Block, role: int) -> tuple[csr_matrix, csr_matrix]:
        """(shown, held out) raw ratings for the metrics: by user a fold-in and the rest, by rating as `arrays`."""
        if self.by_rating:
            return self.arrays(block, role)
        return hold_out(block.matrix(self.width), block.hashes, self.seed, self.holdout_fraction)


def batches(matrix: csr_matrix, size: int) -> Iterator[csr_matrix]:
    """Consecutive rows, `size` at a time."""
    for start in range(0, matrix.shape[0], size):
        yield matrix[start : start + size]
