"""A part of the users in the place of all: their ids alone decide which, and every row is accounted for."""

import numpy as np
import pytest
from preparing import run_prepare

from recsys.config.load import build_config
from recsys.data.blocks import block_from_row
from recsys.errors import ConfigError


def users_of(prepared):
    """The user ids and how many ratings each has."""
    blocks = [block_from_row(row) for row in prepared.blocks.collect()]
    return {
        user: int(count)
        for block in blocks
        for user, count in zip(block.users.tolist(), np.diff(block.indptr), strict=True)
    }


@pytest.fixture(scope="module")
def prepared(spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")

    def prepare(sample, **more):
        return run_prepare(
            spark, folder, dataset="synthetic", scale=0.002, block_users=40, sample_ratings=sample, **more
        )  # fmt: skip

    everybody = prepare(0)
    return prepare, everybody, everybody.statistics["ratings"]


def test_about_so_many_ratings_remain_of_whole_users(prepared):
    prepare, everybody, ratings = prepared
    third = prepare(ratings // 3)
    counted = third.statistics
    assert counted["ratings"] + counted["not_selected"]["outside_sample"] == ratings
    # a sample of 100 users has a standard error of a tenth or so
    assert counted["ratings"] == pytest.approx(ratings / 3, rel=0.4)
    every = users_of(everybody)
    kept = users_of(third)
    assert len(kept) < len(every) and all(every[user] == count for user, count in kept.items())


def test_a_smaller_sample_is_within_a_larger_one_and_the_seed_changes_nothing(prepared):
    prepare, _, ratings = prepared
    half, third = users_of(prepare(ratings // 2)), users_of(prepare(ratings // 3))
    assert third.keys() < half.keys()
    assert prepare(ratings).statistics["not_selected"]["outside_sample"] == 0


def test_a_file_of_test_ratings_and_a_sample_exclude_each_other():
    data = {"dataset": "ml-100k", "split": "rating", "test_ratings": "u1.test", "sample_ratings": 100}
    with pytest.raises(ConfigError, match=r"data.sample_ratings leaves users out: drop one"):
        build_config({"data": data})
