"""Parts by the time of the ratings: worked by hand, complete, disjoint, and never later than what is asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_ratings import RATINGS, USERS, block_of

from recsys.columns import CODE, RATING, TIMESTAMP, USER
from recsys.config.load import build_config
from recsys.data.blocks import NO_TIME, Block, block_from_row, blocks_of_batch, cut, hash_movies, hash_users, stored
from recsys.data.examples import Examples
from recsys.data.ingest.join import gather_ratings
from recsys.data.ingest.rows import POSITION
from recsys.data.orientation import entries, movie_block
from recsys.data.partition import concatenate, regroup
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.data.time_cuts import nth_time
from recsys.data.time_split import (
    PARTS_AS_TIMES,
    Moments,
    count_bins,
    iso_time,
    rows_of_part,
    split_by_moments,
    split_last,
)
from recsys.errors import ConfigError
from recsys.evaluation.protocol import split_protocol

ROLES = (TRAIN, VALIDATION, TEST)
# of RATINGS' entries; user 15 (row 2) begins after 60, user 12 rated once, at 10
TIMES = np.array([10, 50, 61, 10, 90, 70, 65, 70, 95, 40, 20, 60, 30, 31, 30], np.int64)
MOMENTS = Moments(validation_after=50, test_after=60)


def timed(times: np.ndarray = TIMES, **others: Any) -> Block:
    return replace(block_of(**others), times=np.asarray(times, np.int64))


def examples(moments: Moments | None = None, **data: object) -> Examples:
    config = build_config({"seed": 5, "data": {"dataset": "ml-100k", "split": "time", **data}})
    return Examples.of(config, 7, Preprocessing(0.5, 5.0), moments=moments)


def only(*entries_of: int) -> list[float]:
    """The ratings of those entries, 0 for the others."""
    return [float(value) if place in entries_of else 0.0 for place, value in enumerate(block_of().ratings)]


def values(matrix: Any) -> list[float]:
    """The ratings of all entries, 0 for those that are not in the matrix."""
    rows, columns = RATINGS.nonzero()
    return np.asarray(matrix.toarray()[rows, columns]).tolist()


def test_after_one_moment_for_all_each_role_knows_what_came_before() -> None:
    chosen, block = examples(MOMENTS), timed()
    # the second of a moment itself is of the earlier part: 50 is training, 60 validation
    train, validation, test = [0, 1, 3, 9, 10, 12, 13, 14], [11], [2, 4, 5, 6, 7, 8]
    expected = {
        TRAIN: (only(*train), only(*train)),
        VALIDATION: (only(*train), only(*validation)),
        TEST: (only(*train, *validation), only(*test)),
    }
    for role, pair in expected.items():
        assert [values(matrix) for matrix in chosen.arrays(block, role)] == list(pair)
        assert [values(matrix) for matrix in chosen.shown_and_held(block, role)] == list(pair)


def test_only_users_with_something_to_show_have_a_role() -> None:
    chosen, block = examples(MOMENTS), timed()
    # users 11, 12, 15, 3, 40: user 15 rated after the moment alone, and so can be shown nothing
    assert chosen.rows(block, TRAIN).tolist() == [True, True, False, True, True]
    assert chosen.rows(block, VALIDATION).tolist() == [False, False, False, True, False]
    assert chosen.rows(block, TEST).tolist() == [True, False, False, False, False]


def test_a_user_who_is_unseen_in_training_is_tested_by_the_history_to_date() -> None:
    # all of user 3's ratings are after the training: 40 becomes 55
    times = TIMES.copy()
    times[[9, 10, 11]] = [55, 58, 80]
    chosen, block = examples(MOMENTS), timed(times)
    assert not chosen.rows(block, TRAIN)[3]
    assert chosen.rows(block, TEST)[3]
    shown, held = chosen.shown_and_held(block.take(np.array([3])), TEST)
    assert (shown.data.tolist(), held.data.tolist()) == ([2.5, 5.0], [4.0])


def test_the_last_ratings_of_each_user() -> None:
    chosen, block = examples(split_time="user", test_fraction=0.4, validation_fraction=0.5), timed()
    parts = chosen.parts(block)
    # user 11 (10, 50, 61): round(1.2) = 1 test, round(1) = 1 validation; user 12 has one rating; user 15 (90, 70, 65,
    # 70, 95): 2 test, round(1.5) = 2 validation; user 3 (40, 20, 60) as user 11; user 40's (30, 31, 30) last is 31
    assert parts[:3].tolist() == [TRAIN, VALIDATION, TEST]
    assert parts[3] == TRAIN
    assert parts[4:9].tolist() == [TEST, VALIDATION, TRAIN, VALIDATION, TEST]
    assert parts[9:12].tolist() == [VALIDATION, TRAIN, TEST]
    assert parts[13] == TEST
    assert sorted(parts[[12, 14]].tolist()) == [TRAIN, VALIDATION]  # of the same second: the hash decides
    assert chosen.rows(block, TRAIN).all()
    assert (
        chosen.rows(block, VALIDATION).tolist() == chosen.rows(block, TEST).tolist() == [True, False, True, True, True]
    )


@pytest.mark.parametrize(
    ("ratings", "expected"),  # of a user, in order of time, with a fifth of them test and a fifth of those validation
    [
        (1, [TRAIN]),
        (2, [TRAIN, TEST]),
        (3, [TRAIN, VALIDATION, TEST]),
        (8, [TRAIN] * 5 + [VALIDATION] + [TEST] * 2),
        (13, [TRAIN] * 8 + [VALIDATION] * 2 + [TEST] * 3),
    ],
)
def test_at_least_one_rating_of_a_part_and_never_all(ratings: int, expected: list[int]) -> None:
    indptr, movies = np.array([0, ratings]), hash_movies(np.arange(ratings))
    parts = split_last(np.arange(ratings)[::-1], indptr, hash_users(np.array([7])), movies, 0.2, 0.2)
    assert parts[::-1].tolist() == expected
    assert parts.dtype == np.int8


def test_ratings_of_one_second_are_ordered_by_user_and_movie_alone() -> None:
    size = 400
    times, movies, indptr = np.zeros(size, np.int64), np.arange(size), np.array([0, size])

    def test_movies(user: int, order: np.ndarray) -> set[int]:
        parts = split_last(times, indptr, hash_users(np.array([user])), hash_movies(movies[order]), 0.5, 0.5)
        return set(movies[order][parts == TEST].tolist())

    one = test_movies(1, np.arange(size))
    assert test_movies(1, np.random.default_rng(3).permutation(size)) == one
    assert len(one) == 200
    assert 60 < len(one & test_movies(2, np.arange(size))) < 140  # another user's are others


rated = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(-3, 12)),
    min_size=1,
    max_size=40,
    unique_by=lambda one: one[:2],
)


def block_of_rows(rows: list[tuple[int, int, int]]) -> Block:
    rows = sorted(rows)
    users, counts = np.unique([user for user, _, _ in rows], return_counts=True)
    indptr = np.append(0, np.cumsum(counts)).astype(np.int32)
    movies = np.array([movie for _, movie, _ in rows], np.int32)
    times = np.array([time for _, _, time in rows], np.int64)
    return Block(users, hash_users(users), indptr, movies, np.ones(len(rows), np.float32), times)


@settings(max_examples=100, deadline=None)
@given(rows=rated, kind=st.sampled_from(["all", "user"]), first=st.integers(-4, 12), later=st.integers(0, 8))
def test_every_rating_is_in_one_part_and_nothing_shown_is_later_than_what_is_held_out(
    rows: list[tuple[int, int, int]], kind: str, first: int, later: int
) -> None:
    block = block_of_rows(rows)
    moments = Moments(first, first + later) if kind == "all" else None
    chosen = examples(moments, split_time=kind, test_fraction=0.3, validation_fraction=0.4)
    held_out: Counter[tuple[int, int]] = Counter()
    times = {(user, movie): time for user, movie, time in rows}
    for role in ROLES:
        shown, target = chosen.arrays(block, role)
        pairs = [list(zip(block.users[m.tocoo().row], m.tocoo().col, strict=True)) for m in (shown, target)]
        held_out.update((int(user), int(movie)) for user, movie in pairs[1])
        if role == TRAIN:
            continue
        assert not set(pairs[0]) & set(pairs[1])
        for user in {user for user, _ in pairs[1]} if kind == "user" else {None}:
            known, asked = (
                [times[int(one), int(movie)] for one, movie in some if user in (None, one)] for some in pairs
            )
            if known and asked:
                assert max(known) <= min(asked)
                assert kind == "user" or max(known) < min(asked)
    assert held_out == Counter({pair: 1 for pair in times})


@settings(max_examples=60, deadline=None)
@given(rows=rated, data=st.data())
def test_no_partition_and_no_order_of_users_changes_a_part(rows: list[tuple[int, int, int]], data: Any) -> None:
    block = block_of_rows(rows)
    order = np.array(data.draw(st.permutations(range(block.rows))))
    cut_at = data.draw(st.integers(0, block.rows))
    pieces = [block.take(order[:cut_at]), block.take(order[cut_at:])]
    for chosen in (examples(Moments(2, 6)), examples(split_time="user")):

        def part_of(one: Block, chosen: Examples = chosen) -> dict[tuple[int, int], int]:
            users = np.repeat(one.users, np.diff(one.indptr)).tolist()
            return dict(zip(zip(users, one.indices.tolist(), strict=True), chosen.parts(one).tolist(), strict=True))

        assert part_of(pieces[0]) | part_of(pieces[1]) == part_of(block) == part_of(concatenate(pieces))


@settings(max_examples=60, deadline=None)
@given(rows=rated)
def test_each_rating_has_the_same_part_in_movies_arrays(rows: list[tuple[int, int, int]]) -> None:
    block = block_of_rows(rows)
    by_user = examples(split_time="user")
    turned = movie_block(*entries(block, block.users), by_user.parts(block))
    by_movie = replace(by_user, width=block.rows, column_hashes=block.hashes, split_time="all", moments=PARTS_AS_TIMES)
    for role in ROLES:
        assert by_movie.rows(turned, role).all()  # each movie is asked for its code
        for one, other in zip(by_user.arrays(block, role), by_movie.arrays(turned, role), strict=True):
            dense = np.zeros((block.rows, 7))
            dense[:, turned.users] = other.toarray().T
            np.testing.assert_array_equal(one.toarray(), dense)


def test_rows_without_ratings_have_no_role() -> None:
    parts, indptr = np.array([TRAIN, TEST], np.int8), np.array([0, 0, 2, 2])
    assert rows_of_part(parts, indptr, TRAIN).tolist() == [False, True, False]
    assert rows_of_part(parts, indptr, TEST).tolist() == [False, True, False]
    assert not rows_of_part(parts, indptr, VALIDATION).any()
    assert split_by_moments(np.array([5, 6, 7, 8]), Moments(5, 7)).tolist() == [TRAIN, VALIDATION, VALIDATION, TEST]


times_of_any_size = st.lists(
    st.one_of(st.integers(0, 20), st.integers(8 * 10**8, 17 * 10**8), st.integers(-(2**63) + 1, 2**63 - 1)),
    min_size=2,
    max_size=60,
)


@settings(max_examples=100, deadline=None)
@given(times=times_of_any_size, data=st.data())
def test_the_nth_time_is_that_of_the_sorted_times(times: list[int], data: Any) -> None:
    rank = data.draw(st.integers(1, len(times)))
    if len(set(times)) == 1:
        times.append(times[0] - 1 if times[0] > 0 else times[0] + 1)
    array, ordered = np.array(times, np.int64), sorted(times)
    found = nth_time(rank, ordered[0], ordered[-1], lambda low, width: count_bins(array, low, width))
    assert found == (ordered[rank - 1], sum(time <= ordered[rank - 1] for time in times))


def test_times_travel_with_their_ratings() -> None:
    block = timed()
    back = block_from_row(stored(block).to_pylist()[0])
    (again,) = blocks_of_batch(stored(block))
    for one in (back, again):
        assert one.times is not None
        assert (one.times.dtype, one.times.tolist()) == (np.int64, TIMES.tolist())
    taken = block.take(np.array([3, 1]))
    assert taken.times is not None
    assert taken.times.tolist() == [40, 20, 60, 10]
    for pieces in (regroup([block.take(np.array([0])), block.take(np.arange(1, 5))], 2), cut(block, np.arange(7), 2)):
        assert [one.times.tolist() for one in pieces if one.times is not None] == [
            TIMES[:4].tolist(),
            TIMES[4:12].tolist(),
            TIMES[12:].tolist(),
        ]
    assert concatenate([block, block_of(users=USERS + 100)]).times is None


def test_a_block_of_an_earlier_version_has_no_times() -> None:
    row = stored(block_of()).to_pylist()[0]
    assert block_from_row(row).times is None
    del row["times"]
    assert block_from_row(row).times is None
    with pytest.raises(ValueError, match="needs blocks with times"):
        examples(MOMENTS).parts(block_of())
    with pytest.raises(ValueError, match="needs the moments of the data set"):
        examples().parts(timed())


def test_of_a_pair_that_comes_twice_the_latest_rating_keeps_its_time() -> None:
    rows = [(9, 4, 1.0, 70), (9, 1, 3.0, 30), (9, 4, 5.0, 90), (2, 0, 4.0, None), (9, 4, 2.0, 80), (9, 2, 2.0, 5)]
    names = {USER: pa.int64(), CODE: pa.int32(), RATING: pa.float32(), TIMESTAMP: pa.int64()}
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    table = pa.table({name: pa.array(columns[name], kind) for name, kind in names.items()})
    table = table.append_column(POSITION, pa.array(range(len(rows)), pa.int64()))

    def gathered(table: pa.Table, lowest: float | None, second: int | None = 1) -> list[Any]:
        limit = None if lowest is None else np.float32(lowest)
        (block,) = blocks_of_batch(gather_ratings(table, limit, pa.int64(), {}, second=second))
        return [block.users.tolist(), block.ratings.tolist(), None if block.times is None else block.times.tolist()]

    assert gathered(table, None) == [[2, 9], [4.0, 3.0, 2.0, 5.0], [NO_TIME, 30, 5, 90]]
    assert gathered(table, 3.0) == [[2, 9], [4.0, 3.0, 5.0], [NO_TIME, 30, 90]]
    assert gathered(table, None, second=None)[2] is None
    assert gathered(table, None, second=10)[2] == [NO_TIME, 3, 0, 9]
    assert gathered(table.drop_columns(TIMESTAMP), None)[2] == [NO_TIME] * 4


def test_times_in_words() -> None:
    assert iso_time(0) == "1970-01-01T00:00:00Z"
    assert iso_time(951782400) == "2000-02-29T00:00:00Z"
    assert iso_time(-1) == "1969-12-31T23:59:59Z"
    assert iso_time(893286638000000) == "893286638000000"


def test_the_protocol_says_what_is_held_out_and_what_is_shown() -> None:
    config = build_config({"data": {"dataset": "ml-100k", "split": "time"}})
    test, validation = (split_protocol(examples(Moments(0, 86400)), config, role) for role in (TEST, VALIDATION))
    assert test == (
        "the ratings after 1970-01-02T00:00:00Z (the latest 20% of all) held out, each user's ratings up to "
        "1970-01-02T00:00:00Z shown, also of users unseen in training; users without any are left out (without_history)"
    )
    between = "the ratings after 1970-01-01T00:00:00Z up to 1970-01-02T00:00:00Z"
    assert validation.startswith(f"{between} (the latest 10% of those up to then) held out, each user's ratings up to ")
    of_users = [split_protocol(examples(split_time="user"), config, role) for role in (TEST, VALIDATION)]
    assert of_users == [
        "of each user's ratings the latest 20% held out, the earlier ones shown",
        "of each user's ratings the latest 10% before the latest 20% held out, the earlier ones shown",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"test_ratings": "u1.test"}, "data.test_ratings names single ratings for the test: set data.split = 'rating'"),
        ({"orientation": "movie"}, "data.orientation = 'movie' cannot score users whom training has not seen"),
        (
            {"dataset": None, "ratings": "r.csv", "columns": {"timestamp": "none"}},
            "data.split = 'time' needs the times of the ratings: name their column in data.columns.timestamp",
        ),
        (
            {"dataset": None, "ratings": "r.csv", "layout": "wide"},
            "data.layout = 'wide' has no times, which data.split = 'time' needs: set data.split = 'rating'",
        ),
    ],
)
def test_what_does_not_go_with_a_split_by_time(data: dict[str, Any], message: str) -> None:
    tree = {key: value for key, value in {"dataset": "ml-100k", "split": "time", **data}.items() if value is not None}
    with pytest.raises(ConfigError) as caught:
        build_config({"data": tree, "model": {"loss": "masked_mse"}})
    (line,) = str(caught.value).splitlines()
    assert line.startswith(message)


def test_movies_arrays_go_with_the_last_ratings_of_each_user() -> None:
    data = {"dataset": "ml-100k", "split": "time", "split_time": "user", "orientation": "movie"}
    assert build_config({"data": data, "model": {"loss": "masked_mse"}}).data.split_time == "user"
