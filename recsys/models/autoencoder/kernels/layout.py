"""How the weights of an autoencoder lie in one vector.

Weights travel as one flat float32 vector: encoder kernel (columns x width), its bias, the inner layers' weights in the
order of the Keras model, then the decoder, either kernel (width x columns) and bias as in Keras or, by rows, one matrix
(columns x (width + 1)).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from recsys.config import ModelConfig

Shapes = list[tuple[int, ...]]


@dataclass(frozen=True)
class Layout:
    """Shapes of the weights in the order of the flat vector."""

    columns: int
    model: ModelConfig
    by_rows: bool = False  # how the decoder is laid out

    @property
    def shapes(self) -> Shapes:
        """All of them."""
        hidden = self.model.hidden
        encoder: Shapes = [(self.columns, hidden[0]), (hidden[0],)]
        inner, last = _dense(hidden), hidden[-1]
        if self.model.kind == "recvae":
            latent = self.model.latent
            layer: Shapes = [(last, last), (last,), (last,), (last,)]  # kernel, bias, and the normalisation's two
            inner = layer[2:] + (len(hidden) - 1) * layer + 2 * [(last, latent), (latent,)]
            last = latent
        if self.model.kind == "vae":
            latent = self.model.latent
            inner += 2 * [(last, latent), (latent,)] + _dense((latent, *reversed(hidden)))
            last = hidden[0]
        decoder: Shapes = [(self.columns, last + 1)] if self.by_rows else [(last, self.columns), (self.columns,)]
        return encoder + inner + decoder

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
        """The flat vector of what `model.get_weights()` gives, of a model without a linear path."""
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


def _dense(widths: tuple[int, ...]) -> Shapes:
    """Kernel and bias of the layers between these widths."""
    shapes: Shapes = []
    for before, width in itertools.pairwise(widths):
        shapes += [(before, width), (width,)]
    return shapes
