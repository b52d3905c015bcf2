"""A worker of local SGD that takes Keras' own step."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recsys.losses.base import Loss

if TYPE_CHECKING:
    from recsys.data.arrays import Arrays
    from recsys.training.base import Step

_SEEDS = "seed_generator_state"  # what Keras calls the state that dropout draws from
_MEASURED_ROWS = 256


@dataclass(frozen=True)
class KerasPlan:
    """How the model is trained in every worker.

    Attributes:
        description: the model in JSON.
        compilation: its optimizer and loss in JSON; None: Adam and `loss`.
        module: imported first, so that custom layers are registered.
        loss: what is reported, and trained where the model is not compiled.
        shapes: of the weights.
    """

    description: str
    compilation: str | None
    module: str
    loss: Loss
    shapes: tuple[tuple[int, ...], ...]
    keeps_engine: ClassVar[bool] = True  # Keras takes seconds to make a model and its graph

    def engine(self) -> KerasEngine:
        """What trains by this plan in a worker."""
        return KerasEngine(self)

    def arrays(self, flat: np.ndarray) -> list[np.ndarray]:
        """The weights as Keras has them."""
        arrays, start = [], 0
        for shape in self.shapes:
            end = start + int(np.prod(shape))
            arrays.append(flat[start:end].reshape(shape))
            start = end
        return arrays


class KerasEngine:
    """The compiled model and its optimizer."""

    def __init__(self, plan: KerasPlan) -> None:
        from recsys.models.keras_model.family import import_module
        from recsys.tensorflow_env import limit_threads, quiet_keras

        keras = quiet_keras()
        limit_threads()
        import_module(plan.module)
        self.plan, self.step = plan, 0
        self._keras = keras
        self._model: Any = keras.models.model_from_json(plan.description)
        if plan.compilation is not None:
            self._model.compile_from_config(json.loads(plan.compilation))
        else:
            self._model.compile(optimizer=keras.optimizers.Adam(), loss=plan.loss.keras_loss())
        self._optimizer = self._model.optimizer
        self._optimizer.build(self._model.trainable_variables)
        self._state = [one for one in self._optimizer.variables if one is not self._optimizer._learning_rate]

    def load(self, flat: np.ndarray, moments: np.ndarray | None, step: int) -> None:
        """Weights as one vector, the optimizer's variables (None: new), the number of steps taken so far."""
        self.step = step
        self.load_weights(flat)
        start = 0
        for variable in self._state:
            end = start + int(np.prod(variable.shape))
            part = 0 if moments is None else moments[start:end].reshape(variable.shape)
            variable.assign(np.zeros(variable.shape) + part)
            start = end

    def load_weights(self, flat: np.ndarray) -> None:
        """Weights alone."""
        self._model.set_weights(self.plan.arrays(flat))

    def train(
        self, arrays: Arrays, rows: np.ndarray, batch_size: int, steps: Iterable[Step], generator: np.random.Generator
    ) -> int:
        """A step for each batch of those rows, in that order; how many rows were trained."""
        self._seed(int(generator.integers(2**31)))
        trained = 0
        for start, (learning_rate, _) in zip(range(0, len(rows), batch_size), steps, strict=False):
            batch = rows[start : start + batch_size]
            if self.plan.compilation is None:
                self._optimizer.learning_rate = learning_rate
            inputs = arrays.inputs[batch].toarray()
            targets = inputs if arrays.inputs is arrays.targets else arrays.targets[batch].toarray()
            self._model.train_on_batch(inputs, targets)
            self.step += 1
            trained += len(batch)
        return trained

    def measure(self, arrays: Arrays, rows: int = 0) -> tuple[float, float]:
        """(sum, weight) of the loss of all rows, or of so many, evenly taken."""
        count = min(rows or arrays.rows, arrays.rows)
        order = np.arange(count) * arrays.rows // max(count, 1)
        total = weight = 0.0
        for start in range(0, count, _MEASURED_ROWS):
            batch = order[start : start + _MEASURED_ROWS]
            output = np.array(self._model(arrays.inputs[batch].toarray(), training=False), np.float32)
            part, part_weight = self.plan.loss.sums(arrays.targets[batch], output)
            total += part
            weight += part_weight
        return total, weight

    def weights(self) -> np.ndarray:
        """The weights as one vector."""
        return flatten(self._model.get_weights())

    def moments(self) -> np.ndarray:
        """The optimizer's variables as one vector."""
        return flatten([np.asarray(variable) for variable in self._state])

    def _seed(self, seed: int) -> None:
        """Dropout draws from the seed alone, so that a round that is done again gives the same."""
        for number, variable in enumerate(self._model.variables):
            if variable.name == _SEEDS:
                variable.assign(np.array([seed, number], np.uint32))


def flatten(arrays: list[np.ndarray]) -> np.ndarray:
    """All numbers as one float32 vector."""
    if not arrays:
        return np.zeros(0, np.float32)
    return np.concatenate([np.asarray(array, np.float32).ravel() for array in arrays])
