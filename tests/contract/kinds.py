"""What the tests of families share: which kinds there are, how each is small, and the ratings that they learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

import recsys
from recsys.config.load import load_config
from recsys.data.blocks import block_from_row
from recsys.data.partition import concatenate
from recsys.registries import FAMILIES

ROOT = Path(__file__).parents[2]
EXAMPLE = f"{ROOT}/examples/add_a_model.py:ItemNeighbours"
KINDS = [*FAMILIES.names(), EXAMPLE]
# keys without which a family is not small, or does not train at all; a family that is not here is trained as it comes
SMALL: dict[str, list[str]] = {
    "dae": ["model.loss=multinomial", "model.hidden=[8]", "model.input_dropout=0.3", "model.dropout=0.1"],
    "vae": ["model.hidden=[8]", "model.latent=4", "model.kl_epochs=2"],
    "recvae": ["model.hidden=[8,8]", "model.latent=4"],
    "als": ["model.factors=4", "model.unobserved_weight=0.5"],
    "sum": ["model.first.loss=multinomial", "model.first.hidden=[8]", "model.second.l2=20.0"],
    "keras": ["model.function=small_keras:build", "model.loss=multinomial"],
    "mf": ["model.factors=4", "model.learning_rate=0.02"],
    "biased_mf": ["model.factors=4", "model.learning_rate=0.02"],
}
# families that predict ratings and nothing else: trained on stars, not on likes, and by a learning rate of their own
OF_STARS = frozenset({"mf", "biased_mf"})
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.rsplit(":", 1)[-1])


def settings(kind: str, *more: str) -> recsys.Config:
    """Of a small training of that kind."""
    common = ["training.epochs=3", "training.batch_size=16", "training.learning_rate=0.01", "data.positive_from=4.0"]
    if kind in OF_STARS:
        common, more = ["training.epochs=3"], tuple(one for one in more if "syncs_per_epoch" not in one)
    return load_config(assignments=[f"model.kind={kind!r}", *SMALL.get(kind, []), *common, *more])


def tastes(users: int = 150, movies: int = 30, each: int = 12) -> pd.DataFrame:
    """Users of three tastes: they rate movies of their own third 4 or 5, the others 1 to 3."""
    draw = np.random.default_rng(3)
    rows = []
    for user in range(users):
        for movie in draw.choice(movies, each, replace=False):
            liked = movie % 3 == user % 3
            rows.append((1000 + user, f"m{movie:02d}", float(draw.integers(4, 6) if liked else draw.integers(1, 4))))
    return pd.DataFrame(rows, columns=["who", "what", "stars"])


def all_ratings(dataset: recsys.Dataset) -> csr_matrix:
    """All users' raw ratings, by ascending user id."""
    block = concatenate([block_from_row(row) for row in dataset.blocks.collect()])
    return block.take(np.argsort(block.users)).matrix(dataset.movies)
