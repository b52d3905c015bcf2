"""A model as it is used, not trained: from sparse rating arrays to outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from recsys.activations import activate
from recsys.config import ModelConfig
from recsys.models.autoencoder.kernels.hidden_layers import inner_layers
from recsys.models.autoencoder.kernels.layout import Layout
from recsys.models.autoencoder.kernels.normalisation import normalise


@dataclass(frozen=True)
class Network:
    """The weights of a model with what they mean: its outputs are those of the Keras model, to rounding."""

    layout: Layout
    flat: np.ndarray  # float32: see recsys.models.autoencoder.kernels.layout; empty for a linear model
    linear: np.ndarray | None  # float32 (columns, columns) of the linear path

    @classmethod
    def of(cls, config: ModelConfig, columns: int, weights: list[np.ndarray], linear: np.ndarray | None) -> Network:
        """From the weights of the Keras model, those of the linear path by themselves."""
        layout = Layout(columns, config)
        return cls(layout, layout.from_keras(weights) if weights else np.zeros(0, np.float32), linear)

    def hidden(self, inputs: csr_matrix) -> np.ndarray:
        """What goes into the last layer (rows, width), of scaled rating arrays (rows x columns)."""
        return self._hidden(normalise(inputs, self.layout.model)[0])

    def outputs(self, inputs: csr_matrix) -> np.ndarray:
        """Outputs float32 (rows, columns) of scaled rating arrays (rows x columns)."""
        config = self.layout.model
        linear: Any = 0.0 if self.linear is None else inputs @ self.linear
        if config.kind == "linear":
            return np.asarray(linear)
        entered, offsets = normalise(inputs, config)
        *_, kernel, bias = self.layout.split(self.flat)
        result, _ = activate(config.resolved_output_activation, self._hidden(entered) @ kernel + bias)
        if config.input_normalisation in ("center", "offset"):
            result += offsets[:, None]
        if self.linear is not None:
            result += linear
        return result

    @property
    def in_blocks(self) -> bool:
        """Whether a few movies' outputs cost no more memory than those: a softmax needs them all, as `linear` does."""
        return self.linear is None and self.layout.model.resolved_output_activation != "softmax"

    def output_blocks(self, inputs: csr_matrix, columns: int) -> Iterator[tuple[int, np.ndarray]]:
        """The outputs of `columns` movies at a time: (first movie, float32 (rows, movies)); of a softmax,
        which needs them all, in one block."""
        config = self.layout.model
        if config.kind != "linear" and config.resolved_output_activation == "softmax":
            yield 0, self.outputs(inputs)
            return
        if config.kind != "linear":
            entered, offsets = normalise(inputs, config)
            *_, kernel, bias = self.layout.split(self.flat)
            hidden = self._hidden(entered)
        # of all movies at once: SciPy copies what is cut out of a matrix
        linear = np.asarray(inputs @ self.linear) if self.linear is not None else None
        for start in range(0, self.layout.columns, columns):
            part = slice(start, start + columns)
            result = linear[:, part] if linear is not None else None
            if config.kind != "linear":
                deep = hidden @ kernel[:, part]
                deep += bias[part]
                deep, _ = activate(config.resolved_output_activation, deep)
                if config.input_normalisation in ("center", "offset"):
                    deep += offsets[:, None]
                result = deep if result is None else deep + result
            assert result is not None
            yield start, result

    def _hidden(self, entered: csr_matrix) -> np.ndarray:
        weights = self.layout.split(self.flat)
        z = entered @ weights[0] + weights[1]
        return inner_layers(self.layout.model, z, weights[2 : self.layout.decoder], None)[0]
