"""A saved model whose files were changed or cut off: refused by name, or as good as ever; never loaded half."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys.config import ModelConfig
from recsys.data.preprocessing import Preprocessing
from recsys.errors import UserError
from recsys.evaluation.factors import Factors
from recsys.recommend.recommender import load_recommender, save_factors, save_model, save_movies
from recsys.tensorflow_env import quiet_keras

quiet_keras()

from recsys.models.autoencoder.keras_dae import build_autoencoder  # noqa: E402

RATED = {1: 4.0, 3: 2.5}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A model of movies' arrays, which has most files."""
    count = np.arange(1, 8)
    items = pd.DataFrame(
        {"index": (count - 1).astype(np.int32), "movie_id": count, "title": count.astype(str), "popularity": count}
    )
    items["year"] = pd.array([None] * 7, "Int32")
    folder = tmp_path / "model"
    model = build_autoencoder(7, ModelConfig(hidden=(4,), loss="masked_mse"), seed=3)
    save_movies(folder, items, Preprocessing(0.5, 5.0), "masked_mse", "movie")
    save_model(folder, model)
    draw = np.random.default_rng(1).normal
    codes, kernel = draw(size=(7, 4)).astype(np.float32), draw(size=(9, 4)).astype(np.float32)
    save_factors(folder, Factors(codes, draw(size=7).astype(np.float32), kernel, kernel[:, 0]))
    return folder


@pytest.mark.parametrize(
    "name", ["model.keras", "items.parquet", "preprocessing.json", "codes.npy", "offsets.npy", "noise.npy"]
)
def test_a_bit_that_flips_is_told_or_does_not_matter(saved: Path, name: str) -> None:
    expected = load_recommender(saved).recommend(RATED, 5)
    file, generator = saved / name, random.Random(name)
    whole, refused = file.read_bytes(), list[str]()
    for _ in range(25):
        raw = bytearray(whole)
        raw[generator.randrange(len(raw))] ^= 1 << generator.randrange(8)
        file.write_bytes(raw)
        try:
            found = load_recommender(saved).recommend(RATED, 5)
        except UserError as error:
            refused.append(str(error))
        else:
            assert found == expected
    assert len(refused) > (3 if name == "model.keras" else 20)  # in an archive some bits mean nothing
    assert all(str(saved) in text and "\n" not in text for text in refused)


@pytest.mark.parametrize("name", ["model.keras", "items.parquet", "preprocessing.json", "codes.npy"])
def test_a_file_that_is_cut_off_is_refused_by_name(saved: Path, name: str) -> None:
    file = saved / name
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(UserError, match=f"{name}: was changed or cut off since it was written"):
        load_recommender(saved)
