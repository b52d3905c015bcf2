"""The layers between encoder and output: dropout, latent codes, and gradients against slopes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.models.autoencoder.config import AutoencoderConfig, DaeConfig, RecVaeConfig, VaeConfig
from recsys.models.autoencoder.kernels.architecture import Architecture, Prior
from recsys.models.autoencoder.kernels.hidden_layers import DenseLayers, VariationalLayers
from recsys.models.autoencoder.kernels.layout import Layout
from recsys.models.autoencoder.kernels.recvae import RecVaeLayers

COLUMNS = 17


def test_latent_codes_are_drawn_around_their_means_and_the_divergence_is_given() -> None:
    config = VaeConfig(hidden=(2,), latent=3, activation="linear", loss="multinomial")
    mean, log_variance = [1.0, -2.0, 0.0], [0.0, np.log(4), np.log(0.25)]
    arrays: list[Any] = [np.zeros((2, 3)), mean, np.zeros((2, 3)), log_variance, np.eye(3, 2), np.zeros(2)]
    weights = [np.asarray(one, np.float32) for one in arrays]
    z = np.zeros((20_000, 2), np.float32)
    codes, divergence, _ = VariationalLayers().forward(config, z, weights, np.random.default_rng(3))
    np.testing.assert_allclose(np.mean(codes, axis=0), mean[:2], atol=0.06)
    np.testing.assert_allclose(np.std(codes, axis=0), [1, 2], rtol=0.03)
    # 1/2 (e^v + m^2 - 1 - v), summed: the logarithms cancel
    assert float(divergence) == pytest.approx(0.5 * ((1 + 4 + 0.25) + (1 + 4 + 0) - 3), rel=1e-5)
    certain, _, _ = VariationalLayers().forward(config, z, weights, None)
    np.testing.assert_allclose(certain[0], mean[:2])


def test_dropout_of_hidden_units_keeps_their_expected_sum() -> None:
    config = DaeConfig(hidden=(2000,), activation="sigmoid", loss="multinomial", dropout=0.25)
    hidden, _, _ = DenseLayers().forward(config, np.zeros((1, 2000), np.float32), [], np.random.default_rng(1))
    values, counts = np.unique(np.asarray(hidden), return_counts=True)
    np.testing.assert_allclose(values, [0, 0.5 / 0.75])
    assert counts[0] / 2000 == pytest.approx(0.25, abs=0.05)
    assert hidden.dtype == np.float32


@pytest.mark.parametrize(
    ("architecture", "config"),
    [
        (DenseLayers(), DaeConfig(hidden=(4, 3, 5), activation="tanh", dropout=0.3)),
        (VariationalLayers(), VaeConfig(hidden=(4, 3), latent=2, activation="tanh", dropout=0.3)),
        (RecVaeLayers(), RecVaeConfig(hidden=(4, 4, 4), latent=2, activation="silu")),
    ],
    ids=["dae", "vae", "recvae"],
)
def test_hidden_layers_backwards_are_the_slopes_of_forwards(
    architecture: Architecture, config: AutoencoderConfig
) -> None:
    generator = np.random.default_rng(8)
    weights = [generator.normal(size=shape) for shape in Layout(COLUMNS, config, architecture).shapes[2:-2]]
    z, direction, weight = generator.normal(size=(6, 4)), None, 0.7
    prior = None
    if architecture.needs_prior:
        mean, log_variance = generator.normal(size=(2, 6, 2))
        prior = Prior(mean, log_variance, np.arange(6.0))

    def loss(z: np.ndarray, weights: list[np.ndarray]) -> tuple[float, Any]:
        nonlocal direction
        h, divergence, back = architecture.forward(config, z.copy(), weights, np.random.default_rng(5), prior)
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


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 6),
    width=st.integers(1, 9),
    latent=st.integers(1, 5),
    scale=st.sampled_from([0.0, 1e-42, 1.0, 20.0]),
    activation=st.sampled_from(["silu", "tanh"]),
    seed=st.integers(0, 999),
)
def test_compiled_layers_are_those_of_numpy(
    rows: int, width: int, latent: int, scale: float, activation: Any, seed: int
) -> None:
    config = RecVaeConfig(hidden=(width, width), latent=latent, activation=activation)
    draw = np.random.default_rng(seed)
    shapes = Layout(COLUMNS, config, RecVaeLayers()).shapes[2:-2]
    weights = [draw.normal(size=shape).astype(np.float32) for shape in shapes]
    z = (scale * draw.normal(size=(rows, width))).astype(np.float32)
    ratings = draw.integers(0, 9, rows).astype(np.float32)
    slope = draw.normal(size=(rows, latent)).astype(np.float32)
    found = []
    for architecture in (RecVaeLayers(), RecVaeLayers().with_kernels()):
        prior = architecture.prior(config, z[::-1].copy(), weights, ratings)
        h, divergence, back = architecture.forward(config, z.copy(), weights, np.random.default_rng(5), prior)
        into = [np.full_like(one, 7) for one in weights]
        found.append([np.array(divergence), prior.mean, h, back(slope, 0.3, into), *into])
    assert not RecVaeLayers().compiled and RecVaeLayers() != RecVaeLayers().with_kernels()
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=3e-4 * max(1.0, float(np.abs(other).max())))
