"""Outer optimizers: what the driver does with the workers' mean delta after a round.

The delta d = before - after plays the part of a gradient: x is the master model's weights as one float32 vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.config import TrainingConfig


@dataclass
class Outer:
    """`mean`: x - d, as Elephas. `nesterov`: b = mu b + d; x - eta (mu b + d) (DiLoCo, arXiv 2311.08105, algorithm 1).

    `slowmo`: b = mu b + d; x - eta b (arXiv 1910.00643, algorithm 1, with a constant inner step size). `momentum` is b,
    float32 as the weights; None before the first round and for `mean`.
    """

    kind: str
    learning_rate: float  # eta
    mu: float
    momentum: np.ndarray | None = None

    def step(self, weights: np.ndarray, delta: np.ndarray) -> np.ndarray:
        """The weights after a round (a new vector)."""
        if self.kind == "mean":
            return weights - delta
        mu, eta = np.float32(self.mu), np.float32(self.learning_rate)
        self.momentum = delta.copy() if self.momentum is None else mu * self.momentum + delta
        if self.kind == "slowmo":
            return weights - eta * self.momentum
        return weights - eta * (mu * self.momentum + delta)


@dataclass(frozen=True)
class Defaults:
    """What `training.outer_learning_rate`, `outer_momentum` and `learning_rate_scale` are where they are not set."""

    learning_rate: float
    momentum: float
    learning_rate_scale: float


def defaults_for(kind: str, workers: int) -> Defaults:
    """The defaults of an outer optimizer for that many workers; with one worker a round changes nothing.

    Workers take 1/W of the steps each: larger ones, and momentum over rounds, make up for it. Found for 8 workers by
    benchmarks/outer.py, and taken in proportion between 2 and 8; beyond that they are not measured.
    """
    if workers == 1 or kind == "mean":
        return Defaults(1.0, 0.0, 1.0)
    return Defaults(0.8, 0.6, max(1.0, min(workers, 8) / 2))


def outer_for(settings: TrainingConfig) -> tuple[Outer, float]:
    """The outer optimizer that the settings ask for, and the workers' learning rate."""
    kind = "mean" if settings.workers == 1 and settings.outer_learning_rate is None else settings.outer
    given = defaults_for(kind, settings.workers)
    eta = given.learning_rate if settings.outer_learning_rate is None else settings.outer_learning_rate
    mu = given.momentum if settings.outer_momentum is None else settings.outer_momentum
    scale = given.learning_rate_scale if settings.learning_rate_scale is None else settings.learning_rate_scale
    return Outer(kind, eta, mu), settings.learning_rate * scale
