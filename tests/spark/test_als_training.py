"""ALS over Spark: the sweeps of the dense reference, whatever the partitions and pieces, and after a kill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from als_reference import Dense
from parts import part_of
from small_ratings import block_of

from recsys.config.load import build_config
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.evaluation.loss import mean_losses
from recsys.models.factorisation.als import alone
from recsys.models.factorisation.als import trainer as als
from recsys.models.factorisation.als.family import Als
from recsys.training.base import Kept, TrainingData
from recsys.training.loop import train

COLUMNS, USERS = 11, 23
SCALE = Preprocessing(1.0, 5.0)
LIKES = Preprocessing(1.0, 5.0, positive_from=3.0)
COUNTS = Preprocessing(1.0, 5.0, feedback="counts", weights="log")
WALS = {"unobserved_weight": 0.2, "observed_weight": 3.0, "observed_weight_by": "linear"}


def dense_ratings(users=USERS, seed=0, low=1.0):
    """Rectangular; movie 4 has no rating, movie 5 has all."""
    draw = np.random.default_rng(seed)
    known = draw.random((users, COLUMNS)) < 0.4
    known[:, 4], known[:, 5] = False, True
    return np.where(known, draw.integers(0, 5, known.shape) + low, 0.0), known


def drawn_part(spark, users=USERS, workers=2, seed=0):
    """The users of `dense_ratings`."""
    return part_of(spark, block_of(dense_ratings(users, seed)[0], np.arange(users)), workers)


def data_of(spark, model, workers=2, users=USERS, preprocessing=SCALE, split="user", **training):
    settings = {"workers": workers, "epochs": 3, "keep": "last", **training}
    table = {"kind": "als", "factors": 3, "l2": 0.3, "l2_power": 0.5, **model}
    data = {"dataset": "ml-1m", "split": split, "validation_fraction": 0.2}
    config = build_config({"seed": 3, "data": data, "model": table, "training": settings})
    parts = {
        TRAIN: drawn_part(spark, users, workers),
        VALIDATION: drawn_part(spark, users if split == "rating" else 6, workers, 0 if split == "rating" else 1),
    }
    if config.training.test_loss:
        parts[TEST] = drawn_part(spark, 7, workers, 2)
    return TrainingData(config, Examples.of(config, COLUMNS, preprocessing), parts, 0.4)


def reference(data, ratings, known):
    """(movies' factors after the epochs, the dense problem), movies as rows of the columns."""
    config, preprocessing = data.config.model, data.preprocessing
    weights = np.broadcast_to(np.asarray(config.observed(known.sum(axis=0)), float), known.shape)
    if preprocessing.positive_from is not None:
        known = known & (ratings >= preprocessing.positive_from)
        weights = np.broadcast_to(np.asarray(config.observed(known.sum(axis=0)), float), known.shape)
    if preprocessing.weighted:
        weights = weights * np.where(known, 1 + np.log(np.maximum(ratings, 1)), 0)
    targets = known.astype(float) if preprocessing.likes else ratings
    mean = targets[known].mean() if config.has_biases else 0.0
    case = Dense(targets, known, weights, config.l2, config.l2_power, config.unobserved_weight, config.has_biases, mean)
    trainer = Als.trainer(data)
    first = trainer.weights()[0]
    trainer.close()
    return case.sweeps(first, data.config.training.epochs), case


def trained(data, piece_bytes=als.PIECE_BYTES, folder=None):
    if folder:
        folder.mkdir(exist_ok=True)
    trainer = als.AlsTrainer(data, Als, piece_bytes)
    done = train(trainer, data, folder)
    return done.model, done.history


@pytest.mark.parametrize(
    ("model", "preprocessing"),
    [({}, SCALE), (WALS, SCALE), ({**WALS, "observed_weight_by": "log"}, LIKES), ({"unobserved_weight": 0.1}, COUNTS)],
    ids=["explicit", "wals", "likes", "counts"],
)
@pytest.mark.parametrize("workers", [1, 3])
def test_training_is_the_sweeps_of_the_reference(spark, model, preprocessing, workers):
    data = data_of(spark, model, workers, preprocessing=preprocessing, epochs=3)
    (_, movies), case = reference(data, *dense_ratings())
    found, history = trained(data)
    np.testing.assert_allclose(found.movies.factors, movies[:, :3], atol=2e-4)
    if case.biases:
        np.testing.assert_allclose(found.movies.biases, movies[:, 3], atol=2e-4)
        assert found.movies.mean == pytest.approx(case.mean)
    # the scorer's own users and outputs, dense, have the same losses as the sparse sums within the sweep
    shared = spark.sparkContext.broadcast(found.scorer())
    measured = mean_losses(data.parts, shared, data.examples, data.loss)
    assert history[-1].train_loss == pytest.approx(measured[TRAIN].loss, rel=1e-3)
    assert history[-1].validation_loss == pytest.approx(measured[VALIDATION].loss, rel=1e-3)
    block = block_of(dense_ratings()[0], np.arange(USERS))
    users = found.scorer().user_factors(block.matrix(COLUMNS))
    np.testing.assert_allclose(users, case.rows_given(movies), atol=1e-3)


@pytest.mark.parametrize("model", [{}, {"unobserved_weight": 0.1}], ids=["explicit", "implicit"])
def test_pieces_change_nothing(spark, model):
    """Pieces of 4 users or movies: some end within a worker's users."""
    data = data_of(spark, model, workers=3)
    (whole, history), (cut, history_cut) = trained(data), trained(data, 4 * 4 * 4)
    np.testing.assert_allclose(cut.movies.factors, whole.movies.factors, atol=1e-4)
    assert history_cut[-1].train_loss == pytest.approx(history[-1].train_loss, rel=1e-4)
    assert history_cut[-1].validation_loss == pytest.approx(history[-1].validation_loss, rel=1e-4)


@pytest.mark.parametrize(
    "terms",
    [
        {"implicit": "users"},
        {"implicit": "both"},
        {"implicit": "both", "implicit_power": 1.0, "implicit_shrinkage": 2.0, "l2_bias": 0.1},
    ],
    ids=["users", "both", "means"],
)
@pytest.mark.parametrize("workers", [1, 3])
def test_implicit_terms_are_those_of_the_scorer_and_the_same_at_any_number_of_workers(spark, tmp_path, terms, workers):
    model = {"implicit_l2": 2.0, **terms}
    data = data_of(spark, model, workers, test_loss=True)
    found, history = trained(data)
    found.save(tmp_path)
    shared = spark.sparkContext.broadcast(Als.load(tmp_path).scorer())
    measured = mean_losses(data.parts, shared, data.examples, data.loss)
    last = history[-1]
    for role, loss in ((TRAIN, last.train_loss), (VALIDATION, last.validation_loss), (TEST, last.test_loss)):
        assert loss == pytest.approx(measured[role].loss, rel=1e-3)
    assert found.movies.implicit is not None and np.abs(found.movies.implicit).max() > 0.01
    other, _ = trained(data_of(spark, model, workers=2))
    np.testing.assert_allclose(found.movies.factors, other.movies.factors, atol=1e-4)
    np.testing.assert_allclose(found.movies.implicit, other.movies.implicit, atol=1e-4)
    without, _ = trained(data_of(spark, {}, workers))
    assert np.abs(found.movies.factors - without.movies.factors).max() > 0.01


@pytest.mark.parametrize("model", [{}, {"unobserved_weight": 0.1}], ids=["explicit", "implicit"])
def test_held_out_ratings_of_the_same_users_are_the_validation(spark, model):
    data = data_of(spark, model, split="rating")
    data = replace(data, parts={**data.parts, TEST: data.parts[VALIDATION]})  # all users have each role
    found, history = trained(data)
    shared = spark.sparkContext.broadcast(found.scorer())
    measured = mean_losses(data.parts, shared, data.examples, data.loss)
    assert history[-1].train_loss == pytest.approx(measured[TRAIN].loss, rel=1e-3)
    assert history[-1].validation_loss == pytest.approx(measured[VALIDATION].loss, rel=1e-3)
    assert history[-1].test_loss == pytest.approx(measured[TEST].loss, rel=1e-3)
    assert history[-1].validation_loss > history[-1].train_loss


def test_no_factor_is_negative(spark):
    found, history = trained(data_of(spark, {"nonnegative": True, "unobserved_weight": 0.1}))
    factors = found.movies.factors
    users = found.scorer().user_factors(block_of(dense_ratings()[0], np.arange(USERS)).matrix(COLUMNS))
    assert factors.min() == 0 and users.min() == 0 and (factors > 0).any() and (users > 0).any()
    data = data_of(spark, {"nonnegative": True, "unobserved_weight": 0.1})
    shared = spark.sparkContext.broadcast(found.scorer())
    assert history[-1].train_loss == pytest.approx(
        mean_losses(data.parts, shared, data.examples, data.loss)[TRAIN].loss, rel=1e-3
    )


@pytest.mark.parametrize(
    ("model", "rebase", "workers"),
    [
        ({"unobserved_weight": 0.1}, 10, 2),
        ({"unobserved_weight": 0.1, "solver": "block", "block_size": 2}, 1, 2),
        ({"implicit": "both", "implicit_l2": 2.0}, 10, 2),
        ({}, 10, 1),
    ],
    ids=["cholesky", "block", "implicit terms", "one worker"],
)
def test_a_run_that_was_stopped_ends_with_the_same_factors(spark, tmp_path, monkeypatch, model, rebase, workers):
    monkeypatch.setattr(als, "REBASE_ROUNDS", rebase)
    whole, _ = trained(data_of(spark, model, workers, checkpoint_seconds=3600))
    data = data_of(spark, model, workers, checkpoint_seconds=0)

    class Killed(BaseException):
        pass

    def kill(progress):
        if progress.epoch.epoch == 1:
            raise Killed

    with pytest.raises(Killed):
        train(Als.trainer(data), data, tmp_path, on_epoch=kill)
    resumed, history = trained(data, folder=tmp_path)
    assert np.array_equal(resumed.movies.factors, whole.movies.factors)
    assert [one.epoch for one in history] == [1, 2, 3]


@pytest.mark.parametrize("solver", ["cholesky", "cg"])
def test_users_that_were_lost_are_computed_again(spark, solver):
    data = data_of(spark, {"unobserved_weight": 0.1, "solver": solver})

    def factors(lose):
        trainer = als.AlsTrainer(data, Als)
        for epoch in (1, 2, 3):
            trainer.train_epoch(epoch)
            if lose:
                assert trainer._solved is not None
                trainer._solved.unpersist(blocking=True)
                trainer._movies.unpersist(blocking=True)
        result = trainer.weights()[0]
        trainer.close()
        return result

    assert np.array_equal(factors(False), factors(True))


def test_one_worker_trains_all_its_epochs_in_one_job_and_prepares_the_ratings_once(spark, monkeypatch):
    monkeypatch.setattr(alone, "STRETCH_SECONDS", 60.0)
    data = replace(data_of(spark, {}, workers=1, epochs=4), kept=Kept())
    jobs = []
    for factors in (3, 2, 4):
        table = data.config.model.model_copy(update={"factors": factors})
        before = spark.sparkContext._jsc.sc().dagScheduler().numTotalJobs()
        found, history = trained(replace(data, config=data.config.model_copy(update={"model": table})))
        jobs.append(spark.sparkContext._jsc.sc().dagScheduler().numTotalJobs() - before)
        assert len(history) == 4 and found.movies.factors.shape == (COLUMNS, factors)
    assert jobs == [2, 1, 1]
    data.kept.close()


@pytest.mark.parametrize(("users", "workers"), [(1, 1), (5, 8)])
def test_few_users_and_workers_without_any(spark, users, workers):
    data = data_of(spark, {"unobserved_weight": 0.1}, workers, users, epochs=2)
    (_, movies), _ = reference(data, *dense_ratings(users))
    found, _ = trained(data)
    np.testing.assert_allclose(found.movies.factors, movies, atol=2e-4)


def test_ratings_of_0_and_below_are_ratings(spark):
    """A scale from -2 to 2 is that of 1 to 5 stars, moved: the same model."""
    scale = Preprocessing(-2.0, 2.0)
    data = data_of(spark, {}, preprocessing=scale)
    moved = replace(data, parts={role: _moved(part) for role, part in data.parts.items()})
    found, history = trained(moved)
    expected, expected_history = trained(data_of(spark, {}))
    np.testing.assert_allclose(found.movies.factors, expected.movies.factors, atol=1e-4)
    assert history[-1].train_loss == pytest.approx(expected_history[-1].train_loss, rel=1e-4)


def _moved(part):
    """Three less for each rating."""
    blocks = part.blocks.mapPartitions(
        lambda blocks: [replace(block, ratings=block.ratings - np.float32(3)) for block in blocks],
        preservesPartitioning=True,
    )
    return Part(blocks, part.rows, part.workers)
