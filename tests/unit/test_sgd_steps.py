"""Factorisation by gradient descent: kernels and steps against slow dense NumPy in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_ratings import RATINGS, block_of

from recsys.config.load import load_config
from recsys.data.blocks import hash_users
from recsys.errors import ConfigError
from recsys.models.factorisation.sgd import kernels
from recsys.models.factorisation.sgd.distribute import blocks_of
from recsys.models.factorisation.sgd.parameters import COPIES, Rule, Side, first_movies, first_users, take_step
from recsys.models.factorisation.sgd.ratings import Csr, cut

USERS, MOVIES, K = *RATINGS.shape, 3
MEAN, RATE, L2, L2_BIAS, MOMENTUM = 3.0, 0.05, 0.1, 0.02, 0.8
OPTIMIZERS = {"sgd": 0, "momentum": 1, "adam": 2}


def ratings() -> Csr:
    block = block_of()
    return Csr(block.indptr.astype(np.int64), block.indices, block.ratings)


def sides(optimizer: str = "sgd", biased: bool = True) -> tuple[Side, Side]:
    generator = np.random.default_rng(5)
    made = [
        Side.of(generator.normal(0.3, 0.4, (rows, K)).astype(np.float32), COPIES[optimizer]) for rows in (USERS, MOVIES)
    ]
    for side in made:
        if biased:
            side.biases()[...] = generator.normal(0, 0.5, side.rows)
    return made[0], made[1]


def values_of(users: Side, movies: Side) -> tuple[np.ndarray, ...]:
    return users.factors(), users.biases(), movies.factors(), movies.biases()


def stochastic(order: list[int], users: Side, movies: Side, biased: bool) -> float:
    one = ratings()
    rates = np.float32(RATE), np.float32(L2), np.float32(L2_BIAS if biased else 0)
    return float(
        kernels.stochastic_epoch(
            np.array(order),
            one.starts,
            one.movies,
            one.stars,
            np.float32(MEAN),
            *values_of(users, movies),
            *rates,
            biased,
        )
    )


def batched(order: list[int], users: Side, movies: Side, batch: int, optimizer: str, biased: bool = True) -> Any:
    from recsys.models.factorisation.sgd.worker import _more

    one = ratings()
    return kernels.batched_epoch(
        np.array(order), one.starts, one.movies, one.stars, np.float32(MEAN), *values_of(users, movies),
        _more(users), _more(movies), biased, np.float32(RATE), np.float32(L2), np.float32(L2_BIAS), batch,
        OPTIMIZERS[optimizer], np.float32(MOMENTUM), 0,
    )  # fmt: skip


class Dense:
    """The same, entry by entry: each vector with its bias as its last number."""

    def __init__(self, users: Side, movies: Side, biased: bool) -> None:
        self.x = [np.column_stack([side.factors(), side.biases()]).astype(np.float64) for side in (users, movies)]
        self.m, self.v = ([np.zeros_like(one) for one in self.x] for _ in range(2))
        self.ridge = np.array([L2] * K + [L2_BIAS])
        self.moves = np.array([1.0] * K + [float(biased)])
        self.steps = 0

    def error(self, user: int, movie: int) -> float:
        u, i = self.x[0][user], self.x[1][movie]
        return float(RATINGS[user, movie] - MEAN - u[K] - i[K] - u[:K] @ i[:K])

    def epoch(self, order: list[int], batch: int, optimizer: str = "sgd") -> float:
        entries = [(user, movie) for user in order for movie in np.flatnonzero(RATINGS[user])]
        total = 0.0
        for start in range(0, len(entries), batch):
            self.steps += 1
            slopes: dict[tuple[int, int], list[np.ndarray]] = {}
            for user, movie in entries[start : start + batch]:
                e = self.error(user, int(movie))
                total += e * e
                by_user = np.append(-e * self.x[1][movie][:K], -e)
                by_movie = np.append(-e * self.x[0][user][:K], -e)
                slopes.setdefault((0, user), []).append(by_user)
                slopes.setdefault((1, int(movie)), []).append(by_movie)
            for (side, row), found in slopes.items():
                self._step(side, row, np.mean(found, axis=0), optimizer)
        return total

    def _step(self, side: int, row: int, slope: np.ndarray, optimizer: str) -> None:
        x, m, v = (kept[side][row] for kept in (self.x, self.m, self.v))
        slope = (slope + self.ridge * x) * self.moves
        if optimizer == "momentum":
            m[...] = MOMENTUM * m + slope
            slope = m
        elif optimizer == "adam":
            m[...] = MOMENTUM * m + (1 - MOMENTUM) * slope
            v[...] = 0.999 * v + 0.001 * slope**2
            slope = (m / (1 - MOMENTUM**self.steps)) / (np.sqrt(v / (1 - 0.999**self.steps)) + 1e-8)
        x -= RATE * slope

    def check(self, users: Side, movies: Side) -> None:
        for side, expected in zip((users, movies), self.x, strict=True):
            found = np.column_stack([side.factors(), side.biases()])
            np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("biased", [True, False])
def test_an_epoch_of_plain_steps_in_a_given_order(biased: bool) -> None:
    order = [3, 0, 4, 2, 1]
    users, movies = sides(biased=biased)
    dense = Dense(users, movies, biased)
    if not biased:
        dense.ridge[K] = 0
    assert stochastic(order, users, movies, biased) == pytest.approx(dense.epoch(order, 1), rel=1e-4)
    dense.check(users, movies)
    assert biased or not users.biases().any()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("batch", [1, 4, 100])
def test_an_epoch_of_steps_of_several_ratings(optimizer: str, batch: int) -> None:
    order = [1, 4, 0, 2, 3]
    users, movies = sides(optimizer)
    dense = Dense(users, movies, True)
    total, steps = batched(order, users, movies, batch, optimizer)
    assert total == pytest.approx(dense.epoch(order, batch, optimizer), rel=1e-4)
    assert steps == dense.steps
    dense.check(users, movies)


def test_steps_of_one_rating_are_the_plain_steps() -> None:
    one, other = sides(), sides()
    stochastic([0, 1, 2, 3, 4], *one, True)
    batched([0, 1, 2, 3, 4], *other, 1, "sgd")
    for side, same in zip(one, other, strict=True):
        np.testing.assert_allclose(side.flat, same.flat, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_of_whole_sides_is_the_step_of_a_batch_of_everything(optimizer: str) -> None:
    rule = Rule(optimizer, MOMENTUM, L2, L2_BIAS, True)
    (users, movies), one = sides(optimizer), ratings()
    dense = Dense(users, movies, True)
    for number in (1, 2, 3):
        slopes = [Side.of(np.zeros_like(side.factors()), 1) for side in (users, movies)]
        kernels.add_gradients(
            one.starts, one.movies, one.stars, np.float32(MEAN), *values_of(users, movies), *values_of(*slopes)
        )
        take_step(users, slopes[0], np.diff(one.starts), rule, RATE, number)
        take_step(movies, slopes[1], np.bincount(one.movies, minlength=MOVIES), rule, RATE, number)
        dense.epoch([0, 1, 2, 3, 4], 100, optimizer)
    dense.check(users, movies)


def test_gradients_are_finite_differences() -> None:
    (users, movies), one = sides(), ratings()
    slopes = [Side.of(np.zeros_like(side.factors()), 1) for side in (users, movies)]
    total = kernels.add_gradients(
        one.starts, one.movies, one.stars, np.float32(MEAN), *values_of(users, movies), *values_of(*slopes)
    )
    dense = Dense(users, movies, True)

    def half() -> float:
        return sum(dense.error(u, int(i)) ** 2 for u in range(USERS) for i in np.flatnonzero(RATINGS[u])) / 2

    assert total == pytest.approx(2 * half(), rel=1e-5)
    for values, slope in zip(dense.x, slopes, strict=True):
        found = np.column_stack([slope.factors(), slope.biases()])
        for place in np.ndindex(values.shape):
            before = values[place]
            values[place] = before + 1e-4
            above = half()
            values[place] = before - 1e-4
            below = half()
            values[place] = before
            assert found[place] == pytest.approx((above - below) / 2e-4, rel=1e-3, abs=1e-3)


def test_squared_errors_are_summed_over_ratings_alone() -> None:
    (users, movies), one = sides(), ratings()
    found = kernels.squared_errors(one.starts, one.movies, one.stars, np.float32(MEAN), *values_of(users, movies))
    dense = Dense(users, movies, True)
    expected = sum(dense.error(u, int(i)) ** 2 for u in range(USERS) for i in np.flatnonzero(RATINGS[u]))
    assert found == pytest.approx(expected, rel=1e-5)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.integers(1, 9))
def test_blocks_of_movies_hold_about_equal_numbers_of_ratings(counts: list[int], blocks: int) -> None:
    block_of_movie = blocks_of(np.array(counts), blocks)
    filled = np.bincount(block_of_movie, counts, minlength=blocks)
    assert len(filled) == blocks
    assert filled.max() - filled.min() <= max(counts)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 9), st.integers(0, 10))
def test_blocks_of_movies_cover_each_rating_once(blocks: int, seed: int) -> None:
    one, generator = ratings(), np.random.default_rng(seed)
    block_of_movie = generator.integers(0, blocks, MOVIES).astype(np.int32)
    found = np.zeros_like(RATINGS)
    for number, piece in enumerate(cut(one, block_of_movie, blocks)):
        movies = np.flatnonzero(block_of_movie == number)
        for user in range(USERS):
            own = slice(piece.starts[user], piece.starts[user + 1])
            found[user, movies[piece.movies[own]]] += piece.stars[own]
    np.testing.assert_array_equal(found, RATINGS)


def test_first_factors_are_a_users_own_whoever_trains_it() -> None:
    hashes = hash_users(np.arange(5000))
    whole = first_users(hashes, 4, 0.1, 0.5, seed=7)
    np.testing.assert_array_equal(first_users(hashes[::-1], 4, 0.1, 0.5, seed=7)[::-1], whole)
    assert whole.mean() == pytest.approx(0.5, abs=0.005) and whole.std() == pytest.approx(0.1, rel=0.05)
    assert np.abs(np.corrcoef(whole.T) - np.eye(4)).max() < 0.06
    assert not np.array_equal(first_users(hashes, 4, 0.1, 0.5, seed=8), whole)
    assert not np.array_equal(first_movies(5000, 4, 0.1, 0.5, seed=7), whole)


def test_rows_of_a_side_are_taken_and_put_back_with_their_moments() -> None:
    side = Side(np.arange(5 * 4 * 3, dtype=np.float32), 5, K)
    rows = np.array([4, 1])
    taken = side.take(rows)
    assert taken.copies == 3
    np.testing.assert_array_equal(taken.factors(2), side.factors(2)[rows])
    np.testing.assert_array_equal(taken.biases(1), side.biases(1)[rows])
    empty = Side(np.zeros_like(side.flat), 5, K)
    empty.put(rows, taken)
    np.testing.assert_array_equal(empty.take(rows).flat, taken.flat)
    assert not empty.take(np.array([0, 2, 3])).flat.any()


@pytest.mark.parametrize(
    ("assignment", "remedy"),
    [
        ("training.learning_rate=0.01", "set model.learning_rate in its place"),
        ("training.batch_size=32", "set model.batch_ratings in its place"),
        ("training.syncs_per_epoch=2", r"training\.syncs_per_epoch has no meaning with model\.kind = 'mf': drop it"),
        ("training.strategy=elephas", "use 'local_sgd' or 'gradient_sum'"),
    ],
)
def test_settings_without_effect_are_refused(assignment: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match=remedy):
        load_config(assignments=["model.kind=mf", assignment])


def test_a_step_an_epoch_has_no_batches() -> None:
    both = ["training.strategy=gradient_sum", "model.batch_ratings=8"]
    with pytest.raises(ConfigError, match=r"model\.batch_ratings has no meaning with training\.strategy"):
        load_config(assignments=["model.kind=biased_mf", *both])


def test_other_families_do_not_sum_gradients() -> None:
    with pytest.raises(ConfigError, match=r"'dae' is not trained by training\.strategy = 'gradient_sum'"):
        load_config(assignments=["training.strategy=gradient_sum"])
