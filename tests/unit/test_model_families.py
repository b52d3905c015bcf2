"""The families of models: what the trainer relies on, the linear path, and the variational part by hand."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_ratings import RATINGS, sparse

from recsys.config.load import build_config
from recsys.data.preprocessing import Preprocessing
from recsys.tensorflow_env import quiet_keras

keras = quiet_keras()

from recsys.errors import ConfigError  # noqa: E402
from recsys.models.autoencoder.config import AutoencoderConfig, DaeConfig, RecVaeConfig, VaeConfig  # noqa: E402
from recsys.models.autoencoder.families import Autoencoder  # noqa: E402
from recsys.models.autoencoder.kernels.hidden_layers import annealed_weight, divergence  # noqa: E402
from recsys.models.base import ModelFamily  # noqa: E402
from recsys.models.ease.config import EaseConfig  # noqa: E402
from recsys.models.ease.family import Ease  # noqa: E402
from recsys.models.sum_model import SumConfig, SumModel  # noqa: E402
from recsys.registries import FAMILIES  # noqa: E402

ARRAYS = RATINGS / 5
WEIGHTS = np.arange(49, dtype=np.float32).reshape(7, 7) / 10
SCALE = Preprocessing(0.5, 5.0)
CONFIGS: dict[str, AutoencoderConfig] = {
    "dae": DaeConfig(hidden=(4, 3), loss="multinomial", input_normalisation="l2", input_dropout=0.5),
    "vae": VaeConfig(hidden=(6, 5), latent=3, input_normalisation="l2"),
    "recvae": RecVaeConfig(hidden=(4, 4), latent=3),
}


def untrained(kind: str) -> Autoencoder:
    family: Any = FAMILIES.get(kind)
    config = CONFIGS[kind]
    made: Autoencoder = family(config, SCALE, 7, family.architecture.build(7, config, 3).get_weights())
    return made


LINEAR = Ease(EaseConfig(), SCALE, WEIGHTS)


def with_linear(first: Autoencoder, weight: float = 1.0) -> SumModel:
    return SumModel(SumConfig(first=first.config, second=LINEAR.config, second_weight=weight), first, LINEAR)


@pytest.mark.parametrize("kind", list(CONFIGS))
def test_the_first_dense_layer_is_a_linear_encoder_and_the_last_the_output(kind: str) -> None:
    model = untrained(kind).keras_model()
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert (dense[0].name, dense[-1].name) == ("encoder", "output")
    assert dense[0].activation.__name__ == "linear"
    assert dense[0].kernel.shape == (7, CONFIGS[kind].hidden[0])


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_the_second_models_scores_are_added(weight: float) -> None:
    first = untrained("dae")
    scores = with_linear(first, weight).scorer().score(sparse(RATINGS))
    expected = np.asarray(first.keras_model()(ARRAYS)) + weight * (ARRAYS @ WEIGHTS)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_a_linear_models_scores_are_sums_of_its_weights() -> None:
    np.testing.assert_allclose(LINEAR.scorer().score(sparse(RATINGS)), ARRAYS @ WEIGHTS, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(LINEAR.keras_model()(ARRAYS)), ARRAYS @ WEIGHTS, rtol=1e-5)
    # what each of the first user's ratings (movies 0, 2 and 5) adds to the score of movie 4
    explained = LINEAR.scorer().explain(sparse(RATINGS[:1]), 4)
    np.testing.assert_allclose(explained, [1 * 0.4, 0.6 * 1.8, 0.2 * 3.9], rtol=1e-5)


def test_divergence_by_hand() -> None:
    # 1/2 (e^v + m^2 - 1 - v): (0, 0) -> 0; (2, 0) -> 2; (0, ln 4) -> (3 - ln 4) / 2
    mean, log_variance = np.array([[0, 2], [0, 0]], np.float32), np.array([[0, 0], [0, math.log(4)]], np.float32)
    np.testing.assert_allclose(divergence(mean, log_variance), [2, (3 - math.log(4)) / 2], rtol=1e-6)


def test_the_divergences_weight_rises_evenly() -> None:
    config = VaeConfig(kl_weight=0.2, kl_epochs=10)
    assert [annealed_weight(config, epoch) for epoch in (0, 2.5, 10, 30)] == pytest.approx([0, 0.05, 0.2, 0.2])
    at_once = VaeConfig(kl_weight=0.2, kl_epochs=0)
    assert annealed_weight(at_once, 0) == 0.2


@pytest.mark.parametrize(
    ("model", "training", "message"),
    [
        ({"kind": "vae", "loss": "masked_mse"}, {}, "model.kind = 'vae' does not train with model.loss = 'masked_mse'"),
        ({"kind": "linear", "loss": "mse"}, {}, "model.kind = 'linear' does not train with model.loss = 'mse'"),
        (
            {"kind": "vae"},
            {"strategy": "elephas"},
            "model.kind = 'vae' is not trained by training.strategy = 'elephas': use 'local_sgd'",
        ),
        (
            {"kind": "recvae"},
            {"strategy": "elephas"},
            "model.kind = 'recvae' is not trained by training.strategy = 'elephas': use 'local_sgd'",
        ),
        (
            {"kind": "linear"},
            {"strategy": "elephas"},
            "model.kind = 'linear' is solved in closed form: drop training.strategy = 'elephas'",
        ),
        ({"kind": "recvae", "hidden": [5, 4]}, {}, "model.kind = 'recvae' adds up its hidden layers"),
        (
            {"kind": "sum", "second": {"kind": "dae", "loss": "multinomial"}},
            {},
            "model.second.kind = 'dae' is trained in epochs: take one in closed form",
        ),
        (
            {"kind": "sum", "first": {"kind": "dae"}},
            {},
            "model.first.loss = 'mse' and model.second.loss = 'multinomial': both models of a sum must have one loss",
        ),
    ],
)
def test_kinds_that_do_not_fit_are_refused(model: dict[str, Any], training: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_config({"model": model, "training": training})
    assert len(str(caught.value).split("\n")) == 1
    assert str(caught.value).startswith(message)


def test_a_sum_without_more_words_is_an_autoencoder_of_likes_and_a_linear_model() -> None:
    for table in ({"kind": "sum"}, {"kind": "sum", "second": {"l2": 20.0}}):
        model: Any = build_config({"model": table}).model
        assert isinstance(model, SumConfig) and isinstance(model.second, EaseConfig)
        assert (model.first.kind, model.first.loss_name, model.second.kind) == ("dae", "multinomial", "linear")
    assert model.second.l2 == 20.0


def test_a_sampled_softmax_needs_a_softmax() -> None:
    with pytest.raises(ConfigError, match=r"training\.sampled_items has no meaning with model\.loss = 'masked_mse'"):
        build_config({"model": {"loss": "masked_mse"}, "training": {"sampled_items": 5}})
    assert (
        build_config({"model": {"loss": "multinomial"}, "training": {"sampled_items": 5}}).training.sampled_items == 5
    )


@pytest.mark.slow
def test_saved_models_of_every_family_load_in_plain_keras(tmp_path: Path) -> None:
    models: dict[str, ModelFamily] = {kind: untrained(kind) for kind in CONFIGS}
    models |= {"linear": LINEAR, "sum": with_linear(untrained("vae"), 2.0)}
    for name, model in models.items():
        model.save(tmp_path / name)
        np.save(tmp_path / f"{name}.npy", model.scorer().score(sparse(RATINGS)))
    np.save(tmp_path / "arrays.npy", ARRAYS)
    code = f"""
import sys, keras, numpy as np
for name in {list(models)}:
    found = keras.models.load_model(f"{{name}}/model.keras", safe_mode=True)(np.load("arrays.npy")).numpy()
    np.testing.assert_allclose(found, np.load(f"{{name}}.npy"), rtol=1e-5, atol=1e-6)
assert "recsys" not in sys.modules
print("loaded")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "loaded", done.stderr[-2000:]


@pytest.mark.parametrize("name", [*CONFIGS, "linear", "sum"])
def test_a_saved_model_scores_and_is_configured_as_before(name: str, tmp_path: Path) -> None:
    model = LINEAR if name == "linear" else with_linear(untrained("vae"), 2.0) if name == "sum" else untrained(name)
    model.save(tmp_path)
    again = type(model).load(tmp_path)
    assert again.config.model_dump() == model.config.model_dump()
    assert again.preprocessing == SCALE
    one, other = (each.scorer().score(sparse(RATINGS)) for each in (model, again))
    np.testing.assert_array_equal(one, other)
