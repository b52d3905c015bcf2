"""The families `mf` and `biased_mf`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from recsys.config.model import ModelConfig
from recsys.models.base import Support
from recsys.models.factorisation.model import FactorModel
from recsys.models.factorisation.scorer import MovieFactors, Ridge
from recsys.models.factorisation.sgd.config import BiasedMfConfig, MfConfig

if TYPE_CHECKING:
    from recsys.training.base import Trainer, TrainingData

_POWER = 0.5  # of a user's ratings in the ridge of the fold-in


class Mf(FactorModel):
    """A rating is u.v."""

    Config: ClassVar[type[ModelConfig]] = MfConfig
    supports = Support(strategies=("local_sgd", "gradient_sum"), losses=("masked_mse",), kernels=("numba",))
    user_bias = False

    @classmethod
    def trainer(cls, data: TrainingData) -> Trainer:
        from recsys.models.factorisation.sgd.trainer import SgdTrainer

        config: Any = data.config.model
        ridge = Ridge(config.fold_in_l2, _POWER)

        def model(weights: list[np.ndarray]) -> FactorModel:
            factors, biases, mean = weights
            return cls(config, data.preprocessing, MovieFactors(factors, biases, float(mean), cls.user_bias), ridge)

        return SgdTrainer(data, ridge, model)


class BiasedMf(Mf):
    """A rating is mean + b_u + b_i + u.v."""

    Config = BiasedMfConfig
    user_bias = True
