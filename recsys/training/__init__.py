"""Training across workers; `elephas_strategy` is the only importer of elephas."""

from recsys.training.history import Epoch, History, read_history
from recsys.training.trainer import train

__all__ = ["Epoch", "History", "read_history", "train"]
