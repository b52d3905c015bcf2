"""A disk that takes no more while a checkpoint or a model is written: what was there before stays whole."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from recsys.config import ModelConfig
from recsys.data.preprocessing import Preprocessing
from recsys.recommend.recommender import load_recommender, save_model, save_movies
from recsys.tensorflow_env import quiet_keras
from recsys.training.local_sgd.worker import Moments

quiet_keras()

from recsys.models.build import build_model  # noqa: E402

from recsys.training.checkpoint import Checkpoints, Position, Snapshot  # noqa: E402

MOVIES = 3000
MOMENTS = [Moments(0, 5, np.ones((2, 4), np.float32)), Moments(1, 5, np.ones((2, 50_000), np.float32))]


@contextmanager
def no_room() -> Iterator[None]:
    """The limit on a file's size stands for the full disk: the system refuses the write all the same."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def snapshot(epoch: int) -> Snapshot:
    return Snapshot(Position(epoch), [], {"weights": np.full(6, epoch, np.float32)}, [])


@pytest.mark.parametrize("large", ["the moments of the second worker", "the weights"])
def test_a_checkpoint(tmp_path: Path, large: str) -> None:
    checkpoints = Checkpoints(tmp_path, 60)
    checkpoints.save(snapshot(2), MOMENTS[:1])
    later = snapshot(3)
    if large == "the weights":
        later.arrays["weights"] = np.ones(50_000, np.float32)
    with no_room(), pytest.raises(OSError, match=r"File too large|not written|requested and"):
        checkpoints.save(later, MOMENTS if large != "the weights" else [])
    assert [path.name for path in tmp_path.iterdir()] == ["000002-0000"]
    loaded, wrong = Checkpoints(tmp_path, 60).load()
    assert loaded is not None and (loaded.position, wrong) == (Position(2), [])
    checkpoints.save(later, MOMENTS)  # there is room again
    loaded, _ = Checkpoints(tmp_path, 60).load()
    assert loaded is not None and loaded.position == Position(3) and len(loaded.moments) == 2


def test_a_model(tmp_path: Path) -> None:
    items = pd.DataFrame(
        {"index": range(MOVIES), "movie_id": range(MOVIES), "title": "x", "year": 1990, "popularity": 1}
    )
    save_movies(tmp_path, items, Preprocessing(0.5, 5.0), "masked_mse", "user")
    first, second = (build_model(MOVIES, ModelConfig(hidden=(5,), loss="masked_mse"), seed) for seed in (1, 2))
    save_model(tmp_path, first)
    rated = csr_matrix(([4.0], ([0], [3])), shape=(1, MOVIES))
    before, files = load_recommender(tmp_path).score(rated), sorted(path.name for path in tmp_path.iterdir())
    with no_room(), pytest.raises(OSError):  # noqa: PT011 - HDF5 words it in its own way
        save_model(tmp_path, second)
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    np.testing.assert_array_equal(load_recommender(tmp_path).score(rated), before)
    save_model(tmp_path, second)  # there is room again
    assert (load_recommender(tmp_path).score(rated) != before).any()
