"""training.max_seconds: when training stops, what it leaves, and that it ends the same when it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.config.load import build_config
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.errors import ConfigError
from recsys.training.base import AfterRound, Finishing, Trainer, TrainingData, no_checkpoint
from recsys.training.checkpoint import Checkpoints
from recsys.training.history import Seconds, read_history
from recsys.training.loop import Progress, Trained, train
from recsys.training.state import Snapshot
from recsys.training.time_limit import TimeLimit


class Clock:
    """Seconds that pass when somebody says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Fake(Trainer):
    """A model of one number, to which every round adds its own after halving it: no order but the right one gives it.

    A round of an epoch takes `seconds` of that epoch (the last ones stand for all later ones), the losses `measuring`.
    Validation is best in epoch `best`.
    """

    def __init__(
        self, clock: Clock, seconds: Sequence[float] = (10.0,), rounds: int = 1, measuring: float = 0.0, best: int = 99
    ) -> None:
        self.epochs = 6
        self.clock, self.seconds, self.rounds, self.measuring, self.best = clock, seconds, rounds, measuring, best
        self.number, self.epoch = 0.0, 0
        self.closed = False

    def train_epoch(self, epoch: int, first_round: int = 0, after_round: AfterRound = no_checkpoint) -> Seconds:
        self.epoch = epoch
        for number in range(first_round, self.rounds):
            self.number = self.number / 2 + 10 * epoch + number
            self.clock.now += self.seconds[min(epoch, len(self.seconds)) - 1]
            if number + 1 < self.rounds:
                after_round(number + 1)
        return Seconds()

    def losses(self) -> dict[int, float]:
        self.clock.now += self.measuring
        return {TRAIN: 1 / self.epoch, VALIDATION: float(abs(self.epoch - self.best)), TEST: self.epoch + 0.5}

    def weights(self) -> list[np.ndarray]:
        return [np.array([self.number])]

    def as_model(self, weights: list[np.ndarray] | None) -> Any:
        return float((self.weights() if weights is None else weights)[0][0])

    def state(self) -> Any:
        return {"number": np.array([self.number])}, iter(())

    def restore(self, snapshot: Snapshot) -> None:
        self.number = float(snapshot.arrays["number"][0])

    def close(self) -> None:
        self.closed = True


def data_of(limit: float, test_loss: bool = False, **training: Any) -> TrainingData:
    settings = {"max_seconds": limit, "checkpoint_seconds": 3600, "test_loss": test_loss, **training}
    config = build_config({"data": {"dataset": "ml-1m"}, "training": settings})
    parts = {role: Part(None, 9, 1) for role in (TRAIN, VALIDATION, *([TEST] if test_loss else []))}  # type: ignore[arg-type]
    return TrainingData(config, Examples.of(config, 7, Preprocessing(0.5, 5.0)), parts, 0.1)


def trained(limit: float, run: Path | None = None, data: TrainingData | None = None, **fake: Any) -> Trained:
    clock = Clock()
    trainer = Fake(clock, **fake)
    found = train(trainer, data or data_of(limit), run, limit=TimeLimit(limit, clock))
    assert trainer.closed
    return found


@pytest.mark.parametrize(
    ("limit", "fake", "stopped"),
    [
        (1, {}, "after epoch 1 of 6"),  # the first always runs
        (35, {}, "after epoch 3 of 6"),  # the fourth would end after 40 s
        (40, {}, "after epoch 4 of 6"),
        (59, {}, "after epoch 5 of 6"),
        (60, {}, None),
        (0, {}, None),
        (35, {"seconds": [20, 1]}, "after epoch 1 of 6"),
        (40, {"seconds": [20, 1]}, None),  # workers had to start in the first: it says nothing any more
        (40, {"seconds": [1, 8, 9, 1, 1]}, None),  # ends after 21 s
        (28, {"seconds": [1, 8, 9, 1, 1]}, "after epoch 5 of 6"),  # at 20 s: the longest of the last three took 9 s
        (28, {"seconds": [1, 9, 8, 1, 1]}, None),  # they took 8 s
        # rounds of 2 s, and losses of 3 s with the fourth: epochs end at 11 s and 22 s
        (5, {"seconds": [2], "rounds": 4, "measuring": 3}, "in epoch 1 of 6, after round 2"),
        (12, {"seconds": [2], "rounds": 4, "measuring": 3}, "after epoch 1 of 6"),
        (20, {"seconds": [2], "rounds": 4, "measuring": 3}, "in epoch 2 of 6, after round 3"),
        (66, {"seconds": [2], "rounds": 4, "measuring": 3}, None),
    ],
)
def test_it_stops_where_the_next_epoch_or_round_would_end_too_late(
    limit: float, fake: dict[str, Any], stopped: str | None
) -> None:
    found = trained(limit, **fake)
    assert found.stopped == (f"training.max_seconds = {limit}: {stopped}" if stopped else None)
    done = 6 if stopped is None else int(stopped.split()[2]) - stopped.startswith("in")
    assert [epoch.epoch for epoch in found.history] == list(range(1, done + 1))


