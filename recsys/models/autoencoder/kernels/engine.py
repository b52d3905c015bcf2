"""One worker's arithmetic: the model's step on sparse batches, and its losses. Matrix products are NumPy's."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recsys.errors import UserError
from recsys.losses.base import DENSE, ROWS, Loss, OutputLayer, Targets, Work
from recsys.models.autoencoder.config import AutoencoderConfig
from recsys.models.autoencoder.kernels.adam import RowAdam, step_size
from recsys.models.autoencoder.kernels.architecture import Architecture, Prior
from recsys.models.autoencoder.kernels.batches import Batch, consecutive_batches, training_batches
from recsys.models.autoencoder.kernels.layout import Layout
from recsys.registries import loss_named

if TYPE_CHECKING:
    from recsys.data.arrays import Arrays

Step = tuple[float, float]  # Adam's step size, and how many epochs were done before (a fraction within one)
_MEASURED_VALUES = 1 << 21  # values of a dense batch in which losses are measured: 8 MB
_NOTHING = 1e-30
_PIECE = 1 << 18  # numbers that are looked at together: few enough for a processor's cache
_MANY = 0.5  # where a batch touches more than this part of the columns, whole matrices are updated: less to gather


@dataclass(frozen=True)
class Plan:
    """How a model is trained, decided once by the driver, so that every worker does the same.

    Attributes:
        architecture: the kind of autoencoder.
        model: its settings.
        loss: what is minimised.
        columns: width of a rating array.
        output_layout: DENSE, ROWS (a step computes the columns of its batch alone) or GRAMIAN (laid out by rows, all).
        row_updates: whether Adam updates the rows that a batch touches alone.
        sampled_items: columns of a sampled softmax beside the batch's; 0 is exact.
        compiled: whether kernels that numba compiles do what is not a matrix product; else NumPy does.
    """

    architecture: Architecture
    model: AutoencoderConfig
    loss: Loss
    columns: int
    output_layout: str
    row_updates: bool
    sampled_items: int
    compiled: bool = False
    keeps_engine: ClassVar[bool] = False  # several times the model's size in memory, and made at once

    @property
    def layout(self) -> Layout:
        """Of the weights."""
        return Layout(self.columns, self.model, self.architecture, self.output_layout != DENSE)

    @property
    def output(self) -> OutputLayer:
        """The output layer as its loss sees it."""
        return OutputLayer(self.output_layout, self.model.resolved_output_activation, self.model.shifted, self.compiled)

    @property
    def by_rows(self) -> bool:
        """Whether a step computes the outputs of its batch's columns alone."""
        return self.output_layout == ROWS

    def engine(self) -> Engine:
        """What trains by this plan in a worker."""
        return Engine(self)

    def arrays(self, flat: np.ndarray) -> list[np.ndarray]:
        """The weights as Keras has them."""
        return self.layout.to_keras(flat)


def plan_for(
    architecture: Architecture,
    model: AutoencoderConfig,
    columns: int,
    density: float,
    batch_size: int,
    sampled_items: int,
    loss: Loss | None = None,
    compiled: bool = False,
) -> Plan:
    """The cheapest exact way, unless `sampled_items` asks for a sampled softmax.

    density: ratings per entry of the matrix. `l2` pulls on all weights in every step, so that all are updated. `loss`
    is by default the one that the settings name.
    """
    loss = loss or loss_named(model.loss)
    architecture = architecture.with_kernels() if compiled else architecture
    touched = 1.0 - (1.0 - density) ** batch_size
    width = architecture.shapes(model)[1]
    layout = loss.layout(model.resolved_output_activation, width, batch_size, sampled_items)
    return Plan(architecture, model, loss, columns, layout, not model.l2 and touched < _MANY, sampled_items, compiled)


