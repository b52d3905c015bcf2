"""The layers between encoder and decoder: dropout, latent places, and gradients against slopes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recsys.config import ModelConfig
from recsys.models.autoencoder.kernels.hidden_layers import inner_layers
from recsys.models.autoencoder.kernels.layout import Layout
from recsys.models.autoencoder.kernels.recvae import Prior

COLUMNS = 17


def test_places_are_drawn_around_their_means_and_the_divergence_is_told() -> None:
    config = ModelConfig(kind="vae", hidden=(2,), latent=3, activation="linear", loss="multinomial")
    mean, log_variance = [1.0, -2.0, 0.0], [0.0, np.log(4), np.log(0.25)]
    weights = [np.zeros((2, 3)), mean, np.zeros((2, 3)), log_variance, np.eye(3, 2), np.zeros(2)]
    weights = [np.asarray(one, np.float32) for one in weights]
    z = np.zeros((20_000, 2), np.float32)
    places, divergence, _ = inner_layers(config, z, weights, np.random.default_rng(3))
    np.testing.assert_allclose(np.mean(places, axis=0), mean[:2], atol=0.06)
    np.testing.assert_allclose(np.std(places, axis=0), [1, 2], rtol=0.03)
    # 1/2 (e^v + m^2 - 1 - v), summed: the logarithms cancel
    assert float(divergence) == pytest.approx(0.5 * ((1 + 4 + 0.25) + (1 + 4 + 0) - 3), rel=1e-5)
    certain, _, _ = inner_layers(config, z, weights, None)
    np.testing.assert_allclose(certain[0], mean[:2])


def test_dropout_of_hidden_units_keeps_their_expected_sum() -> None:
    config = ModelConfig(hidden=(2000,), activation="sigmoid", loss="multinomial", dropout=0.25)
    hidden, _, _ = inner_layers(config, np.zeros((1, 2000), np.float32), [], np.random.default_rng(1))
    values, counts = np.unique(np.asarray(hidden), return_counts=True)
    np.testing.assert_allclose(values, [0, 0.5 / 0.75])
    assert counts[0] / 2000 == pytest.approx(0.25, abs=0.05)
    assert hidden.dtype == np.float32


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(hidden=(4, 3, 5), activation="tanh", dropout=0.3),
        ModelConfig(kind="vae", hidden=(4, 3), latent=2, activation="tanh", loss="multinomial", dropout=0.3),
        ModelConfig(kind="recvae", hidden=(4, 4, 4), latent=2, activation="silu", loss="multinomial"),
    ],
    ids=["dae", "vae", "recvae"],
)
def test_inner_layers_backwards_are_the_slopes_of_forwards(config: ModelConfig) -> None:
    generator = np.random.default_rng(8)
    weights = [generator.normal(size=shape) for shape in Layout(COLUMNS, config).shapes[2:-2]]
    z, direction, weight = generator.normal(size=(6, 4)), None, 0.7
    prior = Prior(*generator.normal(size=(2, 6, 2)), np.arange(6.0)) if config.kind == "recvae" else None

    def loss(z: np.ndarray, weights: list[np.ndarray]) -> tuple[float, Any]:
        nonlocal direction
        h, divergence, back = inner_layers(config, z.copy(), weights, np.random.default_rng(5), prior)
        direction = np.random.default_rng(6).normal(size=h.shape) if direction is None else direction
        return float((h * direction).sum() + weight * divergence), back

    _, back = loss(z, weights)
    into = [np.zeros_like(one) for one in weights]
    found = [back(direction, weight, into), *into]
    for number, (one, gradient) in enumerate(zip([z, *weights], found, strict=True)):
        for place in np.ndindex(one.shape):
            changed = []
            for change in (1e-5, -1e-5):
                all_of_them = [np.array(each) for each in (z, *weights)]
                all_of_them[number][place] += change
                changed.append(loss(all_of_them[0], all_of_them[1:])[0])
            assert gradient[place] == pytest.approx((changed[0] - changed[1]) / 2e-5, rel=1e-4, abs=1e-6), number