def test_what_prepares_the_training_counts_but_is_no_step() -> None:
    clock = Clock()
    limit = TimeLimit(34, clock)
    clock.now += 15
    trainer = Fake(clock)
    found = train(trainer, data_of(34), None, limit=limit)  # after 25 s the second would end at 35, not at 50
    assert found.stopped == "training.max_seconds = 34: after epoch 1 of 6"
    limit = TimeLimit(35, clock)
    clock.now += 15
    found = train(trainer, data_of(35), None, limit=limit)
    assert found.stopped == "training.max_seconds = 35: after epoch 2 of 6"


def test_no_progress_is_promised_beyond_the_limit() -> None:
    clock = Clock()
    limit = TimeLimit(50, clock)
    clock.now += 10
    assert (limit.left(15), limit.left(100)) == (15, 40)
    clock.now += 100
    assert limit.left(15) == 0
    assert TimeLimit(0, clock).left(15) == 15


@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize("rounds", [1, 3])
def test_it_goes_on_and_ends_as_if_it_had_not_been_stopped(tmp_path: Path, rounds: int, keep: str) -> None:
    whole = trained(0, data=data_of(0, keep=keep), rounds=rounds, best=4)
    stops = []
    while True:  # each call has time for one step
        found = trained(1, tmp_path, data_of(1, keep=keep), rounds=rounds, best=4)
        stops.append(found.stopped)
        if found.stopped is None:
            break
        snapshot, wrong = Checkpoints(tmp_path / "checkpoints", 3600).load()  # though no checkpoint was due
        assert snapshot is not None and not wrong
        assert snapshot.history == found.history
    assert len(stops) == 6 * rounds
    assert stops[-2] == "training.max_seconds = 1: " + (
        "after epoch 5 of 6" if rounds == 1 else "in epoch 6 of 6, after round 2"
    )
    assert (found.model, found.epoch and found.epoch.epoch) == (whole.model, 4 if keep == "best" else 6)
    losses = [[(one.epoch, one.train_loss, one.validation_loss) for one in each.history] for each in (found, whole)]
    assert losses[0] == losses[1] and len(losses[0]) == 6


def test_within_the_first_epoch_there_is_a_model_already() -> None:
    def finish(model: Any) -> Any:
        return model + 0.25

    saved = list[Any]()
    clock = Clock()
    trainer = Finishing(Fake(clock, rounds=3), finish)
    found = train(trainer, data_of(1), None, on_best=saved.append, limit=TimeLimit(1, clock))
    assert found.stopped == "training.max_seconds = 1: in epoch 1 of 6, after round 1"
    assert (found.epoch, found.history) == (None, [])
    assert found.model is saved[-1] and saved == [10.25]  # the first round's 10, and the step after the epochs


def test_what_is_solved_in_one_step_says_that_it_does_not_stop() -> None:
    class Solved(Fake):
        in_epochs = False

    told = list[str]()
    clock = Clock()
    trainer = Solved(clock)
    trainer.epochs = 1
    found = train(trainer, data_of(1), None, say=told.append)
    assert told == ["this model is solved in one step: training.max_seconds does not stop it"]
    assert found.stopped is None and found.epoch is not None
    train(trainer, data_of(0), None, say=told.append)
    assert len(told) == 1


def test_a_limit_below_0_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"training\.max_seconds"):
        data_of(-1)


def test_the_test_loss_is_a_last_column_where_it_is_measured(tmp_path: Path) -> None:
    for on in (True, False):
        run = tmp_path / str(on)
        run.mkdir()
        said = list[Progress]()
        for limit in (1, 0):  # it stays a column when training goes on
            clock = Clock()
            train(Fake(clock), data_of(limit, on), run, said.append, limit=TimeLimit(limit, clock))
        told = [str(progress) for progress in said]
        header = (run / "history.csv").read_text().split("\n")[0]
        assert header.endswith("validation_seconds,test_loss" if on else ",validation_seconds")
        losses = [one.test_loss for one in read_history(run / "history.csv")]
        assert losses == ([1.5, 2.5, 3.5, 4.5, 5.5, 6.5] if on else [None] * 6)
        assert len(told) == 6
        assert all((" test " in line) is on for line in told)
        assert not on or "  validation 93  test 6.5  " in told[-1]
