"""How much memory a training will take: reckoned before it begins, so that the kernel does not end it in the middle.

The constants are measured (docs/scaling.md says on what runs, and how far they were off).
"""

from __future__ import annotations

from dataclasses import dataclass

from recsys.config.run import Config
from recsys.registries import FAMILIES

_DRIVER = 500_000_000  # Keras and TensorFlow, on top of what the data phases have
_DRIVER_COPIES = 12  # of the weights: Keras' own, the master's, its momentum, deltas, the best ones, a checkpoint
_WORKER = 100_000_000  # NumPy, SciPy, PyArrow, as far as a fork does not share them
_WORKER_COPIES = 11  # weights, gradient and moments, and the latter three on their way in and out
_MEASURING_COPIES = 3  # of a task that measures losses beside the training
_TENSORFLOW = 350_000_000  # of a worker that trains by Keras
_HEAP_COPIES = 20  # of the weights for each worker: moments and deltas of two rounds, and what passing them on leaves
_RATING = 16  # bytes of a rating in a worker: two numbers, and the same once more while they are read


@dataclass(frozen=True)
class Needs:
    """Bytes on top of what the data phases hold. On a cluster the workers' are spread over its hosts."""

    driver: int
    workers: int
    heap: int  # of the JVM or JVMs

    @property
    def total(self) -> int:
        """All of it, as on one machine."""
        return self.driver + self.workers + self.heap


def training_needs(
    config: Config, columns: int, rows: int, ratings: int, cores: int, heap_limit: int, *, fixed: bool = True
) -> Needs:
    """What training rating arrays (rows x columns) with so many ratings takes where `cores` tasks run at a time.

    `heap_limit` is what the JVM may still take, in bytes: what does not fit is on disk. Without `fixed` only what grows
    with the data and the model counts, not what TensorFlow and NumPy take by themselves.
    """
    driver_base, worker_base, tensorflow = (_DRIVER, _WORKER, _TENSORFLOW) if fixed else (0, 0, 0)
    workers = config.training.workers
    at_once = min(cores, workers)
    model = FAMILIES.get(config.model.kind).memory(config.model, columns)
    weights = model.weights
    driver = driver_base + _DRIVER_COPIES * weights + model.driver
    if config.training.strategy == "elephas":
        dense = 4 * 2 * rows * columns // workers  # input and target
        each = worker_base + tensorflow + _WORKER_COPIES * weights + dense
        return Needs(driver + workers * weights, at_once * each, min(heap_limit, 2 * workers * weights))
    outputs = 2 * 4 * columns * config.training.batch_size  # and their gradient
    each = worker_base + _WORKER_COPIES * weights + outputs + _RATING * ratings // workers
    beside = min(workers, cores - at_once) * (worker_base + _MEASURING_COPIES * weights + outputs)
    return Needs(driver, at_once * each + beside, min(heap_limit, _RATING * ratings + _HEAP_COPIES * workers * weights))
