"""Movies' arrays over users: turned round from users' blocks, every rating in the part that it has by user."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse import csr_matrix
from small_ratings import RATINGS, USERS, block_of

from recsys.config import Config
from recsys.config.load import build_config
from recsys.data.blocks import Block, hash_users
from recsys.data.examples import Examples
from recsys.data.orientation import entries, movie_block, partition_movies
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TEST, TRAIN, VALIDATION

ORDER = np.array([3, 0, 1, 2, 4])  # USERS are 11, 12, 15, 3, 40: user 3 has column 0
ASCENDING = USERS[ORDER]


def settings_of(seed: int = 5, **data: Any) -> Config:
    return build_config({"seed": seed, "data": {"dataset": "ml-1m", "split": "rating", **data}})


def turned(block: Block, users: np.ndarray = ASCENDING) -> Block:
    return movie_block(*entries(block, users))


def test_rows_are_movies_and_columns_users_by_ascending_id() -> None:
    block = turned(block_of())
    # of movie 2 the ratings 3 (user 11), 0.5 (user 15) and 4.5 (user 40); nobody rated movie 4
    assert block.users.tolist() == [0, 1, 2, 3, 5, 6]
    row = slice(block.indptr[2], block.indptr[3])
    assert block.indices[row].tolist() == [1, 3, 4]
    assert block.ratings[row].tolist() == [3.0, 0.5, 4.5]
    np.testing.assert_array_equal(block.matrix(5).toarray(), RATINGS[ORDER][:, [0, 1, 2, 3, 5, 6]].T)
    assert [part.dtype.str for part in list(vars(block).values())[:5]] == ["<i8", "<u8", "<i4", "<i4", "<f4"]
    assert block.times is None


def test_users_may_have_names() -> None:
    names = np.array(["zoe", "ann", "Bob", "eve", "al"], object)
    ascending = np.array(sorted(names), object)
    assert ascending.tolist() == ["Bob", "al", "ann", "eve", "zoe"]
    block = turned(block_of(users=names), ascending)
    np.testing.assert_array_equal(block.matrix(5).toarray(), RATINGS[[2, 4, 1, 3, 0]][:, [0, 1, 2, 3, 5, 6]].T)


def test_no_order_of_what_comes_in_changes_a_block() -> None:
    pieces = [entries(block_of().take(np.array(rows)), ASCENDING) for rows in ([4, 2], [0], [3, 1])]
    movies, columns, ratings = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    for one, other in zip(
        vars(movie_block(movies, columns, ratings)).values(), vars(turned(block_of())).values(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


dense_arrays = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 8), st.integers(1, 7)), elements=st.sampled_from([0, 0, 0.5, 3, 5])
)


def triples(matrix: csr_matrix, rows: np.ndarray, columns: np.ndarray) -> set[tuple[int, int, float]]:
    matrix = matrix.tocoo()
    return set(zip(rows[matrix.row].tolist(), columns[matrix.col].tolist(), matrix.data.tolist(), strict=True))


@settings(max_examples=60, deadline=None)
@given(dense=dense_arrays, seed=st.integers(0, 2**32 - 1), data=st.data())
def test_each_rating_plays_the_same_role_in_both_orientations(
    dense: np.ndarray, seed: int, data: st.DataObject
) -> None:
    users = np.array(data.draw(st.permutations(range(100, 100 + len(dense)))))
    order, movies = np.argsort(users), np.arange(dense.shape[1])
    config = settings_of(seed, test_fraction=0.3, validation_fraction=0.4)
    by_user = Examples.of(config, dense.shape[1], Preprocessing(0.5, 5.0))
    by_movie = Examples.of(config, len(dense), Preprocessing(0.5, 5.0), hash_users(users)[order])
    block, turned_block = block_of(dense, users), turned(block_of(dense, users), users[order])
    for role in (TRAIN, VALIDATION, TEST):
        assert by_movie.rows(turned_block, role).all()
        for one, other in zip(by_user.arrays(block, role), by_movie.arrays(turned_block, role), strict=True):
            by_rows = {
                (user, movie, rating) for movie, user, rating in triples(other, turned_block.users, users[order])
            }
            assert triples(one, users, movies) == by_rows


def test_both_orientations_have_all_three_parts() -> None:
    config = settings_of(test_fraction=0.4, validation_fraction=0.4)
    examples = Examples.of(config, 5, Preprocessing(0.5, 5.0), hash_users(ASCENDING))
    known, train, validation, test = (
        examples.arrays(turned(block_of()), role)[place].nnz
        for role, place in ((TEST, 0), (TRAIN, 1), (VALIDATION, 1), (TEST, 1))
    )
    assert min(train, validation, test) > 0
    assert (train + validation, known + test) == (known, 15)


@pytest.mark.parametrize(
    ("counts", "partitions", "expected"),
    [
        ([4, 4, 4, 4], 2, [0, 0, 1, 1]),
        ([9, 1, 1, 1], 3, [0, 2, 2, 2]),  # 0, 9, 10 and 11 of 12 ratings come before
        ([1, 1, 1, 9], 3, [0, 0, 0, 0]),
        ([0, 0, 3], 2, [0, 0, 0]),
        ([2, 2], 1, [0, 0]),
    ],
)
def test_movies_are_shared_out_by_their_ratings(counts: list[int], partitions: int, expected: list[int]) -> None:
    found = partition_movies(np.array(counts), partitions)
    assert found.tolist() == expected
    assert found.dtype == np.int32
