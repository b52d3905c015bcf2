"""What workers keep on their executor's disk: whole and of this training, or not believed."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse import csr_matrix
from small_ratings import block_of

from recsys.training.local_sgd import kept
from recsys.training.local_sgd.kept import Key, Ready, RowsMissing
from recsys.training.state import Moments

KEY = Key("a", 1)
USERS = block_of().users.tolist()
BLOCKS = [block_of().take(np.array(rows)) for rows in ([0, 1, 2], [3, 4])]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An executor's directory; nothing is kept in this process."""
    monkeypatch.setenv("SPARK_LOCAL_DIRS", f"{tmp_path},{tmp_path / 'other'}")
    monkeypatch.setattr(kept, "_kept", {})
    monkeypatch.setattr(kept, "_unsaved", set())
    return tmp_path


def forget_process() -> None:
    kept._kept.clear()
    kept._unsaved.clear()


def rows_of(blocks: Any) -> list[int]:
    return [int(user) for block in blocks for user in block.users]


def never(blocks: Any) -> Any:
    raise AssertionError("nothing was to be decoded")


arrays = hnp.arrays(
    st.sampled_from([np.float32, np.int32, np.int64, np.uint8]), hnp.array_shapes(min_dims=1, max_dims=2, min_side=0)
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.lists(st.one_of(arrays, st.text(), st.none()), max_size=5))
def test_what_is_written_is_read(value: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    kept.write_file(path, KEY, value)
    found = kept.read_file(path, KEY)
    assert len(found) == len(value)
    for one, other in zip(value, found, strict=True):
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype and one.shape == other.shape
            assert np.array_equal(one, other, equal_nan=one.dtype == np.float32)
        else:
            assert one == other
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_arrays_can_be_written_to_and_nobody_else_sees_it(tmp_path: Path) -> None:
    matrix = csr_matrix(np.eye(3, dtype=np.float32))
    kept.write_file(tmp_path / "file", KEY, {"one": matrix, "same": matrix})
    found = kept.read_file(tmp_path / "file", KEY)
    assert found["one"] is found["same"] and found["one"].data.flags.writeable
    found["one"].data[:] = 7
    assert kept.read_file(tmp_path / "file", KEY)["one"].data.tolist() == [1, 1, 1]


def test_a_file_that_is_cut_off_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    kept.write_file(path, KEY, [np.arange(40.0), np.arange(3)])
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert kept.read_file(path, KEY) is None
    path.write_bytes(whole + b"more")
    assert kept.read_file(path, KEY) is None


def test_a_file_of_something_else_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    kept.write_file(path, KEY, [1])
    assert kept.read_file(path, KEY) == [1]
    for other in (Key("b", 1), Key("a", 2), Key("a", 1, "cut")):
        assert kept.read_file(path, other) is None
    path.write_bytes(pickle.dumps([1]) * 20)
    assert kept.read_file(path, KEY) is None
    assert kept.read_file(tmp_path / "nothing", KEY) is None


def test_every_process_of_an_executor_finds_them(folder: Path) -> None:
    moments = Moments(1, 2, np.ones((2, 3), np.float32))
    rows, state = kept.read(KEY, [moments, *BLOCKS], rows_of)
    assert rows == USERS and state is moments
    forget_process()
    rows, state = kept.read(KEY, [moments, Ready(1)], never)
    assert rows == USERS and state is moments
    assert kept.read(KEY, iter(BLOCKS), never) == (USERS, None)  # blocks that were not needed


def test_input_is_read_to_its_end(folder: Path) -> None:
    """Otherwise Spark ends the process."""
    for elements in (iter(BLOCKS), iter(BLOCKS), iter([Ready(1)])):
        kept.read(KEY, elements, lambda blocks: rows_of([next(iter(blocks))]))
        assert list(elements) == []


def test_rows_that_are_not_there_are_missing(folder: Path) -> None:
    with pytest.raises(RowsMissing):
        kept.read(KEY, [Ready(1)], never)
    assert kept.read(KEY, [], rows_of) == ([], None)  # a worker without rows, which says so by its blocks


def test_rows_are_looked_for_when_ready_has_come(folder: Path) -> None:
    """Where an executor was lost Spark makes the element and the file while the task waits for its input."""

    def elements() -> Any:
        kept.write_file(folder / "howdah-a" / "rows-1", KEY, [5])
        yield Ready(1)

    assert kept.read(KEY, elements(), never) == ([5], None)


def test_a_full_disk_leaves_one_workers_rows_in_the_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(kept, "write_file", full)
    for worker in (1, 2):
        kept.read(Key("a", worker), BLOCKS, rows_of)
    assert kept.read(Key("a", 2), [Ready(2)], never)[0] == USERS
    with pytest.raises(RowsMissing):
        kept.read(KEY, [Ready(1)], never)


def test_without_a_directory_of_spark_s_nothing_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARK_LOCAL_DIRS")
    assert kept.read(KEY, BLOCKS, rows_of)[0] == USERS
    kept.drop(KEY)
    kept.forget("a")
    assert os.listdir(folder) == [] and kept.find(KEY) is None


def test_a_training_that_is_over_leaves_nothing(folder: Path) -> None:
    for training in ("a", "b"):
        for kind in ("rows", "cut"):
            kept.keep(Key(training, 1, kind), [training])
    kept.drop(Key("a", 1, "cut"))
    assert sorted(os.listdir(folder / "howdah-a")) == ["rows-1"]
    kept.forget("a")
    assert os.listdir(folder) == ["howdah-b"] and kept.find(KEY) is None
    assert kept.find(Key("b", 1)) == ["b"]
