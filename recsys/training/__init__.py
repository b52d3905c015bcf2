"""Training across workers; `elephas_adapter` is the only importer of elephas."""

from recsys.training.history import Epoch, History, read_history
from recsys.training.trainer import forget_checkpoints, train

__all__ = ["Epoch", "History", "forget_checkpoints", "read_history", "train"]
