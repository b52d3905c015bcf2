"""Metrics as pure functions, and their Spark side."""

from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.scoring import quiet_keras, share

__all__ = ["evaluate", "quiet_keras", "share"]
