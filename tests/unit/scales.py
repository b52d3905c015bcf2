"""Ratings of 1 to 5 stars, and the same ratings on scales with zeros and negative numbers, for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recsys.config import Config
from recsys.config.load import build_config
from recsys.data.blocks import Block
from recsys.data.examples import Examples
from recsys.data.preprocessing import Preprocessing
from recsys.models.autoencoder.config import DaeConfig
from recsys.models.autoencoder.families import DenoisingAutoencoder
from recsys.models.base import Scorer

STARS = Preprocessing(1.0, 5.0)
SCALES = {"0 to 4": (1.0, -1.0), "-2 to 2": (1.0, -3.0), "-10 to 10": (5.0, -15.0), "-8 to 0": (2.0, -10.0)}
every_scale = pytest.mark.parametrize("other", SCALES.values(), ids=SCALES)
# users x movies, 0 where not rated; every star, a movie without ratings, a user with one
DENSE = np.array(
    [[5, 0, 1, 3, 0, 2], [0, 4, 0, 0, 0, 0], [1, 2, 3, 4, 0, 5], [3, 0, 0, 1, 0, 3], [0, 5, 2, 0, 0, 1]], np.float32
)
MOVIES = DENSE.shape[1]
USERS = np.array([3, 11, 12, 15, 40])
Map = tuple[float, float]


def mapped(matrix: csr_matrix, other: Map) -> csr_matrix:
    """The same entries with their ratings on another scale; zeros are stored."""
    slope, shift = other
    return csr_matrix((slope * matrix.data + np.float32(shift), matrix.indices, matrix.indptr), shape=matrix.shape)


def block_on(block: Block, other: Map) -> Block:
    return replace(block, ratings=np.float32(other[0]) * block.ratings + np.float32(other[1]))


def scale_of(other: Map) -> Preprocessing:
    slope, shift = other
    return Preprocessing(slope * 1 + shift, slope * 5 + shift)


def settings_of(split: str = "user", **more: Any) -> Config:
    data = {"dataset": "ml-1m", "split": split, "test_fraction": 0.3, "validation_fraction": 0.3}
    return build_config({"seed": 5, "data": data, **more})


def examples_of(scale: Preprocessing, split: str = "user", movies: int = MOVIES) -> Examples:
    return Examples.of(settings_of(split), movies, scale)


def scorer_of(preprocessing: Preprocessing) -> Scorer:
    """An autoencoder with random weights, which takes the mean off a user's ratings."""
    draw = np.random.default_rng(4)
    weights = [draw.normal(size=shape).astype(np.float32) for shape in ((MOVIES, 3), (3,), (3, MOVIES), (MOVIES,))]
    config = DaeConfig(hidden=(3,), loss="masked_mse", input_normalisation="center")
    return DenoisingAutoencoder(config, preprocessing, MOVIES, weights).scorer()
