"""The settings of weighted alternating least squares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np

from recsys.config.ranges import Choices, Range, Space
from recsys.config.table import Complaint, key
from recsys.models.factorisation.config import FactorConfig
from recsys.models.factorisation.count_power import CountPower


class AlsConfig(FactorConfig):
    """kind = "als": alternating least squares, from explicit ratings, from likes, or both (WALS)."""

    changes_loss: ClassVar[frozenset[str]] = FactorConfig.changes_loss | {
        "unobserved_weight", "observed_weight", "observed_weight_by", "weight_exponent",
    }  # fmt: skip

    kind: str = key("als", "als: weighted alternating least squares")
    l2: float = key(
        1.0,
        "penalty of squared factors and biases, multiplied by a power of the count (l2_power); for ratings in stars, "
        "whatever their scale, and for likes of 1, which need less: about 0.3",
        ge=0,
    )
    l2_bias: float | None = key(
        None,
        "penalty of squared biases, multiplied by the same power of the count; by default that of factors, l2",
        gt=0,
    )
    l2_power: float = key(
        0.5,
        "l2 is multiplied by the number of the user's (or movie's) ratings + unobserved_weight times the number of "
        "movies (or users), to this power: 0 is plain l2, 1 that of ALS-WR, Spark and iALS, with which l2 is far less",
    )
    unobserved_weight: float = key(
        0.0,
        "weight of each pair of a user and a movie without a rating, whose target is 0; 0 learns from ratings alone",
        ge=0,
    )
    observed_weight: float = key(1.0, "a: what a rating weighs on top of unobserved_weight", gt=0)
    observed_weight_by: Literal["constant", "linear", "log"] = key(
        "constant",
        "a rating of a movie of n ratings weighs on top: constant: a; linear: a / n; log: a / n^weight_exponent",
    )
    weight_exponent: float = key(0.5, "of observed_weight_by = 'log'")
    biases: bool | None = key(
        None,
        "the mean of all ratings, and a bias of each user and movie; by default where unobserved_weight is 0 and "
        "nonnegative is false",
    )
    solver: Literal["cholesky", "cg", "block"] = key(
        "cholesky",
        "of a user's or movie's equations. cholesky: exact; cg: steps of conjugate gradients from the factors of the "
        "epoch before; block: one exact step for each block of factors (iALS++)",
    )
    cg_steps: int = key(3, "solver = 'cg': steps a half-sweep", "steps", ge=1)
    block_size: int = key(64, "solver = 'block': factors that are solved for together", "factors", ge=1)
    nonnegative: bool = key(False, "no factor is below 0")
    implicit: Literal["none", "users", "both"] = key(
        "none",
        "users: a user's factors are drawn towards a sum over the movies rated, whatever the ratings (SVD++); both: "
        "a movie's, too, towards one over the users who rated it (SVD++ flipped). With unobserved_weight 0 alone",
    )
    implicit_power: float = key(
        0.5, "these sums are divided by the count to this power: 0.5 as in SVD++, 1 makes them means", ge=0
    )
    implicit_shrinkage: float = key(
        0.0, "added to the count that these sums are divided by, so that those of few are smaller", "ratings", ge=0
    )
    implicit_l2: float = key(
        30.0, "penalty of the numbers that these sums are made of; where implicit_power is 1 about 1 is as strong", gt=0
    )
    init_scale: float = key(
        0.1, "standard deviation of movies' first factors, times the square root of their number", gt=0
    )

    @property
    def has_biases(self) -> bool:
        """Whether users and movies have biases."""
        if self.biases is None:
            return self.unobserved_weight == 0 and not self.nonnegative
        return self.biases

    @property
    def divided_by(self) -> CountPower:
        """What implicit sums are divided by."""
        return CountPower(self.implicit_power, self.implicit_shrinkage)

    @property
    def bias_unit(self) -> float:
        """What ALS counts biases in, so that l2 is the penalty of their squares, too: l2 (b / unit)^2 = l2_bias b^2."""
        return 1.0 if self.l2_bias is None else float(np.sqrt(self.l2 / self.l2_bias))

    @property
    def loss_name(self) -> str:
        """Squared error over ratings alone, or over all entries."""
        return "mse" if self.unobserved_weight else "masked_mse"

    @property
    def rating_errors(self) -> str:
        """That errors of a model that learns 0 where nothing is rated mean something else."""
        if not self.unobserved_weight:
            return ""
        return (
            f"the model also learns 0 for every pair without a rating (model.unobserved_weight = "
            f"{self.unobserved_weight:g}): these errors are not comparable with those of models without that"
        )

    def search_space(self) -> Space:
        """The penalty for the power that is set: a good one for another power is far off. Otherwise the weights, too.

        What a movie's ratings weigh on top is searched where it is set: with 1, unobserved_weight says as much.
        """
        space: dict[str, Range | Choices]
        # the count to this power multiplies the penalty: ratings are of the order of 100, all pairs of 1,000
        if not self.unobserved_weight:
            size = 100.0**-self.l2_power
            space = {
                "model.factors": Range(low=4, high=160, scale="log", type="int"),
                "model.l2": Range(low=size, high=100 * size, scale="log"),
            }
            return {**space, **self._space_of_what_is_set()}
        size = 1000.0**-self.l2_power
        space = {
            "model.factors": Range(low=8, high=512, scale="log", type="int"),
            "model.l2": Range(low=0.03 * size, high=300 * size, scale="log"),
            "model.unobserved_weight": Range(low=0.01, high=2, scale="log"),
        }
        if self.observed_weight != type(self).model_fields["observed_weight"].default:
            # a published search over ratings ended at 1e-3, 190 and 9.8, all at bounds; ours at few factors
            space["model.factors"] = Range(low=1, high=128, scale="log", type="int")
            space["model.l2"] = Range(low=1e-3 * size, high=300 * size, scale="log")
            space["model.unobserved_weight"] = Range(low=1e-5, high=1, scale="log")
            space["model.observed_weight"] = Range(low=1, high=2000, scale="log")
        if self.observed_weight_by == "log":
            space["model.weight_exponent"] = Range(low=0, high=1)
        return space

    def _space_of_what_is_set(self) -> Space:
        """Of keys that mean something, or are not searched, unless others are set."""
        space: dict[str, Range | Choices] = {}
        if self.l2_bias is not None:
            space["model.l2_bias"] = Range(low=0.01, high=10, scale="log")
        if self.implicit != "none":
            size = 100.0 ** (1 - 2 * self.implicit_power)  # of n (n^-implicit_power)^2, of counts n of about 100
            space["model.implicit_l2"] = Range(low=3 * size, high=300 * size, scale="log")
            if self.implicit_shrinkage:
                space["model.implicit_shrinkage"] = Range(low=1, high=200, scale="log")
        return space

    def observed(self, counts: np.ndarray) -> np.ndarray | float:
        """What each movie's ratings weigh: float64 (movies), or one number.

        Args:
            counts: training ratings of each movie (movies).
        """
        if self.observed_weight_by == "constant":
            return self.unobserved_weight + self.observed_weight
        exponent = 1.0 if self.observed_weight_by == "linear" else self.weight_exponent
        weights: np.ndarray = self.observed_weight * np.maximum(counts, 1.0) ** -exponent
        return self.unobserved_weight + weights

    def complaints(self) -> Iterator[Complaint]:
        """The impossible combinations."""
        if self.biases and self.unobserved_weight:
            text = (
                "model.biases does not go with model.unobserved_weight above 0, which asks for 0 where nothing is "
                "rated: drop one of them"
            )
            yield ("model.biases", "model.unobserved_weight"), text
        if self.l2_bias is not None and not self.has_biases:
            text = "model.l2_bias is the penalty of biases, and there are none: drop it, or set model.biases = true"
            yield ("model.l2_bias", "model.biases"), text
        if self.l2_bias is not None and not self.l2:
            yield ("model.l2_bias", "model.l2"), "model.l2_bias needs model.l2 above 0: raise it, or drop model.l2_bias"
        if self.nonnegative and self.biases:
            yield ("model.nonnegative", "model.biases"), "model.biases may be below 0: drop it, or model.nonnegative"
        if self.nonnegative and self.solver != "cholesky":
            text = f"model.nonnegative has a solver of its own: drop model.solver = {self.solver!r}"
            yield ("model.nonnegative", "model.solver"), text

        if self.implicit != "none" and (self.unobserved_weight or self.nonnegative):
            other = "unobserved_weight" if self.unobserved_weight else "nonnegative"
            text = f"model.implicit = {self.implicit!r} does not go with model.{other}: drop one of them"
            yield ("model.implicit", f"model.{other}"), text

    def complaints_with(self, config: Any) -> Iterator[Complaint]:
        """What does not go with the data: without a weight of what is not liked, likes say nothing."""
        if not self.unobserved_weight and config.data.positive_from is not None:
            text = "likes alone need model.unobserved_weight above 0, such as 0.1: set it, or drop data.positive_from"
            yield ("model.unobserved_weight", "data.positive_from"), text
