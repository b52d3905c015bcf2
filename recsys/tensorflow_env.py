"""TensorFlow and Keras as this project imports them: without notes on the screen, on as many threads as are given."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import Any

from recsys.errors import UserError

BACKEND = "tensorflow"  # of Keras: what models are trained with, saved by and checked against
_importing = threading.Lock()  # a job imports TensorFlow in a thread beside the data phases


def limit_threads(threads: int = 1) -> None:
    """One worker, one thread: without this every TensorFlow process takes all cores of its machine."""
    quiet_keras()
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # it has started already, with these very settings
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def quiet_keras() -> Any:
    """The module keras on TensorFlow, imported without the notes that TensorFlow's libraries write to the screen.

    Sets KERAS_BACKEND, so that neither a value of the environment nor a keras.json counts. UserError where Keras has
    been imported on another backend, or Python has removed the docstrings that TensorFlow reads. May be called from
    several threads: the first one imports, the others wait.
    """
    with _importing:
        return _import_keras()


def _import_keras() -> Any:
    os.environ["KERAS_BACKEND"] = BACKEND
    if "keras" in sys.modules and (other := sys.modules["keras"].backend.backend()) != BACKEND:
        raise UserError(
            f"Keras was imported on {other}, and models need TensorFlow: start Python anew with KERAS_BACKEND={BACKEND}"
        )
    if sys.flags.optimize > 1 and "tensorflow" not in sys.modules:
        raise UserError("TensorFlow does not start without docstrings: unset PYTHONOPTIMIZE, or leave out -OO")
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
