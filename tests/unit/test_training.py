"""What Elephas is given, and what is refused before it is given anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_ratings import RATINGS, block_of

from recsys.config import Config
from recsys.config.load import build_config
from recsys.data.blocks import Block, hash_users
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TRAIN, VALIDATION, split_ratings
from recsys.errors import UserError
from recsys.tensorflow_env import quiet_keras

quiet_keras()

from recsys.training.base import Trainer, TrainingData  # noqa: E402
from recsys.training.elephas.trainer import check_partitions, dense_rows  # noqa: E402
from recsys.training.loop import train  # noqa: E402


def part(rows: int, workers: int) -> Part:
    return Part(None, rows, workers)  # type: ignore[arg-type]


def settings_of(**data: Any) -> Config:
    return build_config({"seed": 5, "data": {"dataset": "ml-1m", **data}})


@pytest.mark.parametrize(("rows", "workers", "batch_size"), [(65, 1, 64), (520, 8, 64), (5, 2, 1)])
def test_partitions_of_more_rows_than_a_batch_are_trained(rows: int, workers: int, batch_size: int) -> None:
    check_partitions(part(rows, workers), batch_size)


@pytest.mark.parametrize(
    ("rows", "workers", "batch_size", "remedy"),
    [
        (519, 8, 64, "are 64 each, training.batch_size is 64; set training.workers to at most 7, or"),
        (64, 1, 64, "in 1 partitions are 64 each, training.batch_size is 64; set training.batch_size below 64"),
        (100, 8, 64, "are 12 each, training.batch_size is 64; set training.workers to at most 1, or"),
    ],
)
def test_partitions_that_elephas_would_skip_are_refused(rows: int, workers: int, batch_size: int, remedy: str) -> None:
    with pytest.raises(UserError) as caught:
        check_partitions(part(rows, workers), batch_size)
    assert remedy in str(caught.value)
    for one in (part(rows, 1), part(rows, workers)):  # the remedies are remedies
        check_partitions(one, one.smallest - 1)


def test_rows_are_scaled_rating_arrays_as_input_and_target() -> None:
    examples = Examples.of(settings_of(), 7, Preprocessing(0.5, 5.0))
    blocks = [block_of().take(np.array(rows)) for rows in ([0, 1], [2, 3, 4])]
    rows = list(dense_rows(examples, seed=7)(0, iter(blocks)))
    assert all(target is array and array.dtype == np.float32 for array, target in rows)
    np.testing.assert_allclose(np.stack([array for array, _ in rows]), RATINGS / 5)


def test_rows_of_ratings_of_0_are_above_0() -> None:
    block = Block(np.array([1, 2]), hash_users(np.array([1, 2])), np.array([0, 2, 4]), np.array([0, 1, 0, 2]),
                  np.array([0, 10, 5, 0], np.float32))  # fmt: skip
    examples = Examples.of(settings_of(), 3, Preprocessing(0, 10))
    rows = np.stack([array for array, _ in dense_rows(examples, seed=7)(0, iter([block]))])
    np.testing.assert_allclose(rows, [[0.2, 1, 0], [0.6, 0, 0.2]])


def test_by_rating_only_training_ratings_are_trained_on() -> None:
    examples = Examples.of(settings_of(split="rating", test_fraction=0.4), 7, Preprocessing(0.5, 5.0))
    block = block_of()
    rows = np.stack([array for array, _ in dense_rows(examples, seed=7)(0, iter([block]))])
    matrix = block.matrix(7)
    parts = split_ratings(matrix, block.hashes, 5, 0.4, 0.1)
    assert 0 < np.count_nonzero(rows) == int((parts == TRAIN).sum()) < matrix.nnz
    np.testing.assert_allclose(rows[rows > 0], matrix.data[parts == TRAIN] / 5)


def test_without_validation_users_there_is_no_training(tmp_path: Path) -> None:
    config = settings_of(validation_fraction=0.01)
    examples = Examples.of(config, 7, Preprocessing(0.5, 5.0))
    parts = {TRAIN: part(500, 1), VALIDATION: part(0, 1)}

    data = TrainingData(config, examples, parts, 0.1)
    with pytest.raises(UserError, match=r"no user is left for validation.*data\.validation_fraction = 0\.01"):
        train(Trainer(), data, tmp_path)
    assert not list(tmp_path.iterdir())
