"""Metrics as pure functions, and their Spark side."""

from recsys.evaluation.evaluate import evaluate, judge_factors
from recsys.evaluation.fold_in import fit_factors
from recsys.evaluation.loss import mean_losses
from recsys.evaluation.scoring import share
from recsys.quiet import quiet_keras

__all__ = ["evaluate", "fit_factors", "judge_factors", "mean_losses", "quiet_keras", "share"]
