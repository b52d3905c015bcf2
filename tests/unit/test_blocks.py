"""Blocks of rating arrays: built from sorted ratings, stored, cut, put together, dealt out again."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from small_ratings import RATINGS, USERS, block_of

from recsys.columns import CODE, RATING, TIMESTAMP, USER
from recsys.data.blocks import Block, block_from_row, blocks_of_batch, cut, hash_users, stored
from recsys.data.ingest.arrow_chunks import pack, unpack
from recsys.data.ingest.join import gather_ratings, unique_ratings
from recsys.data.ingest.rows import FILE, POSITION
from recsys.data.partition import concatenate, regroup

Rated = tuple[Any, int, float]
Raw = tuple[Any, int, float, int | None, int, str]  # user, code, rating, timestamp, position, file
RAW_SCHEMA = {
    CODE: pa.int32(), RATING: pa.float32(), TIMESTAMP: pa.int64(), POSITION: pa.int64(), FILE: pa.string()
}  # fmt: skip


def table_of(rows: list[Raw], sizes: int = 4) -> pa.Table:
    """The rows as a partition gets them: in pieces, each packed and unpacked."""
    kind = pa.string() if rows and isinstance(rows[0][0], str) else pa.int64()
    schema = pa.schema([(USER, kind), *RAW_SCHEMA.items()])
    pieces = []
    for start in range(0, max(len(rows), 1), sizes):
        columns = list(zip(*rows[start : start + sizes], strict=True)) or [()] * len(schema)
        arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
        pieces.append(unpack(pack(pa.Table.from_arrays(arrays, schema=schema))))
    return pa.concat_tables(pieces)


def build(rows: list[Rated], index_of_code: list[int], block_users: int) -> list[Block]:
    """Rows (user, code, rating), sorted, as blocks, by way of the one block of a partition."""
    raw: list[Raw] = [(*row, None, place, "") for place, row in enumerate(rows)]
    kind = pa.string() if rows and isinstance(rows[0][0], str) else pa.int64()
    found: list[Block] = []
    for block in blocks_of_batch(gather_ratings(table_of(raw), None, kind, {})):
        for piece in cut(block, np.array(index_of_code, np.int32), block_users):
            found += [block_from_row(row) for row in stored(piece).to_pylist()]
    return found


def entries(block: Block, movies: int) -> dict[tuple[Any, int], float]:
    coo = block.matrix(movies).tocoo()
    return {
        (block.users[row], int(column)): float(value)
        for row, column, value in zip(coo.row, coo.col, coo.data, strict=True)
    }


# movies 2 and 4 of 0..6 have no rating, so that the indices of the others move up
ROWS: list[Rated] = [
    (3, 0, 5.0), (3, 1, 3.0), (3, 6, 1.5),
    (7, 3, 4.0),
    (20, 0, 0.5), (20, 1, 2.0), (20, 3, 4.5), (20, 5, 1.0), (20, 6, 3.5),
    (21, 5, 2.5), (21, 6, 4.0),
    (90, 1, 1.0),
]  # fmt: skip
INDEX_OF_CODE = [0, 1, -1, 2, -1, 3, 4]


def test_blocks_hold_at_most_so_many_users() -> None:
    blocks = build(ROWS, INDEX_OF_CODE, 2)
    assert [block.users.tolist() for block in blocks] == [[3, 7], [20, 21], [90]]
    assert [block.indptr.tolist() for block in blocks] == [[0, 3, 4], [0, 5, 7], [0, 1]]
    assert blocks[0].indices.tolist() == [0, 1, 4, 2]
    assert blocks[0].ratings.tolist() == [5.0, 3.0, 1.5, 4.0]
    assert blocks[1].matrix(5).toarray().tolist() == [[0.5, 2.0, 4.5, 1.0, 3.5], [0, 0, 0, 2.5, 4.0]]
    dtypes = {(one.hashes.dtype, one.indptr.dtype, one.indices.dtype, one.ratings.dtype) for one in blocks}
    assert dtypes == {(np.dtype("u8"), np.dtype("i4"), np.dtype("i4"), np.dtype("f4"))}


def test_string_ids() -> None:
    rows = [(f"u{user}", code, rating) for user, code, rating in ROWS]
    blocks = build(rows, INDEX_OF_CODE, 4)
    assert [block.users.tolist() for block in blocks] == [["u20", "u21", "u3", "u7"], ["u90"]]
    assert entries(blocks[0], 5)[("u7", 2)] == 4.0


def test_an_empty_partition_has_no_blocks() -> None:
    assert build([], INDEX_OF_CODE, 2) == []


def test_a_stored_block_is_one_row_of_plain_bytes() -> None:
    record = stored(block_of())
    assert record.num_rows == 1
    back = block_from_row(record.to_pylist()[0])
    assert back.users.tolist() == USERS.tolist()
    assert back.hashes.tolist() == hash_users(USERS).tolist()
    np.testing.assert_array_equal(back.matrix(7).toarray(), RATINGS)


def test_take_by_number_and_by_mask() -> None:
    block = block_of()
    taken = block.take(np.array([3, 0]))
    assert taken.users.tolist() == [3, 11]
    np.testing.assert_array_equal(taken.matrix(7).toarray(), RATINGS[[3, 0]])
    masked = block.take(np.array([True, False, True, False, True]))
    assert masked.users.tolist() == [11, 15, 40]
    np.testing.assert_array_equal(masked.matrix(7).toarray(), RATINGS[[0, 2, 4]])
    assert block.take(np.zeros(5, bool)).matrix(7).shape == (0, 7)
    np.testing.assert_array_equal(block.matrix(7).toarray(), RATINGS)


def test_concatenate_and_regroup_keep_the_order() -> None:
    block = block_of()
    pieces = [block.take(np.array([0])), block.take(np.array([1, 2])), block.take(np.array([3, 4]))]
    np.testing.assert_array_equal(concatenate(pieces).matrix(7).toarray(), RATINGS)
    groups = list(regroup(pieces, 2))
    assert [group.users.tolist() for group in groups] == [[11, 12], [15, 3], [40]]
    np.testing.assert_array_equal(np.vstack([group.matrix(7).toarray() for group in groups]), RATINGS)
    assert list(regroup([], 2)) == []


def test_a_block_travels() -> None:
    back = pickle.loads(pickle.dumps(block_of()))
    np.testing.assert_array_equal(back.matrix(7).toarray(), RATINGS)


def test_hashes_are_the_same_in_every_process() -> None:
    code = (
        "import numpy as np; from recsys.data.blocks import hash_users;"
        "print(hash_users(np.array([1, 2, 2**62])).tolist(), hash_users(np.array(['1', 'zoë'], object)).tolist())"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env={"PYTHONHASHSEED": "77", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    numbers, texts = hash_users(np.array([1, 2, 2**62])), hash_users(np.array(["1", "zoë"], object))
    assert told.strip() == f"{numbers.tolist()} {texts.tolist()}"
    assert len({*numbers.tolist(), *texts.tolist()}) == 5


def unique(rows: list[Raw], sizes: int = 4) -> list[Rated]:
    users, places, codes, ratings, times = unique_ratings(table_of(rows, sizes))
    assert times is None
    return list(zip(users[places].tolist(), codes.tolist(), ratings.tolist(), strict=True))


def test_ratings_come_sorted_by_user_and_code() -> None:
    rows: list[Raw] = [(9, 4, 1.0, 1, 0, ""), (-2, 5, 2.0, 2, 1, ""), (9, 1, 3.0, 3, 2, ""), (-2, 0, 4.0, 4, 3, "")]
    assert unique(rows) == [(-2, 0, 4.0), (-2, 5, 2.0), (9, 1, 3.0), (9, 4, 1.0)]


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([(1, 0, 1.0, 50, 9, "a"), (1, 0, 2.0, 70, 1, "a"), (1, 0, 3.0, 60, 5, "b")], 2.0),  # the latest time
        ([(1, 0, 1.0, 50, 9, "a"), (1, 0, 2.0, 50, 1, "a")], 1.0),  # then the last row
        ([(1, 0, 1.0, 50, 9, "a"), (1, 0, 2.0, 50, 1, "b")], 2.0),  # of the last file
        ([(1, 0, 1.0, None, 9, "a"), (1, 0, 2.0, -5, 1, "a")], 2.0),  # no time is the earliest
        ([(1, 0, 1.0, None, 9, "a"), (1, 0, 2.0, None, 1, "a")], 1.0),
    ],
)
def test_of_a_pair_that_comes_twice_the_latest_counts(rows: list[Raw], kept: float) -> None:
    other: Raw = (1, 3, 4.0, 1, 77, "a")
    for order in (rows, rows[::-1]):
        assert unique([order[0], other, *order[1:]]) == [(1, 0, kept), (1, 3, 4.0)]


def test_string_users_are_sorted_as_text() -> None:
    rows: list[Raw] = [("b", 1, 1.0, 1, 0, ""), ("a10", 1, 2.0, 1, 1, ""), ("a9", 0, 3.0, 1, 2, "")]
    assert unique(rows) == [("a10", 1, 2.0), ("a9", 0, 3.0), ("b", 1, 1.0)]


def test_an_empty_partition_has_no_ratings() -> None:
    assert unique([]) == []


raw_rows = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.integers(0, 6),
        st.sampled_from([0.5, 1.0, 2.5, 5.0]),
        st.none() | st.integers(0, 3),
        st.just(0),
        st.sampled_from(["a", "b"]),
    ),
    max_size=40,
).map(lambda rows: [(*row[:4], place, row[5]) for place, row in enumerate(rows)])


@settings(max_examples=60, deadline=None)
@given(rows=raw_rows, sizes=st.integers(1, 9), block_users=st.integers(1, 4))
def test_ratings_to_blocks_equal_a_plain_reference(rows: list[Raw], sizes: int, block_users: int) -> None:
    reference: dict[tuple[int, int], tuple[tuple[float, str, int], float]] = {}
    for user, code, rating, time, position, file in rows:
        rank = (-1 if time is None else time, file, position)
        if (user, code) not in reference or rank > reference[(user, code)][0]:
            reference[(user, code)] = (rank, rating)
    rated = sorted({code for _, code in reference})
    index = [rated.index(code) if code in rated else -1 for code in range(7)]
    blocks = build(unique(rows, sizes), index, block_users)
    found = {key: value for block in blocks for key, value in entries(block, len(rated)).items()}
    assert found == {(user, index[code]): rating for (user, code), (_, rating) in reference.items()}
    assert all(block.rows <= block_users for block in blocks)
    assert all(block.matrix(max(len(rated), 1)).has_canonical_format for block in blocks)


dense_arrays = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 8), st.integers(1, 6)), elements=st.sampled_from([0, 0, 0, 0.5, 3, 5])
)


@settings(max_examples=60, deadline=None)
@given(dense=dense_arrays, data=st.data())
def test_cutting_and_joining_lose_nothing(dense: np.ndarray, data: st.DataObject) -> None:
    users = np.arange(100, 100 + len(dense))
    block = block_of(dense, users)
    rows = np.array(data.draw(st.lists(st.integers(0, len(dense) - 1), max_size=10)), np.int64)
    np.testing.assert_array_equal(block.take(rows).matrix(dense.shape[1]).toarray(), dense[rows])
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(dense), max_size=len(dense))))
    joined = concatenate([block.take(mask), block.take(~mask)])
    order = np.concatenate([np.flatnonzero(mask), np.flatnonzero(~mask)])
    assert joined.users.tolist() == users[order].tolist()
    assert joined.hashes.tolist() == hash_users(users[order]).tolist()
    np.testing.assert_array_equal(joined.matrix(dense.shape[1]).toarray(), dense[order])
