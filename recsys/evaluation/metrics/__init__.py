"""Metrics of ranked lists, in NumPy: one class each, registered by name."""

from recsys.evaluation.metrics.base import Metric
from recsys.evaluation.metrics.hit_rate import HitRate
from recsys.evaluation.metrics.mrr import Mrr
from recsys.evaluation.metrics.ndcg import Ndcg
from recsys.evaluation.metrics.recall import Recall

__all__ = ["HitRate", "Metric", "Mrr", "Ndcg", "Recall"]
