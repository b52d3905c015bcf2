"""Some rows instead of all, where all are more than a mean needs. Their ids decide which ones."""

from __future__ import annotations

import numpy as np

from recsys.data.blocks import Block, mix

_SALT = np.uint64(0x6C6F7373)
_FEWEST = 100  # rows that a mean is worth something of; that none at all is chosen has then no chance


def fraction_of(rows: int, enough: int) -> float:
    """The part of so many rows by which about `enough` are chosen; 1.0 where they are no more, or `enough` is 0."""
    return min(1.0, max(enough, _FEWEST) / max(rows, 1)) if enough else 1.0


def choose(block: Block, fraction: float) -> Block:
    """The block's chosen rows: those of a smaller fraction are among those of a larger one."""
    return block if fraction == 1 else block.take(mix(block.hashes ^ _SALT) < fraction * 2.0**64)
