"""One worker's arithmetic: the network's step on sparse batches, compiled once a process, and its losses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from recsys.config import ModelConfig
from recsys.training import heads
from recsys.training.adam import Clock, DenseAdam, RowAdam
from recsys.training.batches import Batch
from recsys.training.network import Layout, inner_layers

Pace = tuple[float, float]  # of a step: Adam's step size, and the weight of a variational model's divergence
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
    """The weights and Adam's moments of one worker at a time, and the compiled functions that all share."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._layout = plan.layout
        self._clock = Clock()
        shapes = self._layout.shapes
        self._encoder: DenseAdam = (RowAdam if plan.row_updates else DenseAdam)(shapes[0], self._clock)
        ends = len(shapes) - (1 if self._layout.by_rows else 2)
        self._body = [DenseAdam(shape, self._clock) for shape in shapes[1:ends]]
        by_row = plan.row_updates and plan.decoder == "rows"
        self._decoder = [(RowAdam if by_row else DenseAdam)(shape, self._clock) for shape in shapes[ends:]]
        self._all = [self._encoder, *self._body, *self._decoder]
        entries = [tf.TensorSpec([None], kind) for kind in (tf.int32, tf.int32, tf.float32, tf.int32)]
        signature = [tf.TensorSpec([], tf.int32), *entries, *entries, tf.TensorSpec([None]), tf.TensorSpec([None])]
        # shapes are left open: one trace serves batches of any size
        self._step = tf.function(
            self._train, autograph=False, input_signature=[*signature, tf.TensorSpec([2], tf.int32), tf.TensorSpec([2])]
        )
        self._sums = tf.function(self._measure, autograph=False, input_signature=signature)

    def load(self, flat: np.ndarray, moments: np.ndarray | None, step: int) -> None:
        """Weights as one vector, Adam's moments (2, size) or None for zeros, the number of steps taken so far."""
        self._clock.step.assign(step)
        self.load_weights(flat)
        first, second = (None, None) if moments is None else map(self._layout.split, moments)
        for number, one in enumerate(self._all):
            for variable, given in ((one.m, first), (one.v, second)):
                variable.assign(tf.zeros_like(variable) if given is None else given[number])
            one.restart()

    def load_weights(self, flat: np.ndarray) -> None:
        """Weights alone, to measure losses with."""
        for one, value in zip(self._all, self._layout.split(flat), strict=True):
            one.value.assign(value)

    def weights(self) -> np.ndarray:
        """The weights as one vector."""
        return np.concatenate([one.value.numpy().ravel() for one in self._all])

    def moments(self) -> np.ndarray:
        """Adam's moments as (2, size)."""
        return np.stack([np.concatenate([getattr(one, name).numpy().ravel() for one in self._all]) for name in "mv"])

    @property
    def step(self) -> int:
        """Steps taken since the beginning."""
        return int(self._clock.step.numpy())

    def train(self, batches: Iterable[Batch], pace: Iterable[Pace], generator: np.random.Generator) -> int:
        """A step for each batch; how many rows were trained.

        The generator draws hidden dropout, a variational model's places, and sampled columns.
        """
        rows = 0
        for batch, steps in zip(batches, pace, strict=False):
            seed = generator.integers(0, 2**31, 2, np.int32)
            self._step(*self._arguments(batch, generator), seed, np.array(steps, np.float32))
            rows += batch.size
        for one in self._all:
            one.settle()
        return rows

    def loss_sums(self, batches: Iterable[Batch]) -> tuple[float, float]:
        """(sum, weight) of the exact loss, in double precision between batches."""
        total = weight = 0.0
        for batch in batches:
            part, part_weight = self._sums(*self._arguments(batch, None))
            total += float(part)
            weight += float(part_weight)
        return total, weight

    def _arguments(self, batch: Batch, generator: np.random.Generator | None) -> list[Any]:
        inputs, targets = batch.inputs, batch.targets
        columns = targets.columns
        log_weights = np.zeros(len(columns), np.float32)
        if self.plan.decoder == "rows" and self.plan.model.loss == "multinomial":
            columns, log_weights = self._with_others(columns, generator)
        return [
            np.int32(batch.size),
            *(inputs.rows, inputs.slots, inputs.values, inputs.columns),
            *(targets.rows, targets.slots, targets.values, columns),
            *(batch.offsets, log_weights),
        ]

    def _with_others(self, columns: np.ndarray, generator: np.random.Generator | None) -> tuple[np.ndarray, np.ndarray]:
        """The columns with a sample of the others behind them (all of them without a generator), and log weights."""
        others = np.ones(self.plan.columns, bool)
        others[columns] = False
        rest = np.flatnonzero(others).astype(np.int32)
        sample = rest
        if generator is not None and len(rest) > self.plan.sampled_items:
            sample = rest[np.sort(generator.choice(len(rest), self.plan.sampled_items, replace=False, shuffle=False))]
        weights = np.zeros(len(columns) + len(sample), np.float32)
        if len(sample):
            weights[len(columns) :] = np.log(len(rest) / len(sample))
        return np.concatenate([columns, sample]), weights

    def _train(self, *arguments: Any) -> None:
        *batch, seed, pace = arguments
        size, (rows, slots, values, columns), targets = _unpack(tuple(batch))
        self._clock.tick(pace[0])
        kernel = self._encoder.touch(columns)
        body = [one.read() for one in self._body]
        by_rows = self.plan.decoder == "rows"
        decoder = [one.touch(targets.columns) if by_rows else one.read() for one in self._decoder]
        trained = [kernel, *body, *decoder]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trained)
            z = tf.nn.bias_add(_sparse_product(rows, slots, values, kernel, size), body[0])
            h, divergence = inner_layers(self.plan.model, z, body[1:], seed)
            total, weight = self._head(h, decoder, targets)
            loss = total / tf.maximum(weight, 1.0) + pace[1] * divergence
        encoder_gradient, *others = tape.gradient(loss, trained)
        self._encoder.apply_rows(columns, encoder_gradient, self._pull(self._encoder))
        for one, gradient in zip([*self._body, *self._decoder], others, strict=True):
            pull = self._pull(one)
            if by_rows and one in self._decoder:
                one.apply_rows(targets.columns, gradient, pull)
            else:
                one.apply(gradient if pull is None else gradient + pull)

    def _pull(self, one: DenseAdam) -> Any:
        """The gradient of l2 times the sum of squares of a kernel, as Keras' L2; None of a bias."""
        value = one.value
        if not self.plan.model.l2 or value.shape.rank == 1:
            return None
        pull = 2.0 * self.plan.model.l2 * value
        if self._layout.by_rows and one in self._decoder:  # its last column is the bias
            return tf.concat([pull[:, :-1], tf.zeros([tf.shape(pull)[0], 1])], axis=1)
        return pull

    def _measure(self, *arguments: Any) -> Any:
        size, (rows, slots, values, columns), targets = _unpack(arguments)
        kernel = tf.gather(self._encoder.value, columns)
        body = [one.read() for one in self._body]
        by_rows = self.plan.decoder == "rows"
        decoder = [tf.gather(one.value, targets.columns) if by_rows else one.read() for one in self._decoder]
        z = tf.nn.bias_add(_sparse_product(rows, slots, values, kernel, size), body[0])
        return self._head(inner_layers(self.plan.model, z, body[1:], None)[0], decoder, targets)

    def _head(self, h: Any, decoder: list[Any], targets: heads.Targets) -> Any:
        model, activation = self.plan.model, self.plan.model.resolved_output_activation
        if self.plan.decoder == "gramian":
            return heads.gramian_mse(h, decoder[0], tf.gather(decoder[0], targets.columns), targets)
        if self.plan.decoder == "rows":
            if model.loss == "masked_mse":
                return heads.masked_mse(activation, h, decoder[0], targets)
            return heads.sampled_multinomial(h, decoder[0], targets)
        kernel, bias = decoder
        if model.input_normalisation not in ("center", "offset"):
            if model.loss == "mse" and activation == "softmax":
                return heads.softmax_mse(h, kernel, bias, targets)
            if model.loss == "multinomial":
                return heads.multinomial(h, kernel, bias, targets)
        return heads.dense(model.loss, activation, h, kernel, bias, targets)


def _unpack(arguments: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...], heads.Targets]:
    """The batch's size, its input's entries and its targets, out of what `_arguments` gives."""
    return arguments[0], arguments[1:5], heads.Targets(arguments[0], *arguments[5:])


def _sparse_product(rows: Any, slots: Any, values: Any, kernel: Any, size: Any) -> Any:
    """The sparse batch (size x distinct columns) times those rows of the kernel."""
    places = tf.cast(tf.stack([rows, slots], axis=1), tf.int64)
    shape = tf.cast(tf.stack([size, tf.shape(kernel)[0]]), tf.int64)
    return tf.sparse.sparse_dense_matmul(tf.SparseTensor(places, values, shape), kernel)
