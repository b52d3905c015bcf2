"""What can be named in the settings, and where it is: a new family, loss or metric of this package is one line here.

Other packages register theirs by entry points of the same groups, without touching this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys.registry import Registry

if TYPE_CHECKING:
    from recsys.evaluation.metrics.base import Metric
    from recsys.losses.base import Loss
    from recsys.models.base import ModelFamily

FAMILIES: Registry[ModelFamily] = Registry(
    "kind of model",
    "model.kind",
    "howdah.models",
    {
        "dae": "recsys.models.autoencoder.families:DenoisingAutoencoder",
        "vae": "recsys.models.autoencoder.families:VariationalAutoencoder",
        "recvae": "recsys.models.autoencoder.families:RecVae",
        "linear": "recsys.models.ease.family:Ease",
        "als": "recsys.models.factorisation.als.family:Als",
        "sum": "recsys.models.sum_model:SumModel",
        "keras": "recsys.models.keras_model.family:KerasModel",
        "mf": "recsys.models.factorisation.sgd.family:Mf",
        "biased_mf": "recsys.models.factorisation.sgd.family:BiasedMf",
    },
)

LOSSES: Registry[Loss] = Registry(
    "loss",
    "model.loss",
    "howdah.losses",
    {
        "mse": "recsys.losses.mse:Mse",
        "masked_mse": "recsys.losses.masked_mse:MaskedMse",
        "multinomial": "recsys.losses.multinomial:Multinomial",
    },
)

METRICS: Registry[Metric] = Registry(
    "metric",
    "evaluation.metrics",
    "howdah.metrics",
    {
        "recall": "recsys.evaluation.metrics.recall:Recall",
        "ndcg": "recsys.evaluation.metrics.ndcg:Ndcg",
        "hit_rate": "recsys.evaluation.metrics.hit_rate:HitRate",
        "mrr": "recsys.evaluation.metrics.mrr:Mrr",
    },
)


def loss_named(name: str) -> Loss:
    """The loss of that name; ConfigError where there is none."""
    return LOSSES.get(name)()
