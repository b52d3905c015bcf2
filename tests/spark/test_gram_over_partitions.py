"""The Gramian of training rows, summed over partitions, against the definition."""

import numpy as np
import pytest
from small_ratings import block_of

from recsys.config.load import build_config
from recsys.data.examples import Examples
from recsys.data.partition import Part
from recsys.data.preprocessing import Preprocessing
from recsys.models.ease.gramian import gramian


@pytest.mark.parametrize("user_power", [0.0, 0.25])
def test_partitions_add_up_to_the_gramian_of_all_rows(spark, user_power):
    generator = np.random.default_rng(2)
    dense = generator.integers(1, 11, (23, 9)) / 2 * (generator.random((23, 9)) < 0.4)
    whole = block_of(dense, np.arange(23))
    pieces = [whole.take(np.arange(start, min(start + 4, 23))) for start in range(0, 23, 4)]
    part = Part(spark.sparkContext.parallelize(pieces, 3), 23, 3)
    config = build_config({"data": {"dataset": "ml-1m", "positive_from": 4.0}})
    found, counts = gramian(part, Examples.of(config, 9, Preprocessing(0.5, 5.0, 4.0)), user_power)
    likes = (dense >= 4).astype(float)
    weighted = likes * np.maximum(likes.sum(axis=1, keepdims=True), 1) ** -user_power
    expected = weighted.T @ weighted
    np.testing.assert_allclose(found, expected * likes.sum() / np.trace(expected), rtol=1e-6)
    np.testing.assert_array_equal(counts, likes.sum(axis=0))
