"""The settings of factorisation by gradient descent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from recsys.config.ranges import Choices, Range, Space
from recsys.config.table import Complaint, key
from recsys.models.factorisation.config import FactorConfig

# keys of [training] that say how autoencoders are trained
_OF_OTHERS = (
    "batch_size",
    "learning_rate",
    "syncs_per_epoch",
    "outer",
    "outer_learning_rate",
    "outer_momentum",
    "learning_rate_scale",
    "sampled_items",
    "loss_rows",
)
_INSTEAD = {"batch_size": "model.batch_ratings", "learning_rate": "model.learning_rate"}


class SgdConfig(FactorConfig):
    """What both families have. All of it is in units of stars: whatever the scale, its highest rating counts as 5."""

    search: ClassVar[Mapping[str, Range | Choices]] = {
        "model.factors": Range(low=2, high=256, scale="log", type="int"),
        "model.learning_rate": Range(low=0.003, high=0.1, scale="log"),
        "model.l2": Range(low=0.01, high=0.4, scale="log"),
        "model.fold_in_l2": Range(low=0.1, high=3, scale="log"),
    }

    loss: str = key("masked_mse", "the loss that is reported: squared error over rated entries")
    optimizer: Literal["sgd", "momentum", "adam"] = key(
        "sgd", "what is done with a gradient; in a step of local_sgd, on users and movies alone that are in the step"
    )
    learning_rate: float = key(0.03, "step size in the first epoch; in place of training.learning_rate", gt=0)
    decay: float | None = key(
        None,
        "what learning_rate is multiplied by after each epoch; by default 0.93 with local_sgd, 1 with gradient_sum",
        gt=0,
        le=1,
    )
    momentum: float = key(0.9, "of the optimizers momentum and adam (there, of its first moment)", ge=0, lt=1)
    batch_ratings: int = key(
        1,
        "local_sgd: ratings a step; 1 is plain stochastic gradient descent. A vector's gradient is the mean over its "
        "own ratings in the step, so that learning_rate and l2 mean the same at any number",
        "ratings",
        ge=1,
    )
    l2: float = key(0.06, "ridge of factors, at each rating", ge=0)
    init_scale: float = key(0.05, "standard deviation of the first factors", gt=0)
    fold_in_l2: float = key(
        0.5, "ridge by which a user's factors are solved for when scored, times the square root of their ratings", ge=0
    )

    def search_space(self) -> Space:
        """Also the decay where one is set, which full-batch descent does without, and the optimizer's momentum."""
        space = dict(self.search)
        if self.decay not in (None, 1.0):
            space["model.decay"] = Range(low=0.8, high=1)
        if self.optimizer != "sgd":
            space["model.momentum"] = Range(low=0.3, high=0.99, scale="reverse_log")
        return space

    def complaints_with(self, config: Any) -> Iterator[Complaint]:
        """Settings of other families' training, which would have no effect."""
        training = config.training
        for name in _OF_OTHERS:
            if getattr(training, name) != type(training).model_fields[name].default:
                remedy = f"set {_INSTEAD[name]} in its place" if name in _INSTEAD else "drop it"
                yield (
                    (f"training.{name}", "model.kind"),
                    (f"training.{name} has no meaning with model.kind = {self.kind!r}: {remedy}"),
                )
        if (
            training.strategy == "gradient_sum"
            and self.batch_ratings != type(self).model_fields["batch_ratings"].default
        ):
            text = (
                "model.batch_ratings has no meaning with training.strategy = 'gradient_sum', a step an epoch: drop it"
            )
            yield ("model.batch_ratings", "training.strategy"), text


class MfConfig(SgdConfig):
    """kind = "mf": a rating is u.v."""

    kind: str = key("mf", "mf: a rating is the product of a user's and a movie's vector, by gradient descent")


class BiasedMfConfig(SgdConfig):
    """kind = "biased_mf": a rating is mean + b_u + b_i + u.v."""

    kind: str = key("biased_mf", "biased_mf: as mf, with the mean and biases of users and movies")
    search: ClassVar[Mapping[str, Range | Choices]] = {
        **SgdConfig.search,
        "model.l2_bias": Range(low=5e-4, high=0.05, scale="log"),
    }

    l2_bias: float = key(0.005, "ridge of biases, at each rating", ge=0)
