"""The arrays of a saved model: replaced whole, or those of before stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recsys.data.preprocessing import Preprocessing
from recsys.models.ease.config import EaseConfig
from recsys.models.files import read_scorer, write_scorer


def save(folder: Path, value: float) -> None:
    write_scorer(folder, EaseConfig(), Preprocessing(0.5, 5.0), {"weights": np.full((2, 3), value, np.float32)})


def saved(folder: Path) -> list[float]:
    return np.unique(read_scorer(folder).arrays["weights"]).tolist()


def test_a_later_save_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    save(tmp_path, 1.0)
    save(tmp_path, 2.0)
    assert saved(tmp_path) == [2.0]
    assert [path.name for path in tmp_path.iterdir()] == ["scorer"]


@pytest.mark.parametrize("renames", [0, 1])
def test_one_that_is_stopped_while_it_replaces_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    save(tmp_path, 1.0)
    rename, done = Path.rename, list[Path]()

    def stopped(self: Path, target: Path) -> Path:
        if len(done) == renames:
            raise KeyboardInterrupt
        done.append(self)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, 2.0)
    monkeypatch.undo()
    assert saved(tmp_path) == [1.0]
    save(tmp_path, 3.0)
    assert saved(tmp_path) == [3.0]
    assert [path.name for path in tmp_path.iterdir()] == ["scorer"]
