"""Epochs of one worker that has all ratings: the same however they are cut into stretches. No Spark."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recsys.config.load import load_config
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.models.factorisation.als.alone import Stretch, Trained, train_stretch
from recsys.models.factorisation.als.rows import MOVIES, Ratings, Rows
from recsys.models.factorisation.als.sweeps import Sweeps

USERS, COLUMNS = 9, 6


def ratings_of(dense: np.ndarray) -> Ratings:
    sparse = csr_matrix(dense)
    return Ratings(sparse.indptr.astype(np.int64), sparse.indices.astype(np.int32), sparse.data.astype(np.float32))


@pytest.fixture(scope="module")
def elements() -> list[Rows]:
    """Two elements of users, who have held-out ratings, two of movies, and a test user."""
    draw = np.random.default_rng(4)
    stars = draw.integers(1, 6, (USERS, COLUMNS)).astype(np.float32)
    part = draw.choice(3, stars.shape, p=[0.3, 0.5, 0.2])
    known, held = np.where(part == 1, stars, 0), np.where(part == 2, stars, 0)
    movies = [Rows(one, ratings_of(known.T[one : one + 3]), role=MOVIES) for one in (0, 3)]
    users = [
        Rows(first, ratings_of(known[first:last]), ratings_of(held[first:last]), last - first, TRAIN)
        for first, last in ((0, 5), (5, USERS))
    ]
    return [*users, *movies, Rows(0, ratings_of(known[:2]), ratings_of(held[2:4]), 2, TEST)]


def sweeps_of(unobserved: float) -> Sweeps:
    settings = ["model.kind=als", "model.factors=3", "model.l2=0.3", f"model.unobserved_weight={unobserved}"]
    config = load_config([], settings).model
    return Sweeps(config, USERS, COLUMNS, 3.0 * (not unobserved), config.observed(np.ones(COLUMNS)), False, 1.0)  # type: ignore[arg-type, attr-defined]


def first_factors(sweeps: Sweeps) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((COLUMNS, sweeps.width)).astype(np.float32)


def run(
    sweeps: Sweeps, stretch: Stretch, movies: np.ndarray, users: np.ndarray | None, elements: list[Rows]
) -> tuple[list[Trained], np.ndarray]:
    *trained, after = train_stretch(sweeps, stretch, movies, users, elements)
    assert isinstance(after, np.ndarray)
    return [one for one in trained if isinstance(one, Trained)], after


@pytest.mark.parametrize("unobserved", [0.0, 0.2])
def test_stretches_of_an_epoch_each_come_to_what_one_of_all_comes_to(elements: list[Rows], unobserved: float) -> None:
    sweeps = sweeps_of(unobserved)
    whole, users = run(sweeps, Stretch(1, 4, seconds=60), first_factors(sweeps), None, elements)
    assert [one.epoch for one in whole] == [1, 2, 3, 4]
    movies = first_factors(sweeps)
    now: np.ndarray | None = None
    for expected in whole:
        (epoch,), now = run(sweeps, Stretch(expected.epoch, 4, seconds=0), movies, now, elements)
        assert epoch.epoch == expected.epoch
        np.testing.assert_array_equal(epoch.movies, expected.movies)
        assert set(epoch.losses) == set(expected.losses) == {TRAIN, VALIDATION, TEST}
        for role, sums in epoch.losses.items():
            np.testing.assert_array_equal(sums, expected.losses[role])
        movies = epoch.movies
    assert now is not None
    np.testing.assert_array_equal(now, users)


def test_no_epoch_is_trained_after_the_patience_is_over(elements: list[Rows]) -> None:
    sweeps = sweeps_of(0.0)
    stretch = Stretch(5, 40, seconds=60, best=0.0, best_epoch=3, patience=4)  # nothing is better than a loss of 0
    trained, _ = run(sweeps, stretch, first_factors(sweeps), None, elements)
    assert [one.epoch for one in trained] == [5, 6, 7]
