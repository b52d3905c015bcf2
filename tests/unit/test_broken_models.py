"""A saved model whose files were changed or cut off: refused by name, or as good as ever; never loaded half."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from recsys.data.preprocessing import Preprocessing
from recsys.errors import UserError
from recsys.models.autoencoder.config import DaeConfig
from recsys.models.autoencoder.families import DenoisingAutoencoder
from recsys.models.factors import Factors
from recsys.models.fold_in import FoldIn
from recsys.recommend.saved import load_model, load_recommender, save_fold_in, save_items

RATED = {1: 4.0, 3: 2.5}


FILES = {
    load_recommender: (
        "items.parquet",
        "preprocessing.json",
        "fold_in/scorer/scorer.json",
        "fold_in/scorer/mean.npy",
        "fold_in/scorer/traits.npy",
    ),
    load_model: ("scorer/scorer.json", "scorer/000.npy", "scorer/003.npy"),
}
every_file = pytest.mark.parametrize(
    ("load", "name"), [(load, name) for load, names in FILES.items() for name in names]
)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A model of movies' arrays, which has most files."""
    count = np.arange(1, 8)
    items = pd.DataFrame(
        {"index": (count - 1).astype(np.int32), "movie_id": count, "title": count.astype(str), "popularity": count}
    )
    items["year"] = pd.array([None] * 7, "Int32")
    folder, preprocessing, draw = tmp_path / "model", Preprocessing(0.5, 5.0), np.random.default_rng(1).normal
    shapes = [(7, 4), (4,), (4, 7), (7,)]
    weights = [draw(size=shape).astype(np.float32) for shape in shapes]
    model = DenoisingAutoencoder(DaeConfig(hidden=(4,), loss="masked_mse"), preprocessing, 7, weights)
    save_items(folder, items, preprocessing, "masked_mse", "movie")
    model.save(folder)
    codes, kernel = draw(size=(7, 4)).astype(np.float32), draw(size=(9, 4)).astype(np.float32)
    factors = Factors(codes, draw(size=7).astype(np.float32), kernel, kernel[:, 0])
    save_fold_in(folder, model, FoldIn.of(factors, preprocessing))
    return folder


def answer(load: Any, folder: Path) -> Any:
    """What somebody sees of what was loaded."""
    if load is load_recommender:
        return load(folder).recommend(RATED, 5)
    return load(folder).scorer().score(csr_matrix(np.eye(7, dtype=np.float32) * 3)).tolist()


@every_file
def test_a_bit_that_flips_is_refused_or_does_not_matter(saved: Path, load: Any, name: str) -> None:
    expected = answer(load, saved)
    file, generator = saved / name, random.Random(name)
    whole, refused = file.read_bytes(), list[str]()
    for _ in range(25):
        raw = bytearray(whole)
        raw[generator.randrange(len(raw))] ^= 1 << generator.randrange(8)
        file.write_bytes(raw)
        try:
            found = answer(load, saved)
        except UserError as error:
            refused.append(str(error))
        else:
            assert found == expected
    assert len(refused) > 20
    assert all(str(saved) in text and "\n" not in text for text in refused)


@every_file
def test_a_file_that_is_cut_off_is_refused_by_name(saved: Path, load: Any, name: str) -> None:
    file = saved / name
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(UserError, match="was changed or cut off since it was written") as caught:
        answer(load, saved)
    assert file.name in str(caught.value)
    assert name.split("/")[0] in str(caught.value)


@pytest.mark.parametrize(
    ("load", "name", "remedy"),
    [
        (load_recommender, "items.parquet", r"no saved model \(items\.parquet missing\)"),
        (load_recommender, "fold_in", "fold_in missing, which is written when the training has ended: train again"),
        (load_recommender, "fold_in/scorer/traits.npy", r"fold_in: .*traits\.npy.*train again"),
        (load_model, "scorer", r"no saved model \(scorer missing\)"),
        (load_model, "scorer/001.npy", r"scorer: .*001\.npy.*train again"),
        (load_model, "scorer/scorer.json", r"scorer: .*scorer\.json.*train again"),
    ],
)
def test_a_file_that_is_gone_is_named(saved: Path, load: Any, name: str, remedy: str) -> None:
    (saved / name).rename(saved / "gone")
    with pytest.raises(UserError, match=remedy):
        answer(load, saved)
