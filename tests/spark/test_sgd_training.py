"""Factorisation by gradient descent over Spark: the same however it is shared out, stopped or cut in stretches."""

import numpy as np
import pytest
from parts import part_of
from small_ratings import block_of

from recsys.config.load import build_config
from recsys.data.blocks import Block, hash_users
from recsys.data.examples import Examples
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.errors import UserError
from recsys.models.factorisation.scorer import Ridge
from recsys.models.factorisation.sgd import ratings
from recsys.models.factorisation.sgd import trainer as sgd
from recsys.models.factorisation.sgd.family import BiasedMf, Mf
from recsys.models.factorisation.sgd.parameters import Side
from recsys.models.factorisation.sgd.ratings import Source
from recsys.models.factorisation.sgd.worker import Result, train_block
from recsys.training.base import TrainingData
from recsys.training.history import read_history
from recsys.training.local_sgd.kept import Ready, RowsMissing
from recsys.training.loop import train
from recsys.training.state import Moments

COLUMNS, USERS = 11, 23
SCALE = Preprocessing(0.5, 5.0)


def dense_ratings(users=USERS, columns=COLUMNS, seed=0, density=0.6):
    generator = np.random.default_rng(seed)
    return generator.integers(1, 11, (users, columns)) / 2 * (generator.random((users, columns)) < density)


def data_of(spark, workers=1, kind="biased_mf", split="rating", block=None, scale=SCALE, model=(), **training):
    """Where ratings are split every user has every role; where users are, six others are the validation."""
    table = {"kind": kind, "factors": 3, "learning_rate": 0.05, "l2": 0.05, "decay": 1.0, **dict(model)}
    table = {name: value for name, value in table.items() if value is not None}
    settings = {"workers": workers, "epochs": 5, **training}
    data = {"dataset": "ml-1m", "split": split, "test_fraction": 0.1, "validation_fraction": 0.2}
    config = build_config({"seed": 3, "data": data, "model": table, "training": settings})
    block = block_of(dense_ratings(), np.arange(USERS)) if block is None else block
    others = block if split == "rating" else block_of(dense_ratings(6, seed=1), np.arange(100, 106))
    parts = {TRAIN: part_of(spark, block, workers), VALIDATION: part_of(spark, others, workers)}
    if config.training.test_loss:
        parts[TEST] = parts[TRAIN]
    return TrainingData(config, Examples.of(config, COLUMNS, scale), parts, 0.5)


def trained(data, folder=None, family=BiasedMf):
    found = train(family.trainer(data), data, folder)
    return found.model, [(one.epoch, one.train_loss, one.validation_loss) for one in found.history]


def trainer_of(data):
    trainer = BiasedMf.trainer(data)
    assert isinstance(trainer, sgd.SgdTrainer)
    return trainer


def assert_near(one, other, rtol=1e-4, atol=1e-5):
    np.testing.assert_allclose(one.movies.factors, other.movies.factors, rtol=rtol, atol=atol)
    np.testing.assert_allclose(one.movies.biases, other.movies.biases, rtol=rtol, atol=atol)
    assert one.movies.mean == pytest.approx(other.movies.mean)


def assert_same(one, other):
    assert np.array_equal(one.movies.factors, other.movies.factors)
    assert np.array_equal(one.movies.biases, other.movies.biases)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_summed_gradients_are_one_workers_at_any_number_of_workers(spark, optimizer):
    def result(workers):
        model = {"optimizer": optimizer, "momentum": 0.5}
        return trained(data_of(spark, workers, model=model, strategy="gradient_sum", keep="last", epochs=3))

    alone, losses = result(1)
    assert losses[-1][1] < losses[0][1]
    for workers in (2, 3, 8):
        together, found = result(workers)
        assert_near(together, alone)
        np.testing.assert_allclose(found, losses, rtol=1e-4)


