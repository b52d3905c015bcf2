"""The weights that training starts from: drawn as Keras draws them, without importing it, which takes seconds."""

from __future__ import annotations

import math

import numpy as np

from recsys.models.autoencoder.config import AutoencoderConfig
from recsys.models.autoencoder.kernels.architecture import Architecture, glorot

# of the usual variance: beside offsets, which are a good guess already, a fifth of the usual size
OUTPUT_VARIANCE_BESIDE_OFFSETS = 0.04


def first_weights(architecture: Architecture, model: AutoencoderConfig, columns: int, seed: int) -> list[np.ndarray]:
    """Weights in the order of the Keras model: Glorot's uniform kernels (Glorot and Bengio 2010, eq. 16), biases 0.

    The same seed gives the same weights. They have the distribution of those of `Architecture.build`, not their values.
    """
    draw = np.random.default_rng(seed)
    width = model.hidden[0]
    last = architecture.shapes(model)[1]
    start = [glorot(draw, (columns, width)), np.zeros(width, np.float32)]
    start += architecture.start(model, draw)
    scale = math.sqrt(OUTPUT_VARIANCE_BESIDE_OFFSETS) if model.input_normalisation == "offset" else 1.0
    return [*start, glorot(draw, (last, columns), scale), np.zeros(columns, np.float32)]
