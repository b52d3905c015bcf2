"""The families of models: what the trainer relies on, the linear path, and the variational part by hand."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_ratings import RATINGS

from recsys.config import ModelConfig
from recsys.config.load import build_config
from recsys.tensorflow_env import quiet_keras

keras = quiet_keras()

from recsys.errors import ConfigError  # noqa: E402
from recsys.models.autoencoder.kernels.hidden_layers import annealed_weight, divergence  # noqa: E402
from recsys.models.build import build_model  # noqa: E402
from recsys.models.ease.keras_path import set_item_weights  # noqa: E402

ARRAYS = RATINGS / 5
WEIGHTS = np.arange(49, dtype=np.float32).reshape(7, 7) / 10
CONFIGS = {
    "dae": ModelConfig(hidden=(4, 3), loss="multinomial", input_normalisation="l2", input_dropout=0.5, linear="ease"),
    "vae": ModelConfig(
        kind="vae", hidden=(6, 5), latent=3, loss="multinomial", input_normalisation="l2", linear="ease"
    ),
}


@pytest.mark.parametrize("kind", list(CONFIGS))
def test_the_first_dense_layer_is_a_linear_encoder_and_the_last_the_output(kind: str) -> None:
    model = build_model(7, CONFIGS[kind], seed=3)
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense) and layer.name != "linear"]
    assert (dense[0].name, dense[-1].name) == ("encoder", "output")
    assert dense[0].activation.__name__ == "linear"
    assert dense[0].kernel.shape == (7, CONFIGS[kind].hidden[0])


def test_the_linear_path_is_added_to_the_output_and_not_trained() -> None:
    with_path, without = (
        build_model(7, ModelConfig(hidden=(4,), loss="multinomial", linear=linear), seed=3)
        for linear in ("ease", "none")
    )
    np.testing.assert_array_equal(with_path(ARRAYS).numpy(), without(ARRAYS).numpy())  # zero at first
    set_item_weights(with_path, WEIGHTS)
    np.testing.assert_allclose(with_path(ARRAYS).numpy(), without(ARRAYS).numpy() + ARRAYS @ WEIGHTS, rtol=1e-5)
    assert len(with_path.trainable_weights) == len(without.trainable_weights) == 4
    assert len(with_path.non_trainable_weights) == 1


def test_a_linear_model_is_the_linear_path_alone() -> None:
    config = ModelConfig(kind="linear", linear="ease", loss="multinomial")
    model = build_model(7, config, seed=3)
    set_item_weights(model, WEIGHTS)
    np.testing.assert_allclose(model(ARRAYS).numpy(), ARRAYS @ WEIGHTS, rtol=1e-5)


def test_divergence_by_hand() -> None:
    # 1/2 (e^v + m^2 - 1 - v): (0, 0) -> 0; (2, 0) -> 2; (0, ln 4) -> (3 - ln 4) / 2
    mean, log_variance = np.float32([[0, 2], [0, 0]]), np.float32([[0, 0], [0, math.log(4)]])
    np.testing.assert_allclose(divergence(mean, log_variance), [2, (3 - math.log(4)) / 2], rtol=1e-6)


def test_the_divergences_weight_rises_evenly() -> None:
    config = ModelConfig(kind="vae", loss="multinomial", kl_weight=0.2, kl_epochs=10)
    assert [annealed_weight(config, epoch) for epoch in (0, 2.5, 10, 30)] == pytest.approx([0, 0.05, 0.2, 0.2])
    at_once = ModelConfig(kind="vae", loss="multinomial", kl_weight=0.2, kl_epochs=0)
    assert annealed_weight(at_once, 0) == 0.2


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ({"linear": "ease"}, "model.linear = 'ease' scores for a ranking"),
        ({"kind": "linear", "loss": "multinomial"}, "model.kind = 'linear' needs model.linear"),
        ({"kind": "vae", "loss": "masked_mse"}, "model.kind = 'vae' is for likes"),
        ({"kind": "vae", "loss": "multinomial"}, "training.strategy = 'elephas' leaves out"),
    ],
)
def test_kinds_that_do_not_fit_are_refused(model: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        build_config({"model": model, "training": {"strategy": "elephas"}})


def test_a_sampled_softmax_needs_a_softmax() -> None:
    with pytest.raises(ConfigError, match=r"training\.sampled_items has no meaning with model\.loss = 'masked_mse'"):
        build_config({"model": {"loss": "masked_mse"}, "training": {"sampled_items": 5}})
    assert (
        build_config({"model": {"loss": "multinomial"}, "training": {"sampled_items": 5}}).training.sampled_items == 5
    )


@pytest.mark.slow
def test_saved_models_of_every_family_load_in_plain_keras(tmp_path: Path) -> None:
    configs = {**CONFIGS, "linear": ModelConfig(kind="linear", linear="ease", loss="multinomial")}
    for name, config in configs.items():
        model = build_model(7, config, seed=3)
        set_item_weights(model, WEIGHTS)
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.npy", model(ARRAYS).numpy())
    np.save(tmp_path / "arrays.npy", ARRAYS)
    code = f"""
import sys, keras, numpy as np
for name in {list(configs)}:
    found = keras.models.load_model(f"{{name}}.keras", safe_mode=True)(np.load("arrays.npy")).numpy()
    np.testing.assert_allclose(found, np.load(f"{{name}}.npy"), rtol=1e-5, atol=1e-6)
assert "recsys" not in sys.modules
print("loaded")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "loaded", done.stderr[-2000:]
