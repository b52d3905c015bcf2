"""Local SGD over Spark: the same as the workers' rounds done one after the other, whatever is lost on the way."""

import os
from pathlib import Path

import numpy as np
import pytest
from rounds_by_hand import (
    COLUMNS,
    PREPROCESSING,
    USERS,
    WORKERS,
    config_of,
    data_of,
    drawn_part,
    examples_of,
    one_after_the_other,
    parts_of,
    start_of,
    train_in,
)

from recsys.data.blocks import Block
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.errors import UserError
from recsys.evaluation.loss import mean_losses
from recsys.models.autoencoder.families import DenoisingAutoencoder
from recsys.registries import loss_named
from recsys.training.checkpoint import Checkpoints
from recsys.training.history import read_history
from recsys.training.local_sgd.kept import Ready, RowsMissing
from recsys.training.local_sgd.rounds import Rounds
from recsys.training.local_sgd.worker import Delta, Task, measure
from recsys.training.loop import train
from recsys.training.state import Moments, Position, Snapshot


@pytest.mark.parametrize("training", [{"outer": "mean"}, {"outer": "nesterov", "syncs_per_epoch": 3}])
def test_rounds_over_spark_are_the_workers_rounds(spark, tmp_path, training):
    config, parts = config_of(epochs=2, **training), parts_of(spark)
    expected, _, plan = one_after_the_other(config, parts, start_of(config), epochs=2)
    found, epochs, _ = train_in(tmp_path, config, parts)
    assert epochs == [1, 2]
    np.testing.assert_allclose(plan.layout.from_keras(found), expected, atol=1e-6)
    history = read_history(tmp_path / "history.csv")
    assert [(one.rows, one.workers) for one in history] == [(USERS, WORKERS)] * 2
    blocks = parts[VALIDATION].blocks.collect()
    weights = plan.layout.from_keras(found)
    roles = ((VALIDATION, (6,)),)
    task = Task(plan, examples_of(config), "losses", 3, 1, 2, 0, 1, 4, 0.01, roles=roles)
    ((_, _, total, weight),) = measure(task, weights, 0, blocks)
    assert history[-1].validation_loss == pytest.approx(total / weight, rel=1e-5)
    split = history[-1].split
    assert split.compute > 0 and split.validation > 0
    assert split.data + split.compute + split.reduce + split.broadcast + split.validation <= history[-1].seconds + 0.1


def test_more_workers_than_rows_take_part(spark, tmp_path):
    """Empty partitions, and partitions of one row, which Elephas would have counted and not trained."""
    config, parts = (
        config_of(epochs=1, workers=9),
        {TRAIN: drawn_part(spark, 7, 9), VALIDATION: drawn_part(spark, 6, 9)},
    )
    found, _, _ = train_in(tmp_path, config, parts)
    expected, _, plan = one_after_the_other(config, parts, start_of(config), epochs=1)
    np.testing.assert_allclose(plan.layout.from_keras(found), expected, atol=1e-6)


@pytest.mark.parametrize("syncs", [1, 2])
def test_a_run_that_was_stopped_ends_with_the_same_weights(spark, tmp_path, syncs):
    config, parts = config_of(checkpoint_seconds=0, syncs_per_epoch=syncs), parts_of(spark)
    never = config_of(checkpoint_seconds=3600, syncs_per_epoch=syncs)
    whole, _, _ = train_in(tmp_path / "whole", never, parts)
    assert not (tmp_path / "whole" / "checkpoints").exists()

    class Killed(BaseException):
        pass

    def kill(progress):
        if progress.epoch.epoch == 2:
            raise Killed

    (tmp_path / "killed").mkdir()
    data = data_of(config, parts)
    with pytest.raises(Killed):
        train(DenoisingAutoencoder.trainer(data), data, tmp_path / "killed", on_epoch=kill)
    resumed, epochs, told = train_in(tmp_path / "killed", config, parts)
    assert epochs == [3, 4] and told == ["going on at epoch 3"]
    for one, other in zip(whole, resumed, strict=True):
        assert np.array_equal(one, other)
    histories = [read_history(tmp_path / name / "history.csv") for name in ("whole", "killed")]
    losses = [[(one.epoch, one.train_loss, one.validation_loss) for one in history] for history in histories]
    assert losses[0] == losses[1] and len(losses[0]) == 4
    again, epochs, _ = train_in(tmp_path / "killed", config, parts)  # it had ended: nothing is trained
    assert epochs == [] and all(np.array_equal(one, other) for one, other in zip(whole, again, strict=True))


