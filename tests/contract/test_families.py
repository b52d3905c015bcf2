"""What every registered family of models must do. A family that is registered later is tested without a new test."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kinds import OF_STARS, ROOT, all_ratings, every_kind, settings
from pyspark import SparkContext

import recsys
from recsys.arranged import arrange
from recsys.data.blocks import Block
from recsys.data.split import TRAIN, VALIDATION
from recsys.recommend.batch import Ranker, recommend_to_all
from recsys.registries import FAMILIES, loss_named
from recsys.training.base import TrainingData
from recsys.training.history import read_history
from recsys.training.local_sgd.trainer import LocalSgdTrainer
from recsys.training.local_sgd.worker import Delta, Task, train_round
from recsys.training.outer import outer_for
from recsys.training.state import Moments

LIMITED = ["training.max_seconds=0.001", "training.checkpoint_seconds=3600.0", "training.test_loss=true"]


def scores_of(model: recsys.Model, dataset: recsys.Dataset) -> np.ndarray:
    return model.recommender.score(all_ratings(dataset))


@pytest.fixture(scope="session")
def trained(likes: recsys.Dataset, stars_by_user: recsys.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Any:
    made: dict[str, tuple[recsys.Model, Path]] = {}

    def get(kind: str) -> tuple[recsys.Model, Path]:
        if kind not in made:
            folder = tmp_path_factory.mktemp("model")
            dataset = stars_by_user if kind in OF_STARS else likes
            made[kind] = recsys.fit(dataset, settings(kind), output=folder), folder
        return made[kind]

    return get


@every_kind
def test_its_losses_are_those_of_its_scores(kind: str, trained: Any, dataset: recsys.Dataset) -> None:
    """The history's last losses are the definition, summed over all users by the scorer, dense."""
    model, _ = trained(kind)
    config = model.config
    arranged = arrange(dataset, config)
    loss = loss_named(config.model.loss_name)
    if kind == "sum":  # its history is of the first model, which is trained as if it were alone
        scorer = model.family.first.scorer()
    else:
        scorer = model.family.scorer()
    expected = {}
    for role in (TRAIN, VALIDATION):
        total = weight = 0.0
        for block in arranged.parts[role].blocks.collect():
            shown, target = arranged.examples.arrays(block, role)
            part, part_weight = loss.sums(dataset.preprocessing.scale(target), scorer.score(shown))
            total, weight = total + part, weight + part_weight
        expected[role] = total / weight
    assert model.epoch is not None
    if kind not in OF_STARS:  # whose training loss is of the pass itself, by users' own factors
        assert model.epoch.train_loss == pytest.approx(expected[TRAIN], rel=1e-5)
    assert model.epoch.validation_loss == pytest.approx(expected[VALIDATION], rel=1e-5)


@every_kind
def test_two_workers_do_what_their_plain_functions_do_one_by_one(
    kind: str, trained: Any, dataset: recsys.Dataset
) -> None:
    trained(kind)  # workers have what the family imports
    config = settings(kind, "training.workers=2", "training.syncs_per_epoch=2")
    arranged = arrange(dataset, config)
    parts = {role: arranged.parts[role] for role in (TRAIN, VALIDATION)}
    data = TrainingData(config, arranged.examples, parts, dataset.statistics["density"])
    trainer = FAMILIES.get(kind).trainer(data)
    inner = getattr(trainer, "_trainer", trainer)
    if kind in OF_STARS:  # tests/spark/test_sgd_training.py has rotation; summed gradients are one worker's
        two, one = (
            recsys.fit(dataset, settings(kind, "training.strategy=gradient_sum", f"training.workers={workers}"))
            for workers in (2, 1)
        )
        np.testing.assert_allclose(scores_of(two, dataset), scores_of(one, dataset), rtol=1e-4, atol=1e-5)
        return
    if not isinstance(inner, LocalSgdTrainer):  # solved exactly: as many workers as one likes give the same
        alone = recsys.fit(dataset, settings(kind, "training.keep='last'"))
        for epoch in range(1, trainer.epochs + 1):
            trainer.train_epoch(epoch)
        both = trainer.as_model(None).scorer().score(all_ratings(dataset))
        np.testing.assert_allclose(both, scores_of(alone, dataset), rtol=1e-5, atol=1e-5)
        return
    expected = _reference(inner, data)
    for epoch in (1, 2):
        trainer.train_epoch(epoch)
    for weights, reference in zip(trainer.weights(), inner._plan.arrays(expected), strict=True):
        np.testing.assert_array_equal(weights, reference)
    trainer.close()


