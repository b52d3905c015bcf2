"""Models as workers score with them, and their losses, against Keras on dense arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recsys.data.preprocessing import Preprocessing
from recsys.models.autoencoder.config import DaeConfig, RecVaeConfig, VaeConfig
from recsys.models.autoencoder.families import Autoencoder
from recsys.models.base import ModelFamily
from recsys.models.ease.config import EaseConfig
from recsys.models.ease.family import Ease
from recsys.models.sum_model import SumConfig, SumModel
from recsys.registries import FAMILIES, LOSSES, loss_named
from recsys.tensorflow_env import quiet_keras

keras = quiet_keras()

COLUMNS = 9
AS_THEY_ARE = Preprocessing(0.5, 1.0)  # divides by 1
LIKES: dict[str, Any] = {"loss": "multinomial", "input_normalisation": "l2"}
CONFIGS: dict[str, DaeConfig | VaeConfig | RecVaeConfig] = {
    "paper": DaeConfig(),
    "center": DaeConfig(loss="masked_mse", input_normalisation="center", input_dropout=0.5, dropout=0.5),
    "offset": DaeConfig(loss="masked_mse", input_normalisation="offset", input_scale=4.0, activation="sigmoid"),
    "sigmoid": DaeConfig(loss="mse", output_activation="sigmoid", activation="gelu"),
    "likes": DaeConfig(**LIKES),
    "vae": VaeConfig(hidden=(5, 4), latent=3, activation="tanh"),
    "vae as it comes": VaeConfig(latent=3),
    "recvae": RecVaeConfig(hidden=(5, 5, 5), latent=3, activation="silu"),
}


def arrays() -> csr_matrix:
    generator = np.random.default_rng(1)
    dense = generator.integers(1, 11, (6, COLUMNS)) / 10 * (generator.random((6, COLUMNS)) < 0.4)
    dense[3] = 0  # somebody who rated nothing
    return csr_matrix(dense.astype(np.float32))


def autoencoder(config: Any) -> Autoencoder:
    """With random weights."""
    family: Any = FAMILIES.get(config.kind)
    weights, generator = family.architecture.build(COLUMNS, config, 3).get_weights(), np.random.default_rng(2)
    changed = [(weight + generator.normal(0, 0.1, weight.shape)).astype(np.float32) for weight in weights]
    made: Autoencoder = family(config, AS_THEY_ARE, COLUMNS, changed)
    return made


def linear() -> Ease:
    weights = np.random.default_rng(6).normal(size=(COLUMNS, COLUMNS)).astype(np.float32)
    return Ease(EaseConfig(), AS_THEY_ARE, weights)


def check_against_keras(model: ModelFamily, in_keras: Any) -> None:
    expected = np.asarray(in_keras(arrays().toarray(), training=False))
    found = model.scorer().score(arrays())
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", list(CONFIGS))
def test_scores_are_those_of_keras(name: str) -> None:
    model = autoencoder(CONFIGS[name])
    check_against_keras(model, model.keras_model())


def test_scores_of_a_linear_model_are_those_of_keras() -> None:
    model = linear()
    check_against_keras(model, model.keras_model())


@pytest.mark.parametrize("name", ["likes", "vae as it comes"])
def test_scores_of_a_sum_are_those_of_what_it_saves_in_keras(name: str, tmp_path: Path) -> None:
    first, second = autoencoder(CONFIGS[name]), linear()
    model = SumModel(SumConfig(first=first.config, second=second.config, second_weight=2.5), first, second)
    model.save(tmp_path)
    check_against_keras(model, keras.models.load_model(tmp_path / "model.keras", compile=False, safe_mode=True))
    apart = first.scorer().score(arrays()) + np.float32(2.5) * second.scorer().score(arrays())
    np.testing.assert_array_equal(model.scorer().score(arrays()), apart)
    np.testing.assert_array_equal(SumModel.load(tmp_path).scorer().score(arrays()), apart)


def test_raw_ratings_go_in() -> None:
    model = autoencoder(CONFIGS["center"])
    stars = Autoencoder.scorer(type(model)(model.config, Preprocessing(0.5, 5.0), COLUMNS, model.weights))
    expected = model.scorer().score(arrays())
    np.testing.assert_allclose(stars.score(arrays() * 5), expected, rtol=1e-5, atol=1e-6)


def test_what_goes_into_the_last_layer() -> None:
    model = autoencoder(DaeConfig(hidden=(5, 4), loss="masked_mse", input_normalisation="center"))
    kernel, bias = model.keras_model().get_layer("output").get_weights()
    scorer, rated = model.scorer(), arrays()
    means = np.asarray(rated.sum(axis=1)).ravel() / np.maximum(np.diff(rated.indptr), 1)
    again = scorer.codes(rated) @ kernel + bias + means[:, None]
    np.testing.assert_allclose(scorer.score(rated), again, rtol=1e-5, atol=1e-6)
    for one, other in zip(scorer.output_layer(), (kernel, bias), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", [name for name in LOSSES.names() if loss_named(name).trains_in_keras()])
def test_losses_are_those_of_keras(name: str) -> None:
    output = np.random.default_rng(4).normal(0.3, 0.8, (6, COLUMNS)).astype(np.float32)
    expected = [float(one) for one in loss_named(name).keras_sums(arrays().toarray(), output)]
    assert loss_named(name).sums(arrays(), output.copy()) == pytest.approx(expected, rel=1e-5)
