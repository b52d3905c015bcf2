"""An autoencoder as it is used, not trained: from raw ratings to scores, by NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

from recsys.activations import activate
from recsys.data.preprocessing import Preprocessing
from recsys.models.autoencoder.kernels.layout import Layout
from recsys.models.autoencoder.kernels.normalisation import normalise, row_offsets
from recsys.models.base import ScoreBlock, Scorer


@dataclass(frozen=True)
class AutoencoderScorer(Scorer):
    """The weights of a model with what they mean. Scores are the Keras model's outputs, to rounding.

    Attributes:
        layout: what the weights are.
        weights: float32, as Keras has them.
        preprocessing: how raw ratings become rating arrays.
    """

    layout: Layout
    weights: list[np.ndarray]
    preprocessing: Preprocessing

    @property
    def columns(self) -> int:  # type: ignore[override]
        return self.layout.columns

    def score(self, ratings: csr_matrix) -> np.ndarray:
        config = self.layout.model
        entered, offsets = normalise(self.preprocessing.scale(ratings), config)
        kernel, bias = self.output_layer()
        sums = self._hidden(entered) @ kernel
        sums += bias
        result, _ = activate(config.resolved_output_activation, sums)
        if config.shifted:
            result += offsets[:, None]
        return result

    @property
    def in_blocks(self) -> bool:
        return self.layout.model.resolved_output_activation != "softmax"  # which needs all outputs

    def score_blocks(self, ratings: csr_matrix, columns: int) -> Iterator[ScoreBlock]:
        if not self.in_blocks:
            yield 0, self.score(ratings)
            return
        config = self.layout.model
        entered, offsets = normalise(self.preprocessing.scale(ratings), config)
        hidden = self._hidden(entered)
        hidden = np.concatenate([hidden, np.ones((len(hidden), 1), hidden.dtype)], axis=1)
        for start in range(0, self.columns, columns):
            sums = hidden @ self._output_rows[start : start + columns].T
            outputs, _ = activate(config.resolved_output_activation, sums)
            if config.shifted:
                outputs += offsets[:, None]
            yield start, outputs

    @cached_property
    def _output_rows(self) -> np.ndarray:
        """(columns, width + 1): the product adds the bias, and reads the weights of a block one after the other."""
        kernel, bias = self.output_layer()
        return np.concatenate([kernel, bias[None]]).T.copy()

    def codes(self, ratings: csr_matrix) -> np.ndarray:
        return self._hidden(normalise(self.preprocessing.scale(ratings), self.layout.model)[0])

    def output_layer(self) -> tuple[np.ndarray, np.ndarray]:
        return self.weights[-2], self.weights[-1]

    def offsets(self, sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """As the model adds them; of "center" a row without ratings gets the mean of all ratings, not 0."""
        how = self.layout.model.input_normalisation
        result = row_offsets(how, sums, counts)
        if how == "center":
            result[counts == 0] = sums.sum() / max(counts.sum(), 1)
        return result

    def _hidden(self, entered: csr_matrix) -> np.ndarray:
        z = entered @ self.weights[0] + self.weights[1]
        return self.layout.architecture.forward(self.layout.model, z, self.weights[2:-2], None)[0]