def _reference(trainer: LocalSgdTrainer, data: TrainingData) -> np.ndarray:
    """Two epochs of two rounds: each worker's function on its blocks, one after the other, then the outer step.

    The function runs in a worker process: with other threads than there Keras gives other last digits.
    """
    context = data.parts[TRAIN].blocks.ctx
    outer, learning_rate = outer_for(data.config.training)
    part = data.parts[TRAIN]
    own: list[list[Block]] = part.blocks.glom().collect()
    rows = [sum(block.rows for block in blocks) for blocks in own]
    flat, states = trainer._flat, dict[int, Moments]()
    for epoch in (1, 2):
        for number in (0, 1):
            task = Task(
                trainer._plan, data.examples, "reference", data.config.seed, epoch, data.config.training.epochs, number,
                2, data.config.training.batch_size, learning_rate,
            )  # fmt: skip
            trained = sum(len(range(count)[task.slice(count)]) for count in rows)
            total = np.zeros_like(flat)
            for worker in (0, 1):
                elements: list[Block | Moments | Delta] = [
                    *([states[worker]] if worker in states else []),
                    *own[worker],
                ]
                for result in _in_a_worker(context, task, flat, worker, elements):
                    if isinstance(result, Moments):
                        states[worker] = result
                    elif isinstance(result, Delta):
                        total += np.float32(result.rows / trained) * result.value
            flat = outer.step(flat, total)
    return flat


def _in_a_worker(context: SparkContext, *arguments: Any) -> list[Moments | Delta]:
    return context.parallelize([0], 1).mapPartitions(lambda _: train_round(*arguments)).collect()


@every_kind
def test_it_goes_on_from_a_checkpoint_bit_for_bit(
    kind: str, trained: Any, dataset: recsys.Dataset, tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    def stop(progress: Any) -> None:
        if progress.epoch.epoch == 2:
            raise Stopped

    whole, _ = trained(kind)
    config = settings(kind, "training.checkpoint_seconds=0.0")
    if FAMILIES.get(kind).supports.closed_form:
        recsys.fit(dataset, config, output=tmp_path)
    else:
        with pytest.raises(Stopped):
            recsys.fit(dataset, config, output=tmp_path, on_progress=stop)
    resumed = recsys.fit(dataset, config, output=tmp_path)
    np.testing.assert_array_equal(scores_of(resumed, dataset), scores_of(whole, dataset))
    assert [(one.epoch, one.train_loss, one.validation_loss) for one in resumed.history] == [
        (one.epoch, one.train_loss, one.validation_loss) for one in whole.history
    ]


@every_kind
def test_a_time_limit_stops_it_and_the_test_loss_changes_nothing(
    kind: str, trained: Any, dataset: recsys.Dataset, tmp_path: Path
) -> None:
    """Each call has time for an epoch; together they end as one call does. A model in closed form is not stopped."""
    whole, _ = trained(kind)
    _in_several_calls(whole, dataset, settings(kind, *LIMITED), tmp_path)


def test_a_time_limit_stops_elephas(likes: recsys.Dataset, tmp_path: Path) -> None:
    by_elephas = "training.strategy=elephas"
    whole = recsys.fit(likes, settings("dae", by_elephas))
    _in_several_calls(whole, likes, settings("dae", by_elephas, *LIMITED), tmp_path)


def _in_several_calls(whole: recsys.Model, dataset: recsys.Dataset, config: recsys.Config, folder: Path) -> None:
    models, told = list[recsys.Model](), list[str]()
    while not models or models[-1].stopped:
        models.append(recsys.fit(dataset, config, output=folder, on_message=told.append))
        assert recsys.load_recommender(folder / "model").recommend({"m00": 5.0}, n=3)
    last, epochs = models[-1], len(whole.history)
    stops = [f"training.max_seconds = 0.001: after epoch {epoch} of {epochs}" for epoch in range(1, epochs)]
    assert [model.stopped for model in models] == [*stops, None]
    assert any("training.max_seconds does not stop it" in one for one in told) is (
        FAMILIES.get(config.model.kind).supports.closed_form
    )
    np.testing.assert_array_equal(scores_of(last, dataset), scores_of(whole, dataset))
    assert [(one.epoch, one.train_loss, one.validation_loss) for one in last.history] == [
        (one.epoch, one.train_loss, one.validation_loss) for one in whole.history
    ]
    losses = [one.test_loss for one in last.history]
    assert None not in losses and [one.test_loss for one in read_history(folder / "history.csv")] == losses
    assert all(one.test_loss is None for one in whole.history)
    if config.model.kind != "sum":  # its history is of the first model
        assert last.epoch is not None
        measured = recsys.evaluate(last, dataset)["reconstruction"]["test"]
        assert last.epoch.test_loss == pytest.approx(measured, rel=1e-5)


@every_kind
def test_it_is_loaded_in_a_fresh_process_and_scores_the_same(
    kind: str, trained: Any, dataset: recsys.Dataset, tmp_path: Path
) -> None:
    model, folder = trained(kind)
    ratings = all_ratings(dataset)
    np.savez(tmp_path / "ratings.npz", data=ratings.data, indices=ratings.indices, indptr=ratings.indptr)
    code = (
        "import sys, numpy as np\n"
        "from scipy.sparse import csr_matrix\n"
        "import recsys\n"
        "recommender = recsys.load_recommender(sys.argv[1])\n"
        "r = np.load(sys.argv[2])\n"
        "shape = len(r['indptr']) - 1, len(recommender.items)\n"
        "matrix = csr_matrix((r['data'], r['indices'], r['indptr']), shape=shape)\n"
        "np.save(sys.argv[3], recommender.score(matrix))\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(tmp_path / "ratings.npz"), str(tmp_path / "scores.npy")],
        capture_output=True, text=True, check=False, timeout=120, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"},
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), scores_of(model, dataset))
    heavy = {"pyspark", "elephas"} | (set() if model.family.supports.needs_tensorflow else {"tensorflow", "keras"})
    assert heavy & set(said.stdout.split()) == set()


