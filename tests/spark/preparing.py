"""What the tests of the data phases share: they run the phases and read back the result."""

from contextlib import contextmanager

import numpy as np

from recsys.config import DataConfig
from recsys.data.blocks import block_from_row
from recsys.data.dataset import Dataset


class Phases:
    """Notes the phases in their order."""

    def __init__(self):
        self.names = []

    @contextmanager
    def __call__(self, name):
        self.names.append(name)
        yield


def run_prepare(spark, default_dir="", profile=False, phases=None, **data):
    """The data set of those data settings."""
    return Dataset.from_config(spark, DataConfig(**data), str(default_dir), phase=phases or Phases(), profile=profile)


def blocks_of(prepared):
    """All blocks, on the driver."""
    return [block_from_row(row) for row in prepared.blocks.collect()]


def arrays_of(prepared):
    """user -> movie id -> rating, as the blocks hold them; checks that rows are whole, ascending and come once."""
    ids = prepared.items["movie_id"].to_numpy()
    arrays = {}
    for block in blocks_of(prepared):
        assert len(block.users) == len(block.hashes) == len(block.indptr) - 1
        assert len(block.indices) == len(block.ratings) == block.indptr[-1]
        for number, user in enumerate(block.users.tolist()):
            assert user not in arrays
            row = slice(block.indptr[number], block.indptr[number + 1])
            indices = block.indices[row]
            assert (np.diff(indices) > 0).all()
            arrays[user] = dict(zip(ids[indices].tolist(), block.ratings[row].tolist(), strict=True))
    return arrays


def counts_of(prepared):
    """reason -> how many rows, of the ratings."""
    return {reason: rows["count"] for reason, rows in prepared.statistics["rejected"].items()}


def adds_up(statistics):
    """Every row that was read is a rating, rejected, not rated, one of several of a pair, or not of the selection."""
    left_out = sum(statistics["not_selected"].values()) + statistics["not_rated"] + statistics["merged"]
    return statistics["rows_read"] == statistics["ratings"] + statistics["rows_rejected"] + left_out
