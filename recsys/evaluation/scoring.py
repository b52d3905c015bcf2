"""The model on the executors: rebuilt once a process, its weights renewed by broadcast."""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark import Broadcast, SparkContext
from scipy.sparse import csr_matrix

from recsys.ratings.blocks import Block
from recsys.ratings.examples import Preprocessing

_BATCH_VALUES = 1 << 24  # values of a dense batch: 64 MB of float32
_cache: dict[str, Any] = {}  # one model a process


@dataclass(frozen=True)
class SharedModel:
    """A Keras model as it is sent to the executors: its architecture by value, its weights by broadcast."""

    architecture: str
    weights: Broadcast[list[np.ndarray]]
    version: str  # another one for other weights

    def destroy(self) -> None:
        """Frees the weights on driver and executors."""
        self.weights.destroy()


def share(context: SparkContext, model: Any) -> SharedModel:
    """The model as it is now, to be used within functions that run on executors."""
    return SharedModel(model.to_json(), context.broadcast(model.get_weights()), uuid.uuid4().hex)


def local_model(shared: SharedModel) -> Any:
    """The Keras model in this process."""
    limit_threads()
    keras = quiet_keras()
    if _cache.get("architecture") != shared.architecture:
        _cache.clear()
        _cache["architecture"] = shared.architecture
        _cache["model"] = keras.models.model_from_json(shared.architecture)
    if _cache.get("version") != shared.version:
        _cache["model"].set_weights(shared.weights.value)
        _cache["version"] = shared.version
    return _cache["model"]


def compiled(shared: SharedModel, name: str, make: Callable[[Any], Any]) -> Any:
    """What `make(model)` gives, traced once a process and kept as long as the model is."""
    model = local_model(shared)
    functions = _cache.setdefault("functions", {})
    if name not in functions:
        functions[name] = make(model)
    return functions[name]


def outputs(shared: SharedModel, rows: csr_matrix, before: str | None = None) -> Iterator[tuple[slice, np.ndarray]]:
    """The model's outputs for scaled rating arrays, batch by batch: (rows, dense values of those rows).

    With `before` what goes into the layer of that name instead.
    """
    import tensorflow as tf

    def make(model: Any) -> Any:
        if before is not None:
            model = quiet_keras().Model(model.inputs, model.get_layer(before).input)
        return tf.function(lambda batch: model(batch, training=False), reduce_retracing=True)

    predict = compiled(shared, f"predict:{before}", make)
    size = batch_rows(rows.shape[1])
    for start in range(0, rows.shape[0], size):
        batch = rows[start : start + size]
        yield slice(start, start + batch.shape[0]), predict(tf.constant(batch.toarray())).numpy()


@dataclass(frozen=True)
class ModelScores:
    """Scores of users by a model of users' rating arrays, where blocks of users are."""

    shared: SharedModel
    preprocessing: Preprocessing

    def __call__(self, block: Block, shown: csr_matrix) -> Iterator[tuple[slice, np.ndarray]]:
        """(rows, scores of those rows), batch by batch; `shown` are the raw ratings that go in."""
        yield from outputs(self.shared, self.preprocessing.scale(shown))


def batch_rows(width: int) -> int:
    """How many rating arrays of that width are dense at a time."""
    return max(1, min(512, _BATCH_VALUES // max(width, 1)))


def limit_threads(threads: int = 1) -> None:
    """One worker, one thread: without this every TensorFlow process takes all cores of its machine."""
    quiet_keras()
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # it has started already, with these very settings
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def quiet_keras() -> Any:
    """The module keras, imported without the notes that TensorFlow's libraries write to the screen."""
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
        sys.stderr.flush()
        screen = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            import tensorflow  # noqa: F401
        finally:
            os.dup2(screen, 2)
            os.close(screen)
            os.close(nowhere)
    import keras

    return keras