class Engine:
    """The weights and Adam's moments of one worker at a time, and the memory that its steps work in."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.step = 0  # steps taken since the beginning
        self._steps = _steps(plan.compiled)
        layout = plan.layout
        arrays = np.zeros((4, layout.size), np.float32)
        self._value, self._m, self._v, self._gradient = arrays
        self._moments = arrays[1:3]
        self._weights, self._gradients = layout.split(self._value), layout.split(self._gradient)
        self._inner = slice(2, layout.decoder)
        self._decoder = slice(layout.decoder, None)
        moments = list(zip(self._weights, layout.split(self._m), layout.split(self._v), strict=True))
        self._encoder = self._steps.RowAdam(*moments[0]) if plan.row_updates else None
        by_row = plan.row_updates and plan.by_rows
        self._rows_decoder = self._steps.RowAdam(*moments[layout.decoder]) if by_row else None
        sizes = [one.size for one in self._weights]
        first = sizes[0] if self._encoder else 0
        self._whole = slice(first, layout.size - sizes[-1] if by_row else layout.size)  # what is updated as a whole
        self._work = Work()
        self._before: list[np.ndarray] = []  # where a prior is needed: the encoder as the round found it

    def load(self, flat: np.ndarray, moments: np.ndarray | None, step: int) -> None:
        """Weights as one vector, Adam's moments (2, size) or None for zeros, the number of steps taken so far."""
        self.step = step
        self.load_weights(flat)
        if self.plan.architecture.needs_prior:
            self._before = [one.copy() for one in self._weights[: self.plan.layout.decoder]]
        self._moments[:] = 0.0 if moments is None else moments
        for own in self._moments if moments is not None else ():
            for start in range(0, len(own), _PIECE):
                piece = own[start : start + _PIECE]
                piece[np.abs(piece) < _NOTHING] = 0.0  # decays for ever else, in numbers that processors are slow with
        for one in self._by_rows():
            one.restart(step)

    def load_weights(self, flat: np.ndarray) -> None:
        """Weights alone, to measure losses with."""
        self._value[:] = flat

    def weights(self) -> np.ndarray:
        """The weights as one vector."""
        return self._value.copy()

    def moments(self) -> np.ndarray:
        """Adam's moments as (2, size), as the module `adam` keeps them: the engine's own memory."""
        return self._moments

    def train(
        self, arrays: Arrays, rows: np.ndarray, batch_size: int, steps: Iterable[Step], generator: np.random.Generator
    ) -> int:
        """A step for each batch of those rows, in that order; how many rows were trained.

        The generator draws input and hidden dropout, latent vectors and sampled columns.
        """
        batches = training_batches(arrays, rows, batch_size, self.plan.model, generator)
        return self.train_batches(batches, steps, generator)

    def train_batches(self, batches: Iterable[Batch], steps: Iterable[Step], generator: np.random.Generator) -> int:
        """A step for each batch; how many rows were trained."""
        rows = 0
        for batch, (learning_rate, epoch) in zip(batches, steps, strict=False):
            weight = self.plan.architecture.divergence_weight(self.plan.model, epoch)
            self._train(batch, learning_rate, weight, generator)
            rows += batch.size
        for matrix in self._by_rows():
            matrix.settle(self.step)
        return rows

    def measure(self, arrays: Arrays, rows: int = 0) -> tuple[float, float]:
        """(sum, weight) of the exact loss of all rows, or of so many, evenly taken."""
        size = max(1, min(512, _MEASURED_VALUES // self.plan.columns)) if self.plan.output_layout == DENSE else 512
        return self.loss_sums(consecutive_batches(arrays, size, self.plan.model, rows))

    def loss_sums(self, batches: Iterable[Batch]) -> tuple[float, float]:
        """(sum, weight) of the exact loss, in double precision between batches."""
        total = weight = 0.0
        for batch in batches:
            targets = self._targets(batch, None)
            z = self._steps.encode_by_all(batch.inputs, batch.size, self._weights[0], self._weights[1])
            h, _, _ = self.plan.architecture.forward(self.plan.model, z, self._weights[self._inner], None)
            decoder = self._weights[self._decoder]
            part, part_weight = self.plan.loss.exact_sums(self.plan.output, h, decoder, targets, self._work)
            total += part
            weight += part_weight
        return total, weight

    def _train(self, batch: Batch, learning_rate: float, divergence_weight: float, draws: np.random.Generator) -> None:
        self.step += 1
        alpha = step_size(learning_rate, self.step)
        targets = self._targets(batch, draws)
        columns = batch.inputs.columns
        decoder, decoder_gradients = self._weights[self._decoder], self._gradients[self._decoder]
        if self.plan.by_rows:
            touched = self._rows_decoder
            decoder = [touched.touch(targets.columns, self.step) if touched else decoder[0][targets.columns]]
            decoder_gradients = [np.empty_like(decoder[0])]
        bias = self._weights[1]
        if self._encoder:
            z = self._steps.encode(batch.inputs, batch.size, self._encoder.touch(columns, self.step), bias)
        else:
            z = self._steps.encode_by_all(batch.inputs, batch.size, self._weights[0], bias)
        h, _, back = self.plan.architecture.forward(
            self.plan.model, z, self._weights[self._inner], draws, self._prior(batch)
        )
        gradient = self.plan.loss.result(self.plan.output, h, decoder, targets, self._work).back(decoder_gradients)
        gradient = back(gradient, divergence_weight, self._gradients[self._inner])
        np.sum(gradient, axis=0, out=self._gradients[1])
        if self._encoder:
            self._encoder.apply(self._steps.encoder_gradient(batch.inputs, batch.size, gradient), alpha, self.step)
        else:
            self._steps.write_encoder_gradient(batch.inputs, batch.size, gradient, self._gradients[0])
        if self.plan.by_rows:
            whole = self._gradients[-1]
            _update(self._rows_decoder, whole, targets.columns, decoder_gradients[0], alpha, self.step)
        self._pull()
        part = self._whole
        self._steps.adam(self._value[part], self._m[part], self._v[part], self._gradient[part], alpha)

    def _prior(self, batch: Batch) -> Prior | None:
        """The prior of the batch's users by the encoder of when the round began, from all their ratings."""
        if not self._before:
            return None
        kernel, bias, *inner = self._before
        z = self._steps.encode_by_all(batch.whole, batch.size, kernel, bias)
        counts = np.diff(batch.whole.starts).astype(np.float32)
        return self.plan.architecture.prior(self.plan.model, z, inner, counts)

    def _pull(self) -> None:
        """Adds the gradient of l2 times the sum of squares of every kernel, as Keras' L2; biases are left alone."""
        if not self.plan.model.l2:
            return
        twice = np.float32(2.0 * self.plan.model.l2)
        for value, gradient in zip(self._weights, self._gradients, strict=True):
            if value.ndim == 2:
                gradient += twice * value
        if self.plan.output_layout != DENSE:  # its last column is the bias
            self._gradients[-1][:, -1] -= twice * self._weights[-1][:, -1]

    def _by_rows(self) -> list[RowAdam]:
        return [one for one in (self._encoder, self._rows_decoder) if one]

    def _targets(self, batch: Batch, generator: np.random.Generator | None) -> Targets:
        one = batch.targets
        columns, log_weights = one.columns, np.zeros(0, np.float32)
        if generator is not None and self.plan.by_rows and self.plan.loss.samples_items:
            columns, log_weights = self._with_others(columns, generator)
        return Targets(batch.size, one.rows, one.starts, one.slots, one.values, columns, batch.offsets, log_weights)

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


def _steps(compiled: bool) -> Any:
    """What computes the input layer and Adam: two modules with the same functions."""
    from recsys.models.autoencoder.kernels import numpy_steps

    if not compiled:
        return numpy_steps
    try:
        from recsys.models.autoencoder.kernels import compiled_steps  # late: it imports numba
    except ModuleNotFoundError as error:
        raise UserError(
            f"{platform.node()}: {error}: install what requirements.lock lists on every host, or set training.kernels "
            "= 'numpy'"
        ) from None
    return compiled_steps


def _update(
    rows_adam: RowAdam | None, whole: np.ndarray, rows: np.ndarray, gradient: np.ndarray, alpha: np.float32, step: int
) -> None:
    """Takes the step of those rows, or writes their gradient into the `whole`, which is updated with all the rest."""
    if rows_adam:
        rows_adam.apply(gradient, alpha, step)
    else:
        whole[...] = 0.0
        whole[rows] = gradient
