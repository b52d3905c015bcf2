"""Weighted alternating least squares as a family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys.models.base import Support
from recsys.models.factorisation.als.config import AlsConfig
from recsys.models.factorisation.model import FactorModel

if TYPE_CHECKING:
    from recsys.training.base import Trainer, TrainingData


class Als(FactorModel):
    """Factors by alternating least squares (Hu, Koren and Volinsky 2008; Zhou et al. 2008; Rendle et al. 2022)."""

    Config = AlsConfig
    supports = Support(losses=("mse", "masked_mse"), weights=True, weights_itself=True, kernels=("numba",))

    @classmethod
    def trainer(cls, data: TrainingData) -> Trainer:
        from recsys.models.factorisation.als.trainer import AlsTrainer  # late: it imports Spark and numba

        return AlsTrainer(data, cls)
