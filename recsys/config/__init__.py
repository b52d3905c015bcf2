"""The settings of a run: one frozen object a table, checked before Spark starts."""

from recsys.config.data import DATASETS, ColumnsConfig, DataConfig
from recsys.config.model import ModelConfig
from recsys.config.run import Config, CostConfig, EvaluationConfig, MachineConfig, RecommendConfig
from recsys.config.table import Complaint, Table
from recsys.config.training import TrainingConfig

__all__ = [
    "DATASETS",
    "ColumnsConfig",
    "Complaint",
    "Config",
    "CostConfig",
    "DataConfig",
    "EvaluationConfig",
    "MachineConfig",
    "ModelConfig",
    "RecommendConfig",
    "Table",
    "TrainingConfig",
]