def test_a_time_limit_stops_between_rounds_and_it_ends_with_the_same_weights(spark, tmp_path):
    """Every call has time for one round of two, the losses of an epoch included."""
    config, parts = config_of(epochs=2, syncs_per_epoch=2), parts_of(spark)
    whole, _, _ = train_in(tmp_path / "whole", config, parts)
    limited = config_of(epochs=2, syncs_per_epoch=2, max_seconds=0.001, checkpoint_seconds=3600, test_loss=True)
    parts[TEST] = drawn_part(spark, 5, WORKERS, seed=2)
    stops, told = list[str | None](), list[str]()
    while not stops or stops[-1]:
        data = data_of(limited, parts)
        trained = train(DenoisingAutoencoder.trainer(data), data, tmp_path, say=told.append)
        stops.append(trained.stopped)
    assert [stop and stop.partition(": ")[2] for stop in stops] == [
        "in epoch 1 of 2, after round 1", "after epoch 1 of 2", "in epoch 2 of 2, after round 1", None,
    ]  # fmt: skip
    assert told == ["going on at epoch 1, round 1", "going on at epoch 2", "going on at epoch 2, round 1"]
    assert isinstance(trained.model, DenoisingAutoencoder)
    assert all(np.array_equal(one, other) for one, other in zip(trained.model.weights, whole, strict=True))
    shared = spark.sparkContext.broadcast(trained.model.scorer())
    measured = mean_losses(parts, shared, examples_of(config), loss_named("masked_mse").of(PREPROCESSING))
    assert read_history(tmp_path / "history.csv")[-1].test_loss == pytest.approx(measured[TEST].loss, rel=1e-5)


def lose_states(spark, workers=""):
    """Deletes what workers keep from round to round: of all, or of some ("02" are the first and the third)."""

    def delete(_):
        folders = os.environ["SPARK_LOCAL_DIRS"].split(",")
        found = [path for folder in folders for path in Path(folder).glob(f"howdah-*/state-*-[{workers or '0-9'}]")]
        for path in found:
            path.unlink()
        return [len(found)]

    assert sum(spark.sparkContext.parallelize([0], 1).mapPartitions(delete).collect()) >= len(workers or "1")


@pytest.mark.parametrize("saved", [False, True])
def test_moments_that_were_lost_are_trained_again(spark, tmp_path, saved):
    """From the beginning, or from the checkpoint after the second epoch."""
    config, parts = config_of(), parts_of(spark)

    def trained(lose):
        trainer = DenoisingAutoencoder.trainer(data_of(config, parts))
        for epoch in (1, 2, 3, 4):
            trainer.train_epoch(epoch)
            if epoch == 2 and saved:
                arrays, moments = trainer.state()
                snapshot = Snapshot(Position(3), [], arrays, [])
                trainer.saved(Checkpoints(tmp_path / f"{lose}", 0).save(snapshot, moments))
            if lose and epoch > 1:
                lose_states(spark, "02" if epoch == 3 else "")
        arrays, moments = trainer.state()
        result = arrays["weights"], [(one.worker, one.step, one.values) for one in moments]
        trainer.close()
        return result

    kept, lost = trained(False), trained(True)
    assert np.array_equal(kept[0], lost[0])
    assert [worker for worker, _, _ in kept[1]] == list(range(WORKERS))
    for (worker, step, values), (other, other_step, other_values) in zip(kept[1], lost[1], strict=True):
        assert (worker, step) == (other, other_step) and np.array_equal(values, other_values)


def test_a_run_that_went_on_has_moments_that_may_be_lost(spark, tmp_path):
    """They begin again with those that the run went on from."""
    config, parts = config_of(outer="mean"), parts_of(spark)
    weights, states, _ = one_after_the_other(config, parts, start_of(config), epochs=2)

    def trained(lose):
        trainer = DenoisingAutoencoder.trainer(data_of(config, parts))
        trainer.restore(Snapshot(Position(3), [], {"weights": weights}, list(states.values())))
        for epoch in (3, 4):
            trainer.train_epoch(epoch)
            if lose:
                lose_states(spark)
        result = trainer.state()[0]["weights"], [(one.step, one.values.tolist()) for one in trainer.state()[1]]
        trainer.close()
        return result

    kept, lost = trained(False), trained(True)
    assert np.array_equal(kept[0], lost[0]) and kept[1] == lost[1]
    assert [step for step, _ in kept[1]] == [one.step * 2 for one in states.values()]


def counting(missing, had_blocks):
    """A worker whose state tells which rounds it did. One misses its rows where `missing` exists, until blocks come."""

    def worker(number, elements):
        elements = list(elements)
        had_blocks.extend(one for one in elements if isinstance(one, Block))
        if number == 2 and missing.exists() and not had_blocks:
            raise RowsMissing
        before = [one for one in elements if isinstance(one, Moments)]
        step = before[0].step + 1 if before else 1
        value = (before[0].values if before else np.zeros(1, np.float32)) * 2 + number + step
        rows = 6 if number < 3 else 5
        yield Moments(number, step, value)
        yield Delta(number, rows, value * np.ones(2, np.float32), 0.0, 0.0)

    return worker


