"""Users in partitions, for tests of training."""

from __future__ import annotations

import numpy as np
from pyspark.sql import SparkSession

from recsys.data.blocks import Block
from recsys.data.partition import Part, partition_of_worker


def part_of(spark: SparkSession, users: Block, workers: int) -> Part:
    """The users in W partitions, as `partition` makes them, in blocks of three."""
    rows = [np.arange(worker, users.rows, workers) for worker in range(workers)]
    pieces = [
        (worker, users.take(own[start : start + 3]))
        for worker, own in enumerate(rows)
        for start in range(0, len(own), 3)
    ]
    partitioned = spark.sparkContext.parallelize(pieces, 2).partitionBy(workers, partition_of_worker)
    blocks = partitioned.mapPartitions(lambda pairs: (one for _, one in pairs), preservesPartitioning=True)
    return Part(blocks.persist(), users.rows, workers)
