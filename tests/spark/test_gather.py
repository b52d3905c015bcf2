"""The workers' deltas are added up over Spark the same, however they lie there."""

import numpy as np
import pytest

from recsys.training.local_sgd.gather import tree_reduce
from recsys.training.local_sgd.worker import Delta


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 10])
def test_the_tree_adds_up_in_the_order_of_the_workers(spark, workers):
    generator = np.random.default_rng(workers)
    sizes = generator.integers(0, 50, workers)
    sizes[0] = 9
    values = [generator.normal(size=5).astype(np.float32) if size else np.zeros(0, np.float32) for size in sizes]
    deltas = [
        Delta(worker, int(sizes[worker]), values[worker], 1.0, float(worker == workers - 1))
        for worker in range(workers)
    ]
    state = spark.sparkContext.parallelize(deltas, workers)
    total = tree_reduce(state, workers, int(sizes.sum()))
    expected = sum(size * value.astype(np.float64) for size, value in zip(sizes, values, strict=True) if size)
    np.testing.assert_allclose(total.value, expected / sizes.sum(), rtol=1e-5)
    assert total.rows == sizes.sum() and (total.data_seconds, total.compute_seconds) == (workers, 1.0)
    again = tree_reduce(state.repartition(3), workers, int(sizes.sum()))
    assert np.array_equal(again.value, total.value)
