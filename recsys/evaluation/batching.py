"""How many scores are held at a time."""

from __future__ import annotations

_BATCH_VALUES = 1 << 23  # values of a dense batch: 32 MB of float32; products of fewer rows take longer
USERS_A_BATCH, MOVIES_A_BLOCK = 1024, 4096  # as many, of a scorer that scores in blocks


def batch_rows(width: int) -> int:
    """How many rating arrays of that width are dense at a time."""
    return max(1, min(512, _BATCH_VALUES // max(width, 1)))
