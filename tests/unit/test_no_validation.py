"""A split without a validation part, with a seed of its own, and samples of training users."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small_ratings import block_of

from recsys.config.load import build_config
from recsys.config.run import Config
from recsys.data.examples import Examples
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TEST, TRAIN, VALIDATION, sample_users
from recsys.data.time_split import split_last
from recsys.errors import ConfigError
from recsys.training.history import Epoch
from recsys.training.loop import Progress

LAST = {"keep": "last", "patience": 0}
DENSE = np.random.default_rng(1).integers(1, 6, (40, 7)).astype(float)


def config(**data: object) -> Config:
    return build_config({"seed": 5, "data": {"dataset": "synthetic", **data}, "training": LAST})


def examples(settings: Config, sample: float = 1.0) -> Examples:
    made = Examples.of(settings, 7, Preprocessing(1.0, 5.0))
    return made if sample == 1 else Examples(**{**made.__dict__, "sample": sample})


@pytest.mark.parametrize("split", ["user", "rating"])
def test_without_a_validation_part_training_has_it_and_the_test_stays(split: str) -> None:
    block = block_of(DENSE, np.arange(40))
    with_it, without = (examples(config(split=split, validation_fraction=part)) for part in (0.3, 0.0))
    if split == "user":
        before, after = (
            {role: one.rows(block, role) for role in (TRAIN, VALIDATION, TEST)} for one in (with_it, without)
        )
        assert (before[TEST] == after[TEST]).all()
        assert not after[VALIDATION].any()
        assert (after[TRAIN] == (before[TRAIN] | before[VALIDATION])).all()
    else:
        parts, other = with_it.parts(block), without.parts(block)
        assert ((parts == TEST) == (other == TEST)).all()
        assert not (other == VALIDATION).any()
        assert (parts == VALIDATION).any()


def test_the_last_ratings_of_each_user_without_a_validation() -> None:
    times, movies = np.array([3, 1, 2, 9, 8]), np.arange(5, dtype=np.uint64)
    users = np.array([7, 8], np.uint64)
    parts = split_last(times, np.array([0, 3, 5], np.int32), users, movies, 0.2, 0.0)
    assert parts.tolist() == [TEST, TRAIN, TRAIN, TEST, TRAIN]


def test_the_split_may_have_a_seed_of_its_own() -> None:
    block = block_of(DENSE, np.arange(40))
    own, same = examples(config(split_seed=6)), examples(config(split_seed=5))
    default = examples(config())
    assert (same.rows(block, TEST) == default.rows(block, TEST)).all()
    assert (own.rows(block, TEST) != default.rows(block, TEST)).any()


@pytest.mark.parametrize("training", [{"keep": "best"}, {"keep": "last", "patience": 2}])
def test_without_a_validation_no_epoch_can_be_chosen(training: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"data\.validation_fraction = 0 leaves nothing to choose an epoch by"):
        build_config({"data": {"validation_fraction": 0.0}, "training": training})


def test_a_sample_of_training_users() -> None:
    hashes = np.random.default_rng(2).integers(0, 2**63, 10_000).astype(np.uint64)
    small, large = sample_users(hashes, 3, 0.2), sample_users(hashes, 3, 0.5)
    assert small.mean() == pytest.approx(0.2, abs=0.02)
    assert (large | small == large).all()
    block = block_of(DENSE, np.arange(40))
    whole, half = examples(config()), examples(config(), 0.5)
    assert (half.rows(block, VALIDATION) == whole.rows(block, VALIDATION)).all()
    assert 0 < half.rows(block, TRAIN).sum() < whole.rows(block, TRAIN).sum()


def test_the_line_of_an_epoch_without_validation() -> None:
    epoch = Epoch(1, 0.5, math.nan, 1.0, 10, 1)
    assert "nan" not in str(Progress(epoch, 2, epoch, 10.0, 1.0, "user"))
