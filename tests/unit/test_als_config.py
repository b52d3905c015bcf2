"""The settings of ALS, and the part of a worker's ratings that others get."""

from __future__ import annotations

import numpy as np
import pytest
from small_ratings import block_of

from recsys.config.load import build_config
from recsys.data.examples import Examples
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TRAIN
from recsys.errors import ConfigError
from recsys.models.factorisation.als import rows as als_rows
from recsys.models.factorisation.als.config import AlsConfig
from recsys.models.factorisation.als.rows import cut, gather, rows_of


@pytest.mark.parametrize(
    ("model", "remedy"),
    [
        ({"biases": True, "unobserved_weight": 0.1}, "model.biases does not go with model.unobserved_weight"),
        ({"biases": True, "nonnegative": True}, "model.biases may be below 0"),
        ({"nonnegative": True, "solver": "cg"}, r"drop model.solver = 'cg'"),
        ({"unobserved_weight": -1}, "greater than or equal to 0"),
        ({"l2_bias": 0.2, "biases": False}, "model.l2_bias is the penalty of biases, and there are none"),
        ({"l2_bias": 0.2, "l2": 0}, "model.l2_bias needs model.l2 above 0"),
    ],
)
def test_what_does_not_go_together_is_refused(model: dict[str, object], remedy: str) -> None:
    with pytest.raises(ConfigError, match=remedy):
        build_config({"data": {"dataset": "ml-1m"}, "model": {"kind": "als", **model}})


def test_likes_need_a_weight_of_what_is_not_liked() -> None:
    data = {"dataset": "ml-1m", "positive_from": 4.0}
    with pytest.raises(ConfigError, match=r"model\.unobserved_weight above 0"):
        build_config({"data": data, "model": {"kind": "als"}})
    config = build_config({"data": data, "model": {"kind": "als", "unobserved_weight": 0.1}})
    assert config.model.loss_name == "mse" and "not comparable" in config.model.rating_errors


def test_what_a_rating_weighs() -> None:
    """w0 + a, w0 + a / n, w0 + a / n^e of movies with 4, 1 and no ratings."""
    counts = np.array([4.0, 1.0, 0.0])
    assert AlsConfig(unobserved_weight=0.5).observed(counts) == 1.5
    linear = AlsConfig(unobserved_weight=0.5, observed_weight=2.0, observed_weight_by="linear").observed(counts)
    np.testing.assert_allclose(linear, [1.0, 2.5, 2.5])
    log = AlsConfig(observed_weight_by="log", weight_exponent=0.5).observed(counts)
    np.testing.assert_allclose(log, [0.5, 1.0, 1.0])
    assert AlsConfig().has_biases and not AlsConfig(unobserved_weight=0.5).has_biases


def test_movies_over_users_are_the_users_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    """13 users from number 5 in two elements, 7 movies in partitions of 3 and 4, at most 4 ratings an element."""
    monkeypatch.setattr(als_rows, "ELEMENT_ENTRIES", 4)
    draw = np.random.default_rng(2)
    dense = draw.integers(1, 6, (13, 7)) * (draw.random((13, 7)) < 0.4).astype(np.float32)
    dense[:, 1], dense[0, 2] = 0, 5
    config = build_config({"data": {"dataset": "ml-1m"}, "model": {"kind": "als"}})
    examples = Examples.of(config, 7, Preprocessing(1, 5))
    block = block_of(dense, np.arange(13))
    elements = [rows_of(block.take(np.arange(a, b)), 5 + a, examples, TRAIN) for a, b in ((0, 8), (8, 13))]
    parts = list(cut(elements, np.array([0, 0, 0, 1, 1, 1, 1], np.int32), False))
    found = np.zeros((7, 18))
    for partition, first, movies in ((0, 0, 3), (1, 3, 4)):
        own = [part for number, part in reversed(parts) if number == partition]
        gathered = list(gather(own, first, movies, False))
        assert len(gathered) > 1 and sum(one.known.rows for one in gathered) == movies
        for one in gathered:
            for row in range(one.known.rows):
                entries = slice(one.known.indptr[row], one.known.indptr[row + 1])
                assert (np.diff(one.known.indices[entries]) > 0).all()
                found[one.first + row, one.known.indices[entries]] = one.known.values[entries]
    np.testing.assert_allclose(found[:, 5:], dense.T, rtol=1e-6)