@every_kind
def test_it_is_evaluated_on_test_and_on_validation_users(kind: str, trained: Any, dataset: recsys.Dataset) -> None:
    model, _ = trained(kind)
    found = {role: recsys.evaluate(model, dataset, role=role) for role in ("test", "validation")}
    for role, figures in found.items():
        assert 0 < figures["ranking"]["model"]["ndcg@100"]["mean"] <= 1
        assert figures["ranking"]["users"] > 5
        assert np.isfinite(figures["reconstruction"][role])
    assert recsys.evaluate(model, dataset) == found["test"]


@every_kind
def test_it_recommends_movies_that_were_not_rated(kind: str, trained: Any) -> None:
    model, _ = trained(kind)
    best = model.recommender.recommend({"m00": 5.0, "m03": 5.0}, n=28)
    assert len({movie["movie_id"] for movie in best} - {"m00", "m03"}) == len(best) == 28
    assert all(one["score"] >= other["score"] for one, other in pairwise(best))


@every_kind
def test_recommend_all_gives_each_user_what_recommend_gives(
    kind: str, trained: Any, dataset: recsys.Dataset, tmp_path: Path
) -> None:
    model, _ = trained(kind)
    recommender = model.recommender
    ranker = Ranker(recommender.scorer, recommender.items, None, 5)
    recommend_to_all(dataset.blocks, ranker, dataset.users, str(tmp_path / "all"), {}, lambda text: None)
    everybody = pd.read_parquet(tmp_path / "all").sort_values(["user", "rank"])
    ratings = all_ratings(dataset)
    users = sorted(user for row in dataset.blocks.collect() for user in row["users"])
    assert everybody["user"].unique().tolist() == users
    for number in (0, 7, 149):
        row = ratings[number]
        rated = dict(zip(recommender.items[row.indices].tolist(), row.data.tolist(), strict=True))
        expected = [movie["movie_id"] for movie in recommender.recommend(rated, 5)]
        assert everybody[everybody["user"] == users[number]]["movie"].tolist() == expected
