"""A part of the test users in the place of all: which ones, their ids alone decide, and all figures are of them."""

from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from preparing import run_prepare

from recsys.config.load import build_config
from recsys.data.blocks import block_from_row
from recsys.data.examples import Examples
from recsys.data.partition import partition
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.evaluation import topk
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.row_sampling import choose, fraction_of
from recsys.models.autoencoder.families import DenoisingAutoencoder

USERS = 120


def settings_of(users):
    return build_config(
        {
            "data": {"dataset": "synthetic", "scale": 0.002, "test_fraction": 0.8},
            "model": {"loss": "masked_mse", "hidden": [5]},
            "evaluation": {"users": users, "recall_at": [3], "ndcg_at": 4},
        }
    )


def untrained(config, movies):
    weights = DenoisingAutoencoder.architecture.build(movies, config, 3).get_weights()
    return DenoisingAutoencoder(config, Preprocessing(0.5, 5.0), movies, weights)


@pytest.fixture(scope="module")
def figures(spark, tmp_path_factory):
    """The metrics by how many users are enough and how many workers there are, and the ids of all test users."""
    prepared = run_prepare(spark, tmp_path_factory.mktemp("data"), dataset="synthetic", scale=0.002, block_users=50)
    examples = Examples.of(settings_of(0), prepared.movies, Preprocessing(0.5, 5.0))
    shared = spark.sparkContext.broadcast(untrained(settings_of(0).model, prepared.movies).scorer())
    found: dict[object, Any] = {}
    for users, workers in ((0, 2), (USERS, 2), (USERS, 3)):
        parts = {role: partition(prepared.blocks, examples, role, workers, 50) for role in (TRAIN, VALIDATION, TEST)}
        found[users, workers] = evaluate(parts, shared, examples, settings_of(users))
    with patch.object(topk, "_WORTH_COMPILING", 0):
        found["compiled"] = evaluate(parts, shared, examples, settings_of(USERS))
    test = [block.take(examples.rows(block, TEST)) for block in map(block_from_row, prepared.blocks.collect())]
    fraction = fraction_of(sum(block.rows for block in test), USERS)
    chosen = [choose(block, fraction) for block in test]
    return found, sum(block.rows for block in test), sum(block.rows for block in chosen), chosen


def test_about_so_many_users_are_judged_however_they_are_partitioned(figures):
    found, everybody, chosen, _ = figures
    two, three = found[USERS, 2], found[USERS, 3]
    assert everybody > 2 * USERS and 0.7 * USERS < chosen < 1.3 * USERS
    for one in (two, three):
        assert (one["ranking"]["users"], one["ranking"]["test_users"]) == (chosen, everybody)
        assert one["reconstruction"]["test_users"] == chosen
    for figure in ("recall@3", "ndcg@4"):
        assert two["ranking"]["model"][figure] == pytest.approx(three["ranking"]["model"][figure])
    assert two["rating_prediction"]["model"] == pytest.approx(three["rating_prediction"]["model"])
    assert two["reconstruction"]["test"] == pytest.approx(three["reconstruction"]["test"], rel=1e-6)
    whole = found[0, 2]
    assert whole["ranking"]["users"] == whole["reconstruction"]["test_users"] == everybody
    assert two["rating_prediction"]["model"] != whole["rating_prediction"]["model"]
    assert two["rating_prediction"]["model"]["rmse"] == pytest.approx(
        whole["rating_prediction"]["model"]["rmse"], rel=0.1
    )


def test_a_kernel_that_selects_gives_the_same_figures(figures):
    found, *_ = figures
    assert found["compiled"] == found[USERS, 3]


def test_what_was_left_out_is_said(figures):
    found, everybody, _, _ = figures
    said = f"; {USERS / everybody:.1%} of {everybody} test users, chosen by their ids"
    for kind in ("ranking", "rating_prediction", "reconstruction"):
        assert said in found[USERS, 2][kind]["protocol"] and "chosen" not in found[0, 2][kind]["protocol"]


def test_fewer_are_some_of_more(figures):
    for block in figures[3]:
        assert set(choose(block, 0.1).users.tolist()) <= set(choose(block, 0.3).users.tolist())
        assert choose(block, 1.0) is block


def test_a_mean_is_never_of_a_handful():
    assert [fraction_of(1000, enough) for enough in (0, 1, 100, 250, 1000, 5000)] == [1.0, 0.1, 0.1, 0.25, 1.0, 1.0]
    assert fraction_of(0, 10) == 1.0 and np.isfinite(fraction_of(0, 0))
