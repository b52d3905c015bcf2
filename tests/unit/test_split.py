"""Training, validation and test: from hashes alone, disjoint, complete, of the size that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse import csr_matrix
from small_ratings import RATINGS, USERS, block_of, sparse

from recsys.config.load import build_config
from recsys.data.blocks import Block, hash_movies, hash_users
from recsys.data.examples import Examples
from recsys.data.partition import concatenate
from recsys.data.preprocessing import Preprocessing, keep_entries
from recsys.data.split import (
    TEST,
    TRAIN,
    VALIDATION,
    find_sorted,
    hash_pairs,
    hold_out,
    split_ratings,
    split_users,
)

ROLES = (TRAIN, VALIDATION, TEST)


def examples(preprocessing: Preprocessing | None = None, **data: object) -> Examples:
    config = build_config({"seed": 5, "data": {"dataset": "ml-1m", **data}})
    return Examples.of(config, 7, preprocessing or Preprocessing(0.5, 5.0))


def many(users: int = 40_000) -> np.ndarray:
    return hash_users(np.arange(1, users + 1))


def within(count: int, total: int, share: float) -> bool:
    """Whether a count is within 4.5 standard deviations of what a draw of that share gives."""
    return abs(count - share * total) < 4.5 * np.sqrt(total * share * (1 - share))


@pytest.mark.parametrize(("test", "validation"), [(0.2, 0.1), (0.5, 0.5), (0.01, 0.3)])
def test_users_are_split_as_asked(test: float, validation: float) -> None:
    hashes = many()
    parts = split_users(hashes, 1, test, validation)
    assert within(int((parts == TEST).sum()), len(hashes), test)
    assert within(int((parts == VALIDATION).sum()), len(hashes), (1 - test) * validation)
    assert set(parts.tolist()) == set(ROLES)


def test_seeds_give_independent_splits() -> None:
    hashes = many()
    one, other = (split_users(hashes, seed, 0.2, 0.1) == TEST for seed in (1, 2))
    assert within(int((one & other).sum()), len(hashes), 0.2 * 0.2)
    assert (split_users(hashes, 1, 0.2, 0.1) == TEST).tolist() == one.tolist()


def test_a_larger_test_part_holds_the_smaller_one() -> None:
    small, large = (split_users(many(), 1, share, 0.1) == TEST for share in (0.1, 0.3))
    assert not (small & ~large).any()


def test_what_is_held_out_of_a_user_does_not_depend_on_the_users_part() -> None:
    dense = np.tile(np.array([1, 2, 3, 4, 5], np.float32), (8000, 1))
    hashes = many(len(dense))
    _, held = hold_out(sparse(dense), hashes, 1, 0.2)
    test = split_users(hashes, 1, 0.2, 0.1) == TEST
    counts = np.bincount(held[test].indices, minlength=5)
    assert all(within(int(count), int(test.sum()), 0.2) for count in counts)


def test_what_is_held_out_does_not_depend_on_the_split_of_ratings() -> None:
    matrix, hashes = sparse(np.ones((8000, 5))), many(8000)
    _, held = hold_out(matrix, hashes, 1, 0.2)
    test = sparse_parts(matrix, split_ratings(matrix, hashes, 1, 0.2, 0.1)) == TEST + 1
    assert within(int(held.toarray()[test].sum()), int(test.sum()), 0.2)


def test_the_split_of_ratings_is_as_asked_and_not_by_user_or_movie() -> None:
    dense = np.ones((3000, 11), np.float32)
    hashes = many(len(dense))
    parts = split_ratings(sparse(dense), hashes, 1, 0.2, 0.1).reshape(dense.shape)
    assert within(int((parts == TEST).sum()), dense.size, 0.2)
    assert within(int((parts == VALIDATION).sum()), dense.size, 0.8 * 0.1)
    for count in (parts == TEST).sum(axis=0):
        assert within(int(count), len(dense), 0.2)
    # the number of a user's test ratings is binomial: its variance is that of independent draws
    assert (parts == TEST).sum(axis=1).var() == pytest.approx(11 * 0.2 * 0.8, rel=0.15)


dense_arrays = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 8), st.integers(1, 7)), elements=st.sampled_from([0, 0, 0, 0.5, 3, 5])
)


@settings(max_examples=50, deadline=None)
@given(dense=dense_arrays, seed=st.integers(0, 2**32 - 1), data=st.data())
def test_no_order_and_no_partition_changes_a_split(dense: np.ndarray, seed: int, data: st.DataObject) -> None:
    users = np.arange(7, 7 + len(dense)) * 31
    block = block_of(dense, users)
    order = np.array(data.draw(st.permutations(range(len(dense)))))
    cut = data.draw(st.integers(0, len(dense)))
    pieces = [block.take(order[:cut]), block.take(order[cut:])]

    def dealt(one: Block) -> dict[int, list[object]]:
        matrix = one.matrix(dense.shape[1])
        of_users = split_users(one.hashes, seed, 0.3, 0.4)
        of_ratings = sparse_parts(matrix, split_ratings(matrix, one.hashes, seed, 0.3, 0.4))
        held = hold_out(matrix, one.hashes, seed, 0.4)[1].toarray()
        return {
            int(user): [int(of_users[row]), of_ratings[row].tolist(), held[row].tolist()]
            for row, user in enumerate(one.users)
        }

    assert dealt(pieces[0]) | dealt(pieces[1]) == dealt(block) == dealt(concatenate(pieces))


def sparse_parts(matrix: csr_matrix, parts: np.ndarray) -> np.ndarray:
    return csr_matrix((parts + 1, matrix.indices, matrix.indptr), shape=matrix.shape).toarray()


@settings(max_examples=60, deadline=None)
@given(dense=dense_arrays, seed=st.integers(0, 2**32 - 1), fraction=st.floats(0.01, 0.99))
def test_held_out_ratings_are_disjoint_complete_and_as_many_as_stated(
    dense: np.ndarray, seed: int, fraction: float
) -> None:
    shown, held = hold_out(sparse(dense), many(len(dense)), seed, fraction)
    np.testing.assert_array_equal(shown.toarray() + held.toarray(), dense)
    assert shown.multiply(held).nnz == 0
    assert shown.nnz + held.nnz == np.count_nonzero(dense)
    for row, number in enumerate(np.count_nonzero(dense, axis=1)):
        most = max(0, number - 1)
        expected = min(max(1, np.floor(fraction * number + 0.5)), most)
        assert held[row].nnz == expected


@pytest.mark.parametrize(
    ("ratings", "fraction", "held"), [(10, 0.2, 2), (12, 0.2, 2), (13, 0.2, 3), (5, 0.3, 2), (7, 0.5, 4), (3, 0.9, 2)]
)
def test_how_many_are_held_out_is_rounded(ratings: int, fraction: float, held: int) -> None:
    shown, out = hold_out(sparse(np.ones((4, ratings))), many(4), 1, fraction)
    assert np.diff(out.indptr).tolist() == [held] * 4
    assert np.diff(shown.indptr).tolist() == [ratings - held] * 4


def test_one_rating_is_kept_and_of_two_one_is_held_out() -> None:
    dense = np.array([[0, 3, 0], [1, 0, 2], [0, 0, 0]], np.float32)
    for seed in range(20):
        shown, held = hold_out(sparse(dense), many(3), seed, 0.9)
        assert np.diff(shown.indptr).tolist() == [1, 1, 0]
        assert np.diff(held.indptr).tolist() == [0, 1, 0]


def test_keep_entries() -> None:
    matrix = sparse(RATINGS)
    kept = keep_entries(matrix, matrix.data >= 4)
    np.testing.assert_array_equal(kept.toarray(), np.where(RATINGS >= 4, RATINGS, 0))
    assert (kept.nnz, matrix.nnz) == (6, 15)


def test_by_user_everybody_plays_one_role_with_the_whole_array() -> None:
    chosen, block = examples(), block_of()
    masks = [chosen.rows(block, role) for role in ROLES]
    assert np.sum(masks, axis=0).tolist() == [1] * 5
    for role in ROLES:
        shown, target = chosen.arrays(block, role)
        np.testing.assert_array_equal(shown.toarray(), RATINGS)
        assert target is shown


def test_by_rating_each_role_knows_what_came_before_it() -> None:
    chosen, block = examples(split="rating", test_fraction=0.4, validation_fraction=0.4), block_of()
    assert all(chosen.rows(block, role).all() for role in ROLES)
    matrix = block.matrix(7)
    parts = sparse_parts(matrix, split_ratings(matrix, block.hashes, 5, 0.4, 0.4)) - 1
    assert {int(part) for part in np.unique(parts)} == {-1, *ROLES}
    only = [np.where(parts == role, RATINGS, 0) for role in ROLES]
    expected = {
        TRAIN: (only[TRAIN], only[TRAIN]),
        VALIDATION: (only[TRAIN], only[VALIDATION]),
        TEST: (only[TRAIN] + only[VALIDATION], only[TEST]),
    }
    for role, (shown, target) in expected.items():
        found = chosen.arrays(block, role)
        np.testing.assert_array_equal(found[0].toarray(), shown)
        np.testing.assert_array_equal(found[1].toarray(), target)
    for one, other in zip(chosen.shown_and_held(block, TEST), chosen.arrays(block, TEST), strict=True):
        np.testing.assert_array_equal(one.toarray(), other.toarray())


def test_by_user_metrics_hold_a_part_of_the_array_out() -> None:
    shown, held = examples().shown_and_held(block_of(), TEST)
    np.testing.assert_array_equal(shown.toarray() + held.toarray(), RATINGS)
    assert np.diff(held.indptr).tolist() == [1, 0, 1, 1, 1]  # a fifth of 3, 1, 5, 3 and 3 ratings


def test_rating_arrays_are_ratings_by_the_highest() -> None:
    scaled = Preprocessing(0.5, 5.0).scale(sparse(RATINGS))
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.toarray(), RATINGS / 5)
    whole = Preprocessing(1, 5).scale(csr_matrix(np.array([[5, 0, 2]])))
    assert (whole.dtype, whole.toarray().tolist()) == (np.float32, [[1.0, 0.0, np.float32(0.4)]])


def test_likes_are_ones_and_nothing_else_is_there() -> None:
    matrix = sparse(RATINGS)
    liked = Preprocessing(0.5, 5.0, 4.0).scale(matrix)
    assert liked.dtype == np.float32
    np.testing.assert_array_equal(liked.toarray(), (RATINGS >= 4).astype(np.float32))
    assert liked.nnz == 6
    np.testing.assert_array_equal(matrix.toarray(), RATINGS)


def test_outputs_become_ratings_on_the_scale() -> None:
    back = Preprocessing(0.5, 5.0).to_ratings(np.array([-1, 0, 0.05, 0.5, 1, 7], np.float32))
    assert back.tolist() == [0.5, 0.5, 0.5, 2.5, 5, 5]
    assert back.dtype == np.float32


def test_the_hashes_of_users_decide_not_their_place() -> None:
    matrix = sparse(RATINGS)
    first = split_ratings(matrix, hash_users(USERS), 1, 0.5, 0.1)
    assert first.tolist() != split_ratings(matrix, hash_users(USERS + 1), 1, 0.5, 0.1).tolist()


def test_sorted_values_are_found_at_their_place() -> None:
    among = np.array([3, 5, 9], np.uint64)
    assert find_sorted(np.array([9, 4, 3, 10, 0, 5], np.uint64), among).tolist() == [2, -1, 0, -1, -1, 1]


def test_ratings_that_are_named_are_the_test_and_no_others() -> None:
    # users 15 and 3 are rows 2 and 3; movie 4 was rated by neither, so that the last name is nobody's rating
    named = [(15, 0), (3, 6), (15, 6), (3, 4)]
    users, movies = np.array(named).T
    entries = np.sort(hash_pairs(hash_users(users), hash_movies(movies)))
    of_users, of_movies = hash_users(USERS), hash_movies(np.arange(7))
    parts = split_ratings(sparse(RATINGS), of_users, 5, 0.9, 0.3, test_entries=entries)
    rows, columns = RATINGS.nonzero()
    found = {(int(USERS[row]), int(column)) for row, column in zip(rows, columns, strict=True)}
    test = {
        (int(USERS[row]), int(column)) for row, column, part in zip(rows, columns, parts, strict=True) if part == TEST
    }
    assert test == {(3, 6), (15, 0), (15, 6)} == found & set(named)
    # each rating plays the same role in the movies' arrays
    by_movie = split_ratings(sparse(RATINGS.T), of_movies, 5, 0.9, 0.3, of_users, entries)
    roles = np.zeros_like(RATINGS, int)
    roles[rows, columns] = parts
    assert by_movie.tolist() == roles.T[RATINGS.T.nonzero()].tolist()


def test_of_ratings_that_are_not_named_the_validation_takes_its_share() -> None:
    dense = np.ones((4000, 5), np.float32)
    hashes = many(len(dense))
    entries = np.sort(hash_pairs(hashes, hash_movies(np.full(len(hashes), 3))))
    parts = split_ratings(sparse(dense), hashes, 1, 0.9, 0.25, test_entries=entries).reshape(dense.shape)
    assert (parts[:, 3] == TEST).all()
    others = np.delete(parts, 3, axis=1)
    assert not (others == TEST).any()
    assert within(int((others == VALIDATION).sum()), others.size, 0.25)


def test_named_ratings_are_held_out_of_what_is_shown() -> None:
    config = build_config({"seed": 5, "data": {"dataset": "ml-100k", "split": "rating", "test_ratings": "u1.test"}})
    entries = np.sort(hash_pairs(hash_users(np.array([11, 40])), hash_movies(np.array([2, 5]))))
    shown, held = Examples.of(config, 7, Preprocessing(0.5, 5.0), test_entries=entries).arrays(block_of(), TEST)
    expected = np.zeros_like(RATINGS)
    expected[0, 2], expected[4, 5] = 3.0, 3.0
    np.testing.assert_array_equal(held.toarray(), expected)
    np.testing.assert_array_equal(shown.toarray(), RATINGS - expected)


def test_a_pair_of_numbers_is_not_the_pair_turned_round() -> None:
    """User 3's movie 8 and user 8's movie 3 are drawn for apart: with one hash for both they never were."""
    size = 60
    square = csr_matrix(np.ones((size, size), np.float32))
    hashes = hash_users(np.arange(size))
    parts = split_ratings(square, hashes, 1, 0.3, 0.2).reshape(size, size)
    upper = np.triu_indices(size, 1)
    agree = (parts[upper] == parts.T[upper]).mean()
    assert 0.3 < agree < 0.55  # 0.3^2 + 0.14^2 + 0.56^2 = 0.42 of them agree by chance
    held = hold_out(square, hashes, 1, 0.5)[1]
    assert 0.4 < (held.toarray() == held.toarray().T)[upper].mean() < 0.6
    assert 0.1 < (np.diag(parts) == TEST).mean() < 0.5
