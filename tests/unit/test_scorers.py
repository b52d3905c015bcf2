"""Models as workers score with them, and their losses, against Keras on dense arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recsys.config import ModelConfig
from recsys.evaluation.scoring import network_of
from recsys.losses.sums import loss_sums
from recsys.tensorflow_env import quiet_keras

quiet_keras()

from recsys.losses.keras_losses import SUMS  # noqa: E402
from recsys.models.build import build_model  # noqa: E402
from recsys.models.ease.keras_path import set_item_weights  # noqa: E402

COLUMNS = 9
MODELS: list[dict[str, Any]] = [
    {},  # the paper's
    {"loss": "masked_mse", "input_normalisation": "center", "input_dropout": 0.5, "dropout": 0.5},
    {"loss": "masked_mse", "input_normalisation": "offset", "input_scale": 4.0, "activation": "sigmoid"},
    {"loss": "mse", "output_activation": "sigmoid", "activation": "gelu"},
    {"loss": "multinomial", "input_normalisation": "l2", "linear": "ease"},
    {"loss": "multinomial", "kind": "vae", "hidden": (5, 4), "latent": 3, "activation": "tanh"},
    {"loss": "multinomial", "kind": "vae", "latent": 3, "linear": "ease"},
    {"loss": "multinomial", "kind": "recvae", "hidden": (5, 5, 5), "latent": 3, "activation": "silu"},
    {"loss": "multinomial", "kind": "linear", "linear": "ease"},
]


def arrays() -> csr_matrix:
    generator = np.random.default_rng(1)
    dense = generator.integers(1, 11, (6, COLUMNS)) / 10 * (generator.random((6, COLUMNS)) < 0.4)
    dense[3] = 0  # somebody who rated nothing
    return csr_matrix(dense.astype(np.float32))


@pytest.mark.parametrize("settings", MODELS, ids=lambda settings: "-".join(map(str, settings.values())) or "paper")
def test_outputs_are_those_of_keras(settings: dict[str, Any]) -> None:
    config = ModelConfig(**settings)
    model = build_model(COLUMNS, config, seed=3)
    generator = np.random.default_rng(2)
    model.set_weights([weight + generator.normal(0, 0.1, weight.shape) for weight in model.get_weights()])
    if config.linear != "none":
        set_item_weights(model, generator.normal(size=(COLUMNS, COLUMNS)))
    expected = np.asarray(model(arrays().toarray(), training=False))
    found = network_of(model, config).outputs(arrays())
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_deep_part_of_a_model_with_a_linear_path_stands_by_itself() -> None:
    """It is trained alone: the path is fitted afterwards."""
    config = ModelConfig(loss="multinomial", linear="ease")
    model = build_model(COLUMNS, config.model_copy(update={"linear": "none"}), seed=3)
    found = network_of(model, config).outputs(arrays())
    np.testing.assert_allclose(found, np.asarray(model(arrays().toarray())), rtol=1e-4, atol=1e-5)


def test_what_goes_into_the_last_layer() -> None:
    config = ModelConfig(hidden=(5, 4), loss="masked_mse", input_normalisation="center")
    model = build_model(COLUMNS, config, seed=3)
    network = network_of(model, config)
    kernel, bias = model.get_layer("output").get_weights()
    rated = arrays()
    means = np.asarray(rated.sum(axis=1)).ravel() / np.maximum(np.diff(rated.indptr), 1)
    again = network.hidden(rated) @ kernel + bias + means[:, None]
    np.testing.assert_allclose(network.outputs(rated), again, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", list(SUMS))
def test_losses_are_those_of_keras(loss: str) -> None:
    output = np.random.default_rng(4).normal(0.3, 0.8, (6, COLUMNS)).astype(np.float32)
    expected = [float(one) for one in SUMS[loss](arrays().toarray(), output)]
    assert loss_sums(loss, arrays(), output.copy()) == pytest.approx(expected, rel=1e-5)
