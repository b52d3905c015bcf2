"""The dense autoencoder: its size, what it computes, and that plain Keras loads it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_ratings import RATINGS

from recsys.models.autoencoder.config import DaeConfig
from recsys.tensorflow_env import quiet_keras

keras = quiet_keras()

from recsys.models.autoencoder.keras_models import build_autoencoder  # noqa: E402
from recsys.models.autoencoder.kernels.normalisation import row_offsets  # noqa: E402

ARRAYS = RATINGS / 5


def outputs(config: DaeConfig, arrays: np.ndarray = ARRAYS, **call: Any) -> np.ndarray:
    return build_autoencoder(arrays.shape[1], config, seed=3)(arrays, **call).numpy()


def dense_layers(model: Any) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]


def activations(model: Any) -> list[str]:
    """Of the hidden layers and the output; the first one's is a layer of its own."""
    first, *others = dense_layers(model)
    assert (first.name, first.activation.__name__) == ("encoder", "linear")
    return [layer.activation.__name__ for layer in (model.get_layer("encoder_activation"), *others)]


def forward(model: Any, arrays: np.ndarray) -> np.ndarray:
    """ReLU layers and a linear output, from the model's own weights."""
    *hidden, output = [layer.get_weights() for layer in dense_layers(model)]
    for kernel, bias in hidden:
        arrays = np.maximum(arrays @ kernel + bias, 0)
    return arrays @ output[0] + output[1]


def test_the_papers_model_has_the_papers_parameters() -> None:
    model = build_autoencoder(2821, DaeConfig(), seed=1)
    layers = dense_layers(model)
    assert [layer.count_params() for layer in layers] == [423_300, 3_775, 3_900, 425_971]
    assert model.count_params() == 423_300 + 3_775 + 3_900 + 425_971
    assert activations(model) == ["relu", "relu", "relu", "softmax"]


def test_rows_of_a_softmax_sum_to_one() -> None:
    found = outputs(DaeConfig())
    assert found.shape == (5, 7)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert (found > 0).all()


@pytest.mark.parametrize("loss", ["masked_mse", "multinomial"])
def test_other_losses_have_a_linear_output(loss: str) -> None:
    model = build_autoencoder(7, DaeConfig(hidden=(4,), loss=loss), seed=3)
    np.testing.assert_allclose(model(ARRAYS).numpy(), forward(model, ARRAYS), rtol=1e-4, atol=1e-6)


def test_width_depth_and_activation_are_as_configured() -> None:
    model = build_autoencoder(7, DaeConfig(hidden=(6, 2), activation="tanh", output_activation="sigmoid"), seed=3)
    assert [layer.units for layer in dense_layers(model)] == [6, 2, 7]
    assert activations(model) == ["tanh", "tanh", "sigmoid"]


def test_inputs_of_length_one() -> None:
    model = build_autoencoder(7, DaeConfig(hidden=(4,), loss="masked_mse", input_normalisation="l2"), seed=3)
    unit = ARRAYS / np.linalg.norm(ARRAYS, axis=1, keepdims=True)
    np.testing.assert_allclose(model(ARRAYS).numpy(), forward(model, unit), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model(0.5 * ARRAYS).numpy(), model(ARRAYS).numpy(), rtol=1e-4, atol=1e-6)


