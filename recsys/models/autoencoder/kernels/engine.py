"""One worker's arithmetic: the network's step on sparse batches, and its losses. NumPy alone, see recsys.networks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from recsys.config import ModelConfig
from recsys.losses import heads
from recsys.models.autoencoder.kernels.adam import RowAdam, adam, step_size
from recsys.models.autoencoder.kernels.batches import Batch, Entries
from recsys.models.autoencoder.kernels.hidden_layers import inner_layers
from recsys.models.autoencoder.kernels.layout import Layout
from recsys.models.autoencoder.kernels.recvae import Prior, places

Pace = tuple[float, float]  # of a step: Adam's step size, and the weight of a variational model's divergence
_NOTHING = 1e-30
_MANY = 0.5  # where a batch touches more than this part of the columns, whole matrices are updated: less to gather


@dataclass(frozen=True)
class Plan:
    """How a model is trained, decided once by the driver, so that every worker does the same.

    decoder: "dense", "rows" (only columns of the batch) or "gramian" (laid out by rows, all of them).
    """

    model: ModelConfig
    columns: int
    decoder: str
    row_updates: bool
    sampled_items: int

    @property
    def layout(self) -> Layout:
        """Of the weights."""
        return Layout(self.columns, self.model, self.decoder != "dense")


def plan_for(model: ModelConfig, columns: int, density: float, batch_size: int, sampled_items: int) -> Plan:
    """The cheapest exact way, unless `sampled_items` asks for a sampled softmax.

    density: ratings per entry of the matrix. `l2` pulls on all weights in every step, so that all are updated.
    """
    activation = model.resolved_output_activation
    touched = 1.0 - (1.0 - density) ** batch_size
    decoder = "dense"
    if (model.loss == "masked_mse" and activation != "softmax") or (model.loss == "multinomial" and sampled_items):
        decoder = "rows"
    elif model.loss == "mse" and activation == "linear" and model.hidden[-1] < 1.5 * batch_size:
        # multiplications a step: 4 columns width^2 by the Gramian, 6 columns width rows by the outputs
        decoder = "gramian"
    return Plan(model, columns, decoder, not model.l2 and touched < _MANY, sampled_items)


class Engine:
    """The weights and Adam's moments of one worker at a time, and the memory that its steps work in."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.step = 0  # steps taken since the beginning
        layout = plan.layout
        self._value, self._m, self._v, self._gradient = np.zeros((4, layout.size), np.float32)
        self._weights, self._gradients = layout.split(self._value), layout.split(self._gradient)
        self._inner = slice(2, layout.decoder)
        self._decoder = slice(layout.decoder, None)
        moments = list(zip(self._weights, layout.split(self._m), layout.split(self._v), strict=True))
        self._encoder = RowAdam(*moments[0]) if plan.row_updates else None
        by_row = plan.row_updates and plan.decoder == "rows"
        self._rows_decoder = RowAdam(*moments[layout.decoder]) if by_row else None
        sizes = [one.size for one in self._weights]
        first = sizes[0] if self._encoder else 0
        self._whole = slice(first, layout.size - sizes[-1] if by_row else layout.size)  # what is updated as a whole
        self._work = heads.Work()
        self._before: list[np.ndarray] = []  # RecVAE: the encoder as the round found it

    def load(self, flat: np.ndarray, moments: np.ndarray | None, step: int) -> None:
        """Weights as one vector, Adam's moments (2, size) or None for zeros, the number of steps taken so far."""
        self.step = step
        self.load_weights(flat)
        if self.plan.model.kind == "recvae":
            self._before = [one.copy() for one in self._weights[: self.plan.layout.decoder]]
        for own, given in zip((self._m, self._v), (0.0, 0.0) if moments is None else moments, strict=True):
            own[:] = given
            own[np.abs(own) < _NOTHING] = 0.0  # decays for ever else, in numbers that processors are slow with
        for one in self._by_rows():
            one.restart(step)

    def load_weights(self, flat: np.ndarray) -> None:
        """Weights alone, to measure losses with."""
        self._value[:] = flat

    def weights(self) -> np.ndarray:
        """The weights as one vector."""
        return self._value.copy()

    def moments(self) -> np.ndarray:
        """Adam's moments as (2, size), as recsys.models.autoencoder.kernels.adam keeps them."""
        return np.stack([self._m, self._v])

    def train(self, batches: Iterable[Batch], pace: Iterable[Pace], generator: np.random.Generator) -> int:
        """A step for each batch; how many rows were trained.

        The generator draws hidden dropout, a variational model's places, and sampled columns.
        """
        rows = 0
        for batch, (learning_rate, divergence_weight) in zip(batches, pace, strict=False):
            self._train(batch, learning_rate, divergence_weight, generator)
            rows += batch.size
        for one in self._by_rows():
            one.settle(self.step)
        return rows

    def loss_sums(self, batches: Iterable[Batch]) -> tuple[float, float]:
        """(sum, weight) of the exact loss, in double precision between batches."""
        total = weight = 0.0
        for batch in batches:
            targets = self._targets(batch, None)
            z = _sparse(batch.inputs, batch.size) @ self._weights[0][batch.inputs.columns] + self._weights[1]
            h, _, _ = inner_layers(self.plan.model, z, self._weights[self._inner], None)
            decoder = self._weights[self._decoder]
            if self.plan.decoder == "rows" and self.plan.model.loss == "multinomial":
                part, part_weight = heads.multinomial_sums(h, decoder[0], targets, self._work)
            else:
                if self.plan.decoder == "rows":
                    decoder = [decoder[0][targets.columns]]
                part, part_weight = self._head(h, decoder, targets).sums()
            total += part
            weight += part_weight
        return total, weight

    def _train(self, batch: Batch, learning_rate: float, divergence_weight: float, draws: np.random.Generator) -> None:
        self.step += 1
        alpha = step_size(learning_rate, self.step)
        targets, entered = self._targets(batch, draws), _sparse(batch.inputs, batch.size)
        columns = batch.inputs.columns
        kernel = self._encoder.touch(columns, self.step) if self._encoder else self._weights[0][columns]
        decoder, decoder_gradients = self._weights[self._decoder], self._gradients[self._decoder]
        if self.plan.decoder == "rows":
            touched = self._rows_decoder
            decoder = [touched.touch(targets.columns, self.step) if touched else decoder[0][targets.columns]]
            decoder_gradients = [np.empty_like(decoder[0])]
        z = entered @ kernel + self._weights[1]
        h, _, back = inner_layers(self.plan.model, z, self._weights[self._inner], draws, self._prior(batch))
        gradient = self._head(h, decoder, targets).back(decoder_gradients)
        gradient = back(gradient, divergence_weight, self._gradients[self._inner])
        np.sum(gradient, axis=0, out=self._gradients[1])
        _update(self._encoder, self._gradients[0], columns, entered.T @ gradient, alpha, self.step)
        if self.plan.decoder == "rows":
            whole = self._gradients[-1]
            _update(self._rows_decoder, whole, targets.columns, decoder_gradients[0], alpha, self.step)
        self._pull()
        part = self._whole
        adam(self._value[part], self._m[part], self._v[part], self._gradient[part], alpha)

    def _prior(self, batch: Batch) -> Prior | None:
        """RecVAE: where the batch's users were when the round began, by what was not dropped of their ratings."""
        if not self._before:
            return None
        kernel, bias, *inner = self._before
        z = _sparse(batch.whole, batch.size) @ kernel[batch.whole.columns] + bias
        return Prior(*places(self.plan.model, z, inner), np.diff(batch.whole.starts).astype(np.float32))

    def _pull(self) -> None:
        """Adds the gradient of l2 times the sum of squares of every kernel, as Keras' L2; biases are left alone."""
        if not self.plan.model.l2:
            return
        twice = np.float32(2.0 * self.plan.model.l2)
        for value, gradient in zip(self._weights, self._gradients, strict=True):
            if value.ndim == 2:
                gradient += twice * value
        if self.plan.decoder != "dense":  # its last column is the bias
            self._gradients[-1][:, -1] -= twice * self._weights[-1][:, -1]

    def _by_rows(self) -> list[RowAdam]:
        return [one for one in (self._encoder, self._rows_decoder) if one]

    def _targets(self, batch: Batch, generator: np.random.Generator | None) -> heads.Targets:
        one = batch.targets
        columns, log_weights = one.columns, np.zeros(0, np.float32)
        if generator is not None and self.plan.decoder == "rows" and self.plan.model.loss == "multinomial":
            columns, log_weights = self._with_others(columns, generator)
        return heads.Targets(
            batch.size, one.rows, one.starts, one.slots, one.values, columns, batch.offsets, log_weights
        )

    def _with_others(self, columns: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The columns with a sample of the others behind them, and log weights."""
        others = np.ones(self.plan.columns, bool)
        others[columns] = False
        rest = np.flatnonzero(others).astype(np.int32)
        sample = rest
        if len(rest) > self.plan.sampled_items:
            sample = rest[np.sort(generator.choice(len(rest), self.plan.sampled_items, replace=False, shuffle=False))]
        weights = np.zeros(len(columns) + len(sample), np.float32)
        if len(sample):
            weights[len(columns) :] = np.log(len(rest) / len(sample))
        return np.concatenate([columns, sample]), weights

    def _head(self, h: np.ndarray, decoder: list[np.ndarray], targets: heads.Targets) -> heads.End:
        model, activation, work = self.plan.model, self.plan.model.resolved_output_activation, self._work
        if self.plan.decoder == "gramian":
            return heads.gramian_mse(h, decoder[0], targets, work)
        if self.plan.decoder == "rows":
            if model.loss == "masked_mse":
                return heads.masked_mse(activation, h, decoder[0], targets, work)
            return heads.sampled_multinomial(h, decoder[0], targets, work)
        kernel, bias = decoder
        if model.loss == "multinomial":  # what is added to all outputs of a row is nothing to a softmax
            return heads.multinomial(h, kernel, bias, targets, work)
        if model.loss == "mse" and activation == "softmax" and model.input_normalisation not in ("center", "offset"):
            return heads.softmax_mse(h, kernel, bias, targets, work)
        return heads.dense(model.loss, activation, h, kernel, bias, targets, work)


def _update(
    rows_adam: RowAdam | None, whole: np.ndarray, rows: np.ndarray, gradient: np.ndarray, alpha: np.float32, step: int
) -> None:
    """Takes the step of those rows, or writes their gradient into the `whole`, which is updated with all the rest."""
    if rows_adam:
        rows_adam.apply(gradient, alpha, step)
    else:
        whole[...] = 0.0
        whole[rows] = gradient


def _sparse(entries: Entries, size: int) -> csr_matrix:
    """The entries as (rows x distinct columns)."""
    return csr_matrix((entries.values, entries.slots, entries.starts), shape=(size, len(entries.columns)))
