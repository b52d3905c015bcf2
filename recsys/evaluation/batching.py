"""How many rows are dense at a time."""

from __future__ import annotations

_BATCH_VALUES = 1 << 22  # values of a dense batch: 16 MB of float32


def batch_rows(width: int) -> int:
    """How many rating arrays of that width are dense at a time."""
    return max(1, min(512, _BATCH_VALUES // max(width, 1)))
