"""Metrics as pure functions, and their Spark side."""

from recsys.evaluation.evaluate import evaluate, judge_factors
from recsys.evaluation.fold_in import fit_factors
from recsys.evaluation.loss import mean_losses
from recsys.evaluation.scoring import quiet_keras, share

__all__ = ["evaluate", "fit_factors", "judge_factors", "mean_losses", "quiet_keras", "share"]
