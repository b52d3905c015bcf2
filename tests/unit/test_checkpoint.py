"""Checkpoints: whole or not at all, found broken by their checksums, the one before used instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.tensorflow_env import quiet_keras

quiet_keras()

from recsys.training.checkpoint import Checkpoints  # noqa: E402
from recsys.training.history import Epoch, Seconds  # noqa: E402
from recsys.training.state import Moments, Position, Snapshot  # noqa: E402


def snapshot(epoch: int = 3) -> Snapshot:
    values = np.arange(12, dtype=np.float32).reshape(2, 6) + epoch
    history = [
        Epoch(one, 1 / one, 0.1 + 0.2, 1.5, 100, 2, Seconds(compute=1.25), test_loss=0.375) for one in range(1, epoch)
    ]
    arrays = {"weights": np.full(6, epoch, np.float32), "best.0": np.eye(2, 3, dtype=np.float32)}
    moments = [Moments(0, 7, values), Moments(1, 8, values * 2), Moments(2, 0, np.zeros((2, 0), np.float32))]
    return Snapshot(Position(epoch, 1), history, arrays, moments)


def same(one: Snapshot, other: Snapshot) -> bool:
    def plain(what: Snapshot) -> Any:
        moments = [(one.worker, one.step, one.values.tolist()) for one in what.moments]
        return what.position, what.history, {key: array.tolist() for key, array in what.arrays.items()}, moments

    return bool(plain(one) == plain(other))


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints", 60)
    assert not checkpoints.any and checkpoints.load() == (None, [])
    checkpoints.save(snapshot())
    loaded, wrong = Checkpoints(tmp_path / "checkpoints", 60).load()
    assert loaded is not None and same(loaded, snapshot()) and wrong == []
    assert loaded.moments[0].values.dtype == np.float32
    checkpoints.remove()
    assert not (tmp_path / "checkpoints").exists()


def test_two_are_kept_and_the_last_is_loaded(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 60)
    for epoch in (2, 3, 10):
        checkpoints.save(snapshot(epoch))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000003-0001", "000010-0001"]
    loaded, _ = checkpoints.load()
    assert loaded is not None and loaded.position == Position(10, 1)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(bytes(content))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def unlink(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("file", ["weights.npy", "worker-00001.npy", "best.0.npy", "checkpoint.json"])
@pytest.mark.parametrize("damage", [flip, cut, unlink])
def test_a_damaged_one_is_named_and_the_one_before_is_used(tmp_path: Path, damage: Any, file: str) -> None:
    checkpoints = Checkpoints(tmp_path, 60)
    checkpoints.save(snapshot(2))
    damage(checkpoints.save(snapshot(3)) / file)
    loaded, wrong = checkpoints.load()
    assert loaded is not None and same(loaded, snapshot(2))
    assert len(wrong) == 1 and "000003-0001" in wrong[0]


def test_a_killed_save_leaves_the_one_before(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 60)
    checkpoints.save(snapshot(2))

    def broken() -> Any:
        yield snapshot().moments[0]
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        checkpoints.save(snapshot(3), broken())
    assert [path.name for path in tmp_path.iterdir()] == ["000002-0001"]
    loaded, wrong = checkpoints.load()
    assert loaded is not None and loaded.position.epoch == 2 and wrong == []


def test_objects_are_not_read_from_disk(tmp_path: Path) -> None:
    folder = Checkpoints(tmp_path, 60).save(snapshot())
    np.save(folder / "weights.npy", np.array([{"a": 1}], object), allow_pickle=True)
    loaded, wrong = Checkpoints(tmp_path, 60).load()
    assert loaded is None and "checksum" in wrong[0]


def test_one_is_due_after_the_seconds() -> None:
    assert Checkpoints(Path("nowhere"), 0).due
    assert not Checkpoints(Path("nowhere"), 3600).due
