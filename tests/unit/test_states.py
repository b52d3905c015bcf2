"""What a worker keeps from round to round: the same whatever is tried again, lost or done elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.training.local_sgd import states
from recsys.training.local_sgd.kept import Ready, RowsMissing
from recsys.training.local_sgd.states import Start, a_round
from recsys.training.state import Moments

ROWS = [Ready(1)]


class Sent:
    """As a broadcast."""

    def __init__(self, value: Moments) -> None:
        self.value = value


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An executor's directory; nothing is kept in this process."""
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path))
    monkeypatch.setattr(states, "_unsaved", {})
    return tmp_path / "howdah-a"


def moments_of(step: int, *values: float) -> Moments:
    return Moments(1, step, np.array(values, np.float32))


def adding(number: float) -> states.Worker:
    """A round that writes the number behind those of the rounds before, and says what it was given."""

    def work(worker: int, elements: Iterable[Any]) -> Iterator[Any]:
        given = list(elements)
        assert given[-1:] == ROWS
        before = given[0] if len(given) > 1 else moments_of(0)
        yield Moments(worker, before.step + 1, np.append(before.values, np.float32(number)))
        yield before.values.tolist()

    return work


def fails(worker: int, elements: Iterable[Any]) -> Iterator[Any]:
    """After it has come to a state."""
    yield from list(adding(7)(worker, elements))[:1]
    raise OSError("lost the connection")


ROUNDS = (adding(10), adding(11), adding(12))
FRESH = Start(0, {})


def done(number: int, start: Start | None = None) -> list[float]:
    """What a round was given."""
    (given,) = a_round(ROUNDS[number], "a", number, start or (None if number else FRESH))(1, iter(ROWS))
    return list(given)


def test_states_go_from_round_to_round(folder: Path) -> None:
    assert [done(number) for number in range(3)] == [[], [10], [10, 11]]
    state = states.find("a", 1, 3)
    assert state is not None and (state.step, state.values.tolist()) == (3, [10, 11, 12])
    assert sorted(os.listdir(folder)) == ["state-2-1", "state-3-1"]  # the one before may be needed again


def test_a_task_that_is_tried_again_starts_from_the_same() -> None:
    """Whether it had written its state, or had not got that far."""
    done(0)
    for _ in range(2):
        assert done(1) == [10]
    with pytest.raises(OSError, match="lost the connection"):
        list(a_round(fails, "a", 2, None)(1, iter(ROWS)))
    assert [done(2), done(2)] == [[10, 11]] * 2


def test_a_state_that_is_not_there_is_missing() -> None:
    with pytest.raises(RowsMissing):
        done(1)
    done(0)
    done(1)
    with pytest.raises(RowsMissing):
        list(a_round(ROUNDS[2], "b", 2, None)(1, iter(ROWS)))  # another training
    with pytest.raises(RowsMissing):
        list(a_round(ROUNDS[2], "a", 2, None)(2, iter(ROWS)))  # another worker


@pytest.mark.parametrize("lost", [[], ["state-2-1"], ["state-1-1", "state-2-1"]])
def test_a_state_that_was_lost_is_made_again(folder: Path, lost: list[str]) -> None:
    """From the latest that is there, or else from the beginning."""
    done(0)
    done(1)
    for name in lost:
        (folder / name).unlink()
    assert done(2, Start(0, {}, ROUNDS[:2])) == [10, 11]
    assert done(2) == [10, 11]  # and is kept


def test_it_is_made_again_from_what_the_driver_has() -> None:
    sent: Any = {1: Sent(moments_of(5, 1, 2)), 2: Sent(moments_of(9))}
    assert done(0, Start(0, sent)) == [1, 2]
    assert done(2, Start(1, sent, ROUNDS[1:2])) == [1, 2, 10, 11]  # its first round is newer than what the driver has
    assert done(2, Start(2, sent)) == [1, 2, 10, 11]


def test_a_worker_that_moves_on_begins_with_what_it_left(folder: Path) -> None:
    """It has been elsewhere for a round."""
    done(0)
    assert done(2, Start(0, {}, ROUNDS[:2])) == [10, 11]
    assert sorted(os.listdir(folder)) == ["state-2-1", "state-3-1"]


def test_a_file_that_is_cut_off_is_not_believed(folder: Path) -> None:
    done(0)
    path = folder / "state-1-1"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RowsMissing):
        done(1)
    assert done(1, Start(0, {}, ROUNDS[:1])) == [10]


def test_a_full_disk_leaves_one_workers_state_in_the_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(states, "write_file", full)
    assert [done(number) for number in range(3)] == [[], [10], [10, 11]]
    assert not folder.exists() or os.listdir(folder) == []
    states.keep("a", 2, 3, moments_of(1))
    with pytest.raises(RowsMissing):
        list(a_round(ROUNDS[0], "a", 3, None)(1, iter(ROWS)))
