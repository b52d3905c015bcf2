"""history.csv: written epoch by epoch, read back, and the best epoch of it."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.tensorflow_env import quiet_keras

quiet_keras()

import tensorflow as tf  # noqa: E402

from recsys.training.history import Epoch, History, Seconds, read_history  # noqa: E402
from recsys.training.tensorboard import Curves  # noqa: E402

NOWHERE = ["0.0"] * 5  # where the seconds went


def epoch(number: int, validation: float) -> Epoch:
    return Epoch(number, 0.25 / number, validation, 1.5 * number, 4834, 8)


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_every_epoch_is_on_disk_when_it_is_over(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    history = History(path)
    header = ["epoch", "train_loss", "validation_loss", "seconds", "rows", "workers"]
    header += [f"{name}_seconds" for name in ("data", "compute", "reduce", "broadcast", "validation")]
    assert rows(path) == [header]
    history.append(epoch(1, 0.5))
    assert rows(path) == [header, ["1", "0.25", "0.5", "1.5", "4834", "8", *NOWHERE]]
    history.append(epoch(2, 0.75))
    assert rows(path)[1:] == [
        ["1", "0.25", "0.5", "1.5", "4834", "8", *NOWHERE],
        ["2", "0.125", "0.75", "3.0", "4834", "8", *NOWHERE],
    ]
    assert read_history(path) == history.epochs == [epoch(1, 0.5), epoch(2, 0.75)]


def test_a_new_history_starts_anew(tmp_path: Path) -> None:
    History(tmp_path / "history.csv").append(epoch(1, 0.5))
    History(tmp_path / "history.csv")
    assert read_history(tmp_path / "history.csv") == []


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ([0.5], 1),
        ([0.5, 0.25, 0.75], 2),
        ([0.5, 0.25, 0.25], 2),  # the earlier of two equal ones
        ([math.nan, 0.5, math.nan], 2),  # a loss that is no number is never the best
        ([math.nan, math.nan], 1),
        ([math.inf, 0.5], 2),
    ],
)
def test_the_best_epoch_has_the_lowest_validation_loss(losses: list[float], best: int, tmp_path: Path) -> None:
    history = History(tmp_path / "history.csv")
    for number, loss in enumerate(losses, 1):
        history.append(epoch(number, loss))
    assert history.best.epoch == best


numbers = st.floats(allow_nan=False)
counts = st.integers(0, 10**9), st.integers(1, 99)


@settings(max_examples=30, deadline=None)
@given(tested=st.booleans(), draw=st.data())
def test_no_digit_is_lost(tested: bool, draw: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    test_loss = numbers if tested else st.none()
    epochs = st.builds(Epoch, st.integers(1, 999), numbers, numbers, numbers, *counts, test_loss=test_loss)
    some = draw.draw(st.lists(epochs, max_size=5))
    path = tmp_path_factory.mktemp("history") / "history.csv"
    history = History(path, test_loss=tested)
    for one in some:
        history.append(one)
    assert read_history(path) == some


def test_where_the_seconds_went_and_an_older_file_that_does_not_say(tmp_path: Path) -> None:
    first, second = Seconds(0.5, 2.0, 0.25, 0.125, 1.0), Seconds(data=0.5, validation=1.0)
    assert first + second == Seconds(1.0, 2.0, 0.25, 0.125, 2.0)
    path = tmp_path / "history.csv"
    History(path, [Epoch(1, 0.25, 0.5, 4.0, 7, 2, first)])
    assert read_history(path)[0].split == first
    path.write_text("epoch,train_loss,validation_loss,seconds,rows,workers\n1,0.25,0.5,4.0,7,2\n")
    assert read_history(path) == [Epoch(1, 0.25, 0.5, 4.0, 7, 2)]


def test_tensorboard_gets_the_same_figures(tmp_path: Path) -> None:
    first = Epoch(1, 0.25, 0.5, 4.0, 7, 2, Seconds(compute=3.0), test_loss=0.625)
    second = Epoch(2, 0.125, 0.75, 5.0, 7, 2)
    Curves(tmp_path, []).write(second)
    curves = Curves(tmp_path, [first])  # anew: what a stopped run had written beyond its checkpoint is gone
    curves.write(second)
    found: dict[str, list[tuple[int, float]]] = {}
    for file in tmp_path.iterdir():
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, float(tf.make_ndarray(value.tensor))))
    assert found["loss/train"] == [(1, 0.25), (2, 0.125)]
    assert found["loss/validation"] == [(1, 0.5), (2, 0.75)] and found["loss/test"] == [(1, 0.625)]
    assert found["seconds/epoch"] == [(1, 4.0), (2, 5.0)] and found["seconds/compute"] == [(1, 3.0), (2, 0.0)]
