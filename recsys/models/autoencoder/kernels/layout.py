"""How the weights of an autoencoder lie in one vector.

Weights travel as one flat float32 vector: encoder kernel (columns x width), its bias, the hidden layers' weights in the
order of the Keras model, then the output layer, either kernel (width x columns) and bias as in Keras or, by rows, one
matrix (columns x (width + 1)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.models.autoencoder.config import AutoencoderConfig
from recsys.models.autoencoder.kernels.architecture import Architecture, Shapes


@dataclass(frozen=True)
class Layout:
    """Shapes of the weights in the order of the flat vector."""

    columns: int
    model: AutoencoderConfig
    architecture: Architecture
    by_rows: bool = False  # how the decoder is laid out

    @property
    def shapes(self) -> Shapes:
        """All of them."""
        width = self.model.hidden[0]
        encoder: Shapes = [(self.columns, width), (width,)]
        hidden, last = self.architecture.shapes(self.model)
        decoder: Shapes = [(self.columns, last + 1)] if self.by_rows else [(last, self.columns), (self.columns,)]
        return encoder + hidden + decoder

    @property
    def decoder(self) -> int:
        """Where among the shapes the decoder's begin."""
        return len(self.shapes) - (1 if self.by_rows else 2)

    @property
    def size(self) -> int:
        """Numbers in the flat vector."""
        return sum(int(np.prod(shape)) for shape in self.shapes)

    def split(self, flat: np.ndarray) -> list[np.ndarray]:
        """The weights as views of the flat vector."""
        pieces, start = [], 0
        for shape in self.shapes:
            end = start + int(np.prod(shape))
            pieces.append(flat[start:end].reshape(shape))
            start = end
        return pieces

    def from_keras(self, weights: list[np.ndarray]) -> np.ndarray:
        """The flat vector of what `model.get_weights()` gives."""
        if self.by_rows:
            *weights, kernel, bias = weights
            weights = [*weights, np.concatenate([kernel.T, bias[:, None]], axis=1)]
        return np.concatenate([np.asarray(one, np.float32).ravel() for one in weights])

    def to_keras(self, flat: np.ndarray) -> list[np.ndarray]:
        """What `model.set_weights()` takes."""
        pieces = self.split(flat)
        if self.by_rows:
            *pieces, decoder = pieces
            pieces = [*pieces, np.ascontiguousarray(decoder[:, :-1].T), decoder[:, -1].copy()]
        return pieces