def test_centred_inputs_lose_the_users_mean_where_rated_and_outputs_get_it_back() -> None:
    model = build_autoencoder(7, DaeConfig(hidden=(4,), loss="masked_mse", input_normalisation="center"), seed=3)
    rated = ARRAYS > 0
    mean = ARRAYS.sum(axis=1, keepdims=True) / rated.sum(axis=1, keepdims=True)
    centred = np.where(rated, ARRAYS - mean, 0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    np.testing.assert_allclose(model(ARRAYS).numpy(), forward(model, unit) + mean, rtol=1e-4, atol=1e-5)


def test_an_offset_is_added_to_the_output_and_the_input_stays_as_it_is() -> None:
    config = DaeConfig(hidden=(4,), loss="masked_mse", input_normalisation="offset")
    model = build_autoencoder(7, config, seed=3)
    # the means of the users' 3, 1, 5, 3 and 3 ratings, drawn towards 3.5 stars by five more of these
    drawn = np.array([(9 + 17.5) / 8, (4.5 + 17.5) / 6, (11.5 + 17.5) / 10, (11.5 + 17.5) / 8, (8.5 + 17.5) / 8]) / 5
    np.testing.assert_allclose(model(ARRAYS).numpy(), forward(model, ARRAYS) + drawn[:, None], rtol=1e-5, atol=1e-6)
    nothing = model(np.zeros((1, 7), np.float32)).numpy()
    np.testing.assert_allclose(nothing, forward(model, np.zeros((1, 7))) + 0.7, rtol=1e-5)


def test_inputs_are_scaled_after_they_are_normalised() -> None:
    plain, offset = (
        build_autoencoder(7, DaeConfig(hidden=(4,), loss="masked_mse", input_normalisation=how, input_scale=25.0), 3)
        for how in ("none", "offset")
    )
    np.testing.assert_allclose(plain(ARRAYS).numpy(), forward(plain, 25 * ARRAYS), rtol=1e-4, atol=1e-5)
    added = offset(ARRAYS).numpy() - forward(offset, 25 * ARRAYS)
    np.testing.assert_allclose(added[1], 22 / 30, rtol=1e-4)  # as without the scale: 4.4 of 6 ratings, by 5


def test_outputs_start_near_the_offsets() -> None:
    """Keras' own start is uniform within sqrt(6 / (units in + units out)); beside offsets within a fifth of that."""
    parts: dict[Any, float] = {"offset": 0.2, "center": 1.0}
    for how, part in parts.items():
        config = DaeConfig(hidden=(400,), loss="masked_mse", input_normalisation=how)
        kernel = dense_layers(build_autoencoder(7, config, 3))[-1].get_weights()[0]
        assert np.abs(kernel).max() == pytest.approx(part * np.sqrt(6 / 407), rel=0.01)


@pytest.mark.parametrize("how", ["none", "l2", "center", "offset"])
def test_offsets_are_those_of_the_graph(how: Any) -> None:
    model = build_autoencoder(7, DaeConfig(hidden=(4,), loss="masked_mse", input_normalisation=how), seed=3)
    *hidden, (kernel, bias) = [layer.get_weights() for layer in dense_layers(model)]
    model.set_weights([*hidden[0], 0 * kernel, 0 * bias])  # nothing is left but what is added
    arrays = np.concatenate([ARRAYS, np.zeros((1, 7), np.float32)])
    found = row_offsets(how, arrays.sum(axis=1), (arrays > 0).sum(axis=1))
    assert found.dtype == np.float32
    np.testing.assert_allclose(model(arrays).numpy(), np.repeat(found[:, None], 7, axis=1), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("normalisation", ["none", "l2", "center", "offset"])
def test_a_user_without_ratings_gets_finite_scores(normalisation: Any) -> None:
    config = DaeConfig(hidden=(4,), loss="masked_mse", input_normalisation=normalisation)
    assert np.isfinite(outputs(config, np.zeros((2, 7), np.float32))).all()


def test_dropout_is_for_training_alone() -> None:
    config = DaeConfig(hidden=(50,), loss="masked_mse", input_dropout=0.5, dropout=0.5)
    model = build_autoencoder(7, config, seed=3)
    np.testing.assert_array_equal(model(ARRAYS, training=False).numpy(), model(ARRAYS, training=False).numpy())
    assert not np.allclose(model(ARRAYS, training=True).numpy(), model(ARRAYS, training=True).numpy())


def test_l2_adds_the_squared_kernels_to_the_loss() -> None:
    model = build_autoencoder(7, DaeConfig(hidden=(4,), l2=0.25), seed=3)
    squares = sum(float(np.square(layer.get_weights()[0]).sum()) for layer in dense_layers(model))
    assert sum(float(loss) for loss in model.losses) == pytest.approx(0.25 * squares, rel=1e-5)
    assert not build_autoencoder(7, DaeConfig(hidden=(4,)), seed=3).losses


def test_the_seed_sets_the_weights() -> None:
    config = DaeConfig(hidden=(4,))
    one, same, other = (build_autoencoder(7, config, seed).get_weights() for seed in (3, 3, 4))
    assert all((a == b).all() for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])


@pytest.mark.slow
def test_saved_models_load_in_a_fresh_process_with_plain_keras(tmp_path: Path) -> None:
    configs = {
        "paper": DaeConfig(hidden=(6, 2, 6)),
        "centred": DaeConfig(hidden=(4,), loss="masked_mse", input_normalisation="center", dropout=0.1, l2=0.1),
        "offset": DaeConfig(hidden=(4,), loss="masked_mse", input_normalisation="offset", input_scale=5.0),
        "denoising": DaeConfig(hidden=(4,), loss="multinomial", input_normalisation="l2", input_dropout=0.5),
    }
    for name, config in configs.items():
        model = build_autoencoder(7, config, seed=3)
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.npy", model(ARRAYS).numpy())
    np.save(tmp_path / "arrays.npy", ARRAYS)
    code = f"""
import sys, keras, numpy as np
arrays = np.load("arrays.npy")
for name in {list(configs)}:
    found = keras.models.load_model(f"{{name}}.keras")(arrays).numpy()
    np.testing.assert_allclose(found, np.load(f"{{name}}.npy"), rtol=1e-5, atol=1e-6)
assert "recsys" not in sys.modules
print("loaded")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "loaded", done.stderr[-2000:]