def one_after_the_other(data, epochs):
    """What the workers' sub-rounds come to without Spark: movies' parameters."""
    trainer = trainer_of(data)
    plan, movies, workers = trainer._plan, trainer._movies, data.config.training.workers
    block_of_movie = trainer._block_of.value
    own = data.parts[TRAIN].blocks.glom().collect()
    states: list[list[Moments]] = [[] for _ in own]
    trained_ratings = 0
    for epoch in range(1, epochs + 1):
        for number in range(workers):
            after = movies.copied()
            for worker in range(workers):
                block = (worker + number) % workers
                made = train_block(
                    plan, movies, block_of_movie, block, 0.05, [3, epoch, worker, number], worker,
                    [*states[worker], *own[worker]],
                )  # fmt: skip
                state, result = made
                assert isinstance(state, Moments) and isinstance(result, Result)
                states[worker] = [state]
                rows = np.flatnonzero(block_of_movie == block)
                after.put(rows, Side(result.value, len(rows), 3))
                trained_ratings += result.errors.ratings
            movies = after
    trainer.close()
    assert trained_ratings == epochs * trainer._counts.sum()
    return movies


@pytest.mark.parametrize("workers", [2, 3])
def test_rotation_over_spark_is_the_workers_sub_rounds(spark, workers):
    data = data_of(spark, workers, epochs=2, keep="last")
    expected = one_after_the_other(data, 2)
    model, _ = trained(data)
    np.testing.assert_array_equal(model.movies.factors, expected.factors())
    np.testing.assert_array_equal(model.movies.biases, expected.biases())


def test_losses_are_means_on_the_scale_of_rating_arrays(spark):
    """With one worker and with three: of the users' own factors, at the ratings of each role."""
    for workers in (1, 3):
        data = data_of(spark, workers, epochs=1, model={"learning_rate": 1e-9, "init_scale": 1e-9}, test_loss=True)
        trainer = BiasedMf.trainer(data)
        (one,), mean = train(trainer, data, None).history, trainer.weights()[2]
        for role, found in ((TRAIN, one.train_loss), (VALIDATION, one.validation_loss), (TEST, one.test_loss)):
            stars = []
            for block in data.parts[TRAIN].blocks.collect():
                stars.extend(data.examples.arrays(block, role)[1].data)
            assert len(stars) > 10
            assert found == pytest.approx(np.mean((np.array(stars) - mean) ** 2) / 25, rel=1e-4)


@pytest.mark.parametrize("workers", [1, 2])
def test_validation_users_are_solved_for_from_their_ratings(spark, workers):
    data = data_of(spark, workers, split="user", epochs=2, keep="last")
    model, losses = trained(data)
    total = count = 0
    for block in data.parts[VALIDATION].blocks.collect():
        raw = block.matrix(COLUMNS)
        found = model.scorer().score(raw)
        rows = np.repeat(np.arange(block.rows), np.diff(raw.indptr))
        total += np.square(raw.data / 5 - found[rows, raw.indices]).sum()
        count += raw.nnz
    assert losses[-1][2] == pytest.approx(total / count, rel=1e-4)


