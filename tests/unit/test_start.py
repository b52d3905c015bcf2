"""The first weights beside those that Keras draws for the same model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recsys.models.autoencoder.config import DaeConfig, RecVaeConfig, VaeConfig
from recsys.models.autoencoder.kernels.architecture import Architecture
from recsys.models.autoencoder.kernels.hidden_layers import DenseLayers, VariationalLayers
from recsys.models.autoencoder.kernels.recvae import RecVaeLayers
from recsys.models.autoencoder.start import first_weights
from recsys.tensorflow_env import quiet_keras

COLUMNS = 301

quiet_keras()


@pytest.mark.parametrize(
    ("architecture", "config"),
    [
        (DenseLayers(), DaeConfig(hidden=(60, 40, 50))),
        (DenseLayers(), DaeConfig(hidden=(60,), loss="masked_mse", input_normalisation="offset")),
        (VariationalLayers(), VaeConfig(hidden=(60, 50), latent=40)),
        (RecVaeLayers(), RecVaeConfig(hidden=(60, 60, 60), latent=40)),
    ],
    ids=["dae", "offset", "vae", "recvae"],
)
def test_every_array_is_distributed_as_in_keras(architecture: Architecture, config: Any) -> None:
    found = first_weights(architecture, config, COLUMNS, 3)
    expected = architecture.build(COLUMNS, config, 3).get_weights()
    assert [(one.shape, one.dtype) for one in found] == [(one.shape, one.dtype) for one in expected]
    for one, other in zip(found, expected, strict=True):
        if one.ndim == 1:  # biases 0, scales of a normalisation 1
            assert np.array_equal(one, other)
            continue
        for figure in (np.std, lambda array: np.quantile(np.abs(array), 0.9)):
            assert figure(one) == pytest.approx(figure(other), rel=0.12)
        assert abs(one.mean()) < 4 * one.std() / np.sqrt(one.size)


def test_the_seed_decides() -> None:
    def drawn(seed: int) -> np.ndarray:
        return np.concatenate([one.ravel() for one in first_weights(DenseLayers(), DaeConfig(), 19, seed)])

    assert np.array_equal(drawn(1), drawn(1)) and not np.array_equal(drawn(1), drawn(2))