def rounds_of(spark, part, missing, lost=None):
    """(deltas, moments) of four rounds; after two of them these workers' states are lost."""
    rounds, deltas, had_blocks = Rounds(part, "counted"), [], list[Block]()
    rounds.prepare(lambda number, _: iter([Ready(number)]))
    for number in range(4):
        if number == 2 and lost is not None:
            lose_states(spark, lost)
        weights = spark.sparkContext.broadcast(np.zeros(2, np.float32))
        deltas.append(rounds.run(counting(missing, had_blocks), weights, USERS).delta)
    moments = [(one.worker, one.step, one.values.tolist()) for one in rounds.moments()]
    rounds.close()
    return np.array(deltas), moments


def test_a_worker_without_its_rows_or_its_state_comes_to_the_same(spark, tmp_path):
    """Its state, its rows, or both."""
    part, missing = drawn_part(spark, USERS, WORKERS), tmp_path / "missing"
    deltas, moments = rounds_of(spark, part, missing)
    assert [(worker, step) for worker, step, _ in moments] == [(worker, 4) for worker in range(WORKERS)]
    for lost in ("02", "", None):
        again, same = rounds_of(spark, part, missing, lost)
        assert np.array_equal(again, deltas) and same == moments
        missing.touch()


def test_moments_that_are_missing_are_trained_again(spark, tmp_path):
    part, missing, had_blocks = drawn_part(spark, USERS, WORKERS), tmp_path / "missing", list[Block]()
    rounds = Rounds(part, "counted")
    rounds.prepare(lambda number, _: iter([Ready(number)]))
    for _ in range(2):
        rounds.run(counting(missing, had_blocks), spark.sparkContext.broadcast(np.zeros(2, np.float32)), USERS)
    kept = [(one.worker, one.step, one.values.tolist()) for one in rounds.moments()]
    missing.touch()
    lose_states(spark, "13")
    assert [(one.worker, one.step, one.values.tolist()) for one in rounds.moments()] == kept
    assert [worker for worker, _, _ in kept] == [0, 1, 2, 3]
    rounds.close()


def test_nothing_is_left_on_disk(spark):
    def listed(_):
        folders = os.environ["SPARK_LOCAL_DIRS"].split(",")
        return [name for folder in folders for name in os.listdir(folder) if name.startswith("howdah-")]

    def left():
        return set(spark.sparkContext.parallelize([0], 1).mapPartitions(listed).collect())

    config, parts, before = config_of(), parts_of(spark), left()
    trainer = DenoisingAutoencoder.trainer(data_of(config, parts))
    trainer.train_epoch(1)
    assert len(left() - before) == 1
    trainer.losses()
    trainer.close()
    assert left() <= before


def test_rows_that_were_not_trained_are_noticed(spark):
    part = drawn_part(spark, USERS, WORKERS)
    rounds = Rounds(part, "lazy")
    weights = spark.sparkContext.broadcast(np.zeros(2, np.float32))

    def lazy(worker, elements):
        rows = sum(one.rows for one in elements) - (worker == 2)
        yield Delta(worker, rows, np.ones(2, np.float32), 0.0, 0.0)

    with pytest.raises(RuntimeError, match="workers trained 22 rows of 23"):
        rounds.run(lazy, weights, USERS)


def test_a_loss_that_is_not_finite_ends_training_with_a_remedy(spark, tmp_path):
    config = config_of(learning_rate=1e30)
    with pytest.raises(UserError, match=r"lower training\.learning_rate"):
        train_in(tmp_path, config, parts_of(spark))


def test_a_loss_of_some_rows_does_not_depend_on_partitions(spark):
    """And is that of so many rows: their own losses, added up."""
    config = config_of()
    examples, found = examples_of(config), []
    model = DenoisingAutoencoder(config.model, PREPROCESSING, COLUMNS, start_of(config))
    shared, loss = spark.sparkContext.broadcast(model.scorer()), loss_named("masked_mse")
    for workers in (2, 5):
        part = drawn_part(spark, 400, workers)
        measured = mean_losses({TRAIN: part, VALIDATION: part}, shared, examples, loss, {TRAIN: 120})
        found.append(measured[TRAIN])
        assert measured[VALIDATION].rows == 400
        part.blocks.unpersist()
    assert found[0].rows == found[1].rows and 80 < found[0].rows < 160  # three in ten, by their hashes
    assert found[0].loss == pytest.approx(found[1].loss, rel=1e-6)
    assert found[0].loss == pytest.approx(measured[VALIDATION].loss, rel=0.2)
    assert found[0].loss != measured[VALIDATION].loss
