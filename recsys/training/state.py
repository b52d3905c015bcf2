"""What training can go on from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.training.history import Epoch


@dataclass(frozen=True)
class Position:
    """Where training stands: the epoch and the round in it that come next."""

    epoch: int = 1  # from 1
    round: int = 0  # from 0


@dataclass(frozen=True)
class Moments:
    """A worker's own state between rounds: its optimizer's."""

    worker: int
    step: int
    values: np.ndarray  # float32; of Adam (2, size): m and v


@dataclass
class Snapshot:
    """What training goes on from. `arrays` are the master's: weights, the outer momentum, the best epoch's weights."""

    position: Position
    history: list[Epoch]
    arrays: dict[str, np.ndarray]
    moments: list[Moments]
