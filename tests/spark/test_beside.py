"""The next epoch's first round beside the losses of this one: the same training, and nothing is left running."""

import time

import numpy as np
import pytest
from rounds_by_hand import config_of, data_of, parts_of, train_in

from recsys.data.split import TRAIN, VALIDATION
from recsys.models.autoencoder.families import DenoisingAutoencoder
from recsys.training.history import read_history
from recsys.training.local_sgd.beside import Beside
from recsys.training.local_sgd.rounds import spare_cores


def one_worker(spark, **training):
    return config_of(workers=1, **training), parts_of(spark, 1)


def test_cores_are_spare_where_workers_leave_some(spark):
    assert [spare_cores(spark.sparkContext, workers) for workers in (1, 2, 8)] == [1, 0, 0]


def test_the_epoch_that_has_begun_changes_nothing_before_its_turn(spark):
    config, parts = one_worker(spark)
    trainer = DenoisingAutoencoder.trainer(data_of(config, parts))
    trainer.train_epoch(1)
    alone, before = trainer.losses(), trainer.weights()
    assert trainer.beside() == 0.0
    trainer.begin(2)
    assert trainer.losses() == alone
    assert trainer.beside() > 0.0
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(trainer.weights(), before, strict=True))
    trainer.train_epoch(2)
    assert not np.array_equal(trainer.weights()[0], before[0])
    trainer.close()


@pytest.mark.parametrize("rounds", [1, 3])
def test_training_is_the_same_as_without(spark, tmp_path, rounds):
    config, parts = one_worker(spark, syncs_per_epoch=rounds)
    trainer = DenoisingAutoencoder.trainer(data_of(config, parts))
    losses = []
    for epoch in range(1, config.training.epochs + 1):
        trainer.train_epoch(epoch)
        losses.append(trainer.losses())
    expected = trainer.weights()
    trainer.close()
    found, epochs, _ = train_in(tmp_path, config, parts)
    assert epochs == [1, 2, 3, 4]
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(found, expected, strict=True))
    history = read_history(tmp_path / "history.csv")
    assert [(one.train_loss, one.validation_loss) for one in history] == [
        (one[TRAIN], one[VALIDATION]) for one in losses
    ]


def test_where_all_cores_work_nothing_begins(spark):
    trainer = DenoisingAutoencoder.trainer(data_of(config_of(), parts_of(spark)))  # four workers, two cores
    trainer.train_epoch(1)
    trainer.begin(2)
    trainer.losses()
    assert trainer.beside() == 0.0
    trainer.close()


def test_a_round_that_has_begun_ends_with_the_training(spark):
    context = spark.sparkContext
    config, parts = one_worker(spark)
    trainer = DenoisingAutoencoder.trainer(data_of(config, parts))
    trainer.train_epoch(1)
    trainer.begin(2)
    trainer.close()
    assert not context.statusTracker().getActiveJobsIds()


def test_what_fails_beside_is_said_when_its_result_is_asked_for(spark):
    def broken():
        raise ValueError("beside")

    work = Beside(spark.sparkContext, broken)
    with pytest.raises(ValueError, match="beside"):
        work.result()


def test_a_job_beside_is_cancelled_at_once(spark):
    context = spark.sparkContext
    work = Beside(context, lambda: context.parallelize([0], 1).foreach(lambda _: time.sleep(600)))
    while not context.statusTracker().getActiveJobsIds():
        time.sleep(0.05)
    work.cancel()
    assert not context.statusTracker().getActiveJobsIds()
    assert context.parallelize([1, 2], 2).sum() == 3