@pytest.mark.parametrize("kind", ["mf", "biased_mf"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_same_seed_gives_the_same_weights_and_another_one_others(spark, kind, optimizer):
    family = {"mf": Mf, "biased_mf": BiasedMf}[kind]
    model = {"optimizer": optimizer, "batch_ratings": 4, "learning_rate": 0.01}
    made = [trained(data_of(spark, kind=kind, model=model, epochs=2), family=family)[0] for _ in range(2)]
    assert_same(*made)
    data = data_of(spark, kind=kind, model=model, epochs=2)
    other = TrainingData(data.config.model_copy(update={"seed": 4}), data.examples, data.parts, 0.5)
    assert not np.array_equal(trained(other, family=family)[0].movies.factors, made[0].movies.factors)


@pytest.mark.parametrize(("strategy", "split"), [("local_sgd", "rating"), ("gradient_sum", "user")])
def test_stretches_of_epochs_are_single_epochs(spark, monkeypatch, strategy, split):
    stretches = list[int]()
    train_stretch = sgd.SgdTrainer._train_stretch

    def noted(trainer, first):
        train_stretch(trainer, first)
        stretches.append(len(trainer._ahead))

    monkeypatch.setattr(sgd.SgdTrainer, "_train_stretch", noted)
    whole, losses = trained(data_of(spark, split=split, strategy=strategy, epochs=12))
    assert max(stretches) > 1 and sum(stretches) == 12
    monkeypatch.setattr(sgd, "_STRETCH_SECONDS", 0)
    stretches.clear()
    single, found = trained(data_of(spark, split=split, strategy=strategy, epochs=12))
    assert stretches == [1] * 12
    assert_same(whole, single)
    assert losses == found


class Killed(BaseException):
    pass


@pytest.mark.parametrize(
    ("workers", "strategy", "split"),
    [(1, "local_sgd", "rating"), (3, "local_sgd", "rating"), (2, "gradient_sum", "user")],
)
def test_a_run_that_was_killed_ends_with_the_same_weights(spark, tmp_path, workers, strategy, split):
    model = {"optimizer": "momentum", "momentum": 0.5, "learning_rate": 0.02}
    common = {"workers": workers, "strategy": strategy, "split": split, "model": model, "epochs": 8}
    whole, losses = trained(data_of(spark, **common))

    def kill(progress):
        if progress.epoch.epoch == 4:  # with one worker within a stretch
            raise Killed

    data = data_of(spark, **common, checkpoint_seconds=0)
    with pytest.raises(Killed):
        train(BiasedMf.trainer(data), data, tmp_path, on_epoch=kill)
    resumed, found = trained(data, tmp_path)
    assert_same(resumed, whole)
    assert found == losses
    assert [one.epoch for one in read_history(tmp_path / "history.csv")] == list(range(1, 9))


def test_a_run_that_was_killed_within_an_epoch_goes_on_within_it(spark, tmp_path, monkeypatch):
    common = {"workers": 3, "epochs": 3}
    whole, losses = trained(data_of(spark, **common))
    data = data_of(spark, **common, checkpoint_seconds=0)
    rotate = sgd.SgdTrainer._rotate

    def until(trainer, epoch, number):
        if (epoch, number) == (2, 2):
            raise Killed
        return rotate(trainer, epoch, number)

    with monkeypatch.context() as patched:
        patched.setattr(sgd.SgdTrainer, "_rotate", until)
        with pytest.raises(Killed):
            trained(data, tmp_path)
    told = list[str]()
    found = train(BiasedMf.trainer(data), data, tmp_path, say=told.append)
    assert told == ["going on at epoch 2, round 2"]
    assert_same(found.model, whole)
    assert [(one.epoch, one.train_loss, one.validation_loss) for one in found.history] == losses


@pytest.mark.parametrize("workers", [1, 2])
def test_training_ends_when_it_gets_no_better_and_keeps_the_best_epoch(spark, workers):
    fast = {"learning_rate": 0.3, "l2": 0.0, "factors": 8}
    model, losses = trained(data_of(spark, workers, model=fast, epochs=60, patience=3))
    best = min(losses, key=lambda one: (one[2], one[0]))[0]
    assert len(losses) == best + 3 < 60
    last, _ = trained(data_of(spark, workers, model=fast, epochs=best, keep="last"))
    assert_same(model, last)


@pytest.mark.parametrize("strategy", ["local_sgd", "gradient_sum"])
@pytest.mark.parametrize("workers", [1, 5])
def test_one_user_one_movie_and_more_workers_than_users(spark, strategy, workers):
    few = np.zeros((2, COLUMNS))
    few[0, 4] = few[1, 4] = 3.0
    one_movie = block_of(few, np.array([2**63 - 1, 7]))
    many = np.zeros((1, COLUMNS))
    many[0, :9] = np.arange(1, 10) / 2
    for block in (one_movie, block_of(many, np.array([2**63 - 1]))):
        data = data_of(spark, workers, split="user", block=block, strategy=strategy, epochs=3)
        model, losses = trained(data)
        assert len(losses) == 3 and np.isfinite(losses).all()
        assert np.isfinite(model.scorer().score(block.matrix(COLUMNS))).all()


def test_ratings_of_0_and_below_on_a_declared_scale_are_trained_on(spark):
    dense = dense_ratings(density=1.0)
    generator = np.random.default_rng(2)
    values = generator.integers(-10, 11, dense.shape)
    values[:3] = 0
    users = np.array([f"user {number}" for number in range(USERS)], object)
    indptr = np.arange(0, dense.size + 1, COLUMNS, dtype=np.int32)
    indices = np.tile(np.arange(COLUMNS, dtype=np.int32), USERS)
    block = Block(users, hash_users(users), indptr, indices, values.ravel().astype(np.float32))
    scale = Preprocessing(-10, 10)
    data = data_of(spark, 2, block=block, scale=scale, epochs=1)
    trainer = trainer_of(data)
    parts = data.examples.parts(block)
    assert trainer._ratings == int((parts == TRAIN).sum())
    stars = scale.scale(block.matrix(COLUMNS)).data * 5
    assert stars.min() >= 1 and trainer._plan.mean == pytest.approx(stars[parts == TRAIN].mean())
    model, losses = trained(data)
    assert np.isfinite(losses).all()
    ratings = scale.to_ratings(model.scorer().score(block.matrix(COLUMNS)))
    assert ratings.min() >= -10 and ratings.max() <= 10


@pytest.mark.parametrize("workers", [1, 2])
def test_a_training_that_diverges_says_which_rate_to_lower(spark, workers):
    data = data_of(spark, workers, model={"learning_rate": 1e4})
    with pytest.raises(UserError, match=r"lower model\.learning_rate = 10000; what was trained before is kept"):
        trained(data)


@pytest.mark.parametrize(
    ("training", "model", "rates"),
    [
        ({}, {"decay": None}, [0.03, 0.03 * 0.93, 0.03 * 0.93**2]),
        ({"strategy": "gradient_sum"}, {"decay": None}, [0.03] * 3),
        ({"schedule": "cosine", "epochs": 3}, {"decay": 0.5}, [0.03, 0.015 * 0.75, 0.0075 * 0.25]),
    ],
)
def test_the_rate_of_each_epoch(spark, training, model, rates):
    trainer = trainer_of(data_of(spark, model={"learning_rate": 0.03, **model}, **training))
    assert [trainer._rate(epoch) for epoch in (1, 2, 3)] == pytest.approx(rates)


def test_ratings_that_were_cut_are_those_of_the_blocks(spark, tmp_path, monkeypatch):
    """Whether they were kept whole before or not; and a worker whose ratings are not there says so."""
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path))
    data = data_of(spark, 2)
    blocks = data.parts[TRAIN].blocks.glom().collect()
    block_of_movie = (np.arange(COLUMNS) % 2).astype(np.int32)
    found = []
    for training in ("kept", "decoded"):
        source = Source(training, data.examples, (VALIDATION,), (12, 11))
        if training == "kept":
            whole, _ = ratings.read(source, 1, blocks[1])
            ratings.cut_kept(source, 1, block_of_movie)
            found.append(ratings.read(source, 1, [Ready(1)], block_of_movie)[0])
            with pytest.raises(RowsMissing):
                ratings.read(source, 1, [Ready(1)])
        else:
            found.append(ratings.read(source, 1, blocks[1], block_of_movie)[0])
    for one, other in zip(*(read.train for read in found), strict=True):
        assert np.array_equal(one.stars, other.stars) and np.array_equal(one.movies, other.movies)
    assert sum(len(one.stars) for one in found[0].train) == len(whole.train[0].stars)


def test_a_saved_model_is_loaded_with_its_scores(spark, tmp_path):
    data = data_of(spark, epochs=2)
    model, _ = trained(data)
    model.save(tmp_path)
    loaded = BiasedMf.load(tmp_path)
    raw = block_of(dense_ratings(4, seed=9), np.arange(4)).matrix(COLUMNS)
    np.testing.assert_array_equal(loaded.scorer().score(raw), model.scorer().score(raw))
    assert loaded.ridge == Ridge(0.5, 0.5) and loaded.movies.user_bias
