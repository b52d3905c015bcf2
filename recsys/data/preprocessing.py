"""How raw ratings, likes or counts become rating arrays, and outputs ratings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    from recsys.config.data import DataConfig  # so that executors import little

LEAST_WEIGHT = 0.01  # of a count, however small: an array's entry must be above 0
_LOWEST = 0.2  # of an array, where the scale does not start above 0: as 1 of 5 stars


@dataclass(frozen=True)
class Preprocessing:
    """An affine map from the scale of the ratings to rating arrays, and back.

    The highest rating becomes 1, the lowest becomes `lowest_value`, which is above 0. So 0 in a rating array always
    means "not rated", and a rating of 0 or below is a value like any other. On a scale that starts above 0 the map is
    the rating divided by the highest one.

    Likes have the value 1. Counts have it too, or their weight where `weighted`: 1 + log(count) or count^weight_power.
    A weight is at least 0.01, whatever the count: counts below 1 would weigh less than nothing by the logarithm.

    Attributes:
        rating_min: lowest rating of the scale.
        rating_max: highest rating of the scale.
        positive_from: ratings of at least this are likes, the others are left out; None: ratings stay ratings.
        lowest: what the lowest rating becomes. None: rating_min / rating_max where rating_min is above 0, else 0.2, as
            1 of 5 stars.
        feedback: what a row is: "ratings" (on a scale), "likes" or "counts".
        weights: what counts weigh: "none" (all alike), "log" or "power".
        weight_power: the exponent of "power".

    Raises:
        ValueError: there is no such scale, feedback or weight.
    """

    rating_min: float
    rating_max: float
    positive_from: float | None = None
    lowest: float | None = None
    feedback: str = "ratings"
    weights: str = "none"
    weight_power: float = 0.5

    def __post_init__(self) -> None:
        low, high = self.rating_min, self.rating_max
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ValueError(f"a scale from {low:g} to {high:g}: two numbers are needed, the lower one first")
        if self.lowest is not None and not 0 < self.lowest < 1:
            raise ValueError(f"lowest = {self.lowest:g}: must lie between 0, which is 'not rated', and 1")
        if self.feedback not in ("ratings", "likes", "counts"):
            raise ValueError(f"feedback = {self.feedback!r}: 'ratings', 'likes' or 'counts' is needed")
        if self.weights not in ("none", "log", "power"):
            raise ValueError(f"weights = {self.weights!r}: 'none', 'log' or 'power' is needed")

    @property
    def lowest_value(self) -> float:
        """What the lowest rating becomes in a rating array."""
        if self.lowest is not None:
            return self.lowest
        return self.rating_min / self.rating_max if self.rating_min > 0 else _LOWEST

    @property
    def likes(self) -> bool:
        """Whether entries say that a movie is liked, not how much."""
        return self.positive_from is not None or self.feedback != "ratings"

    @property
    def weighted(self) -> bool:
        """Whether rating arrays hold the weights of counts."""
        return self.weights != "none" and self.feedback == "counts"

    def scale(self, ratings: csr_matrix) -> csr_matrix:
        """Raw ratings to rating arrays (float32).

        Every stored entry is a rating, also one of 0. None is lost but those below `positive_from`.
        """
        if self.positive_from is not None:
            ratings = keep_entries(ratings, ratings.data >= self.positive_from)
        if self.weighted:
            data = self._weights_of(ratings.data)
        elif self.likes:
            data = np.ones_like(ratings.data, np.float32)
        else:
            data = self._values_of(ratings.data)
        return csr_matrix((data, ratings.indices, ratings.indptr), shape=ratings.shape)

    def to_ratings(self, output: np.ndarray) -> np.ndarray:
        """Outputs on the scale of rating arrays to ratings, clipped to the scale."""
        low, high, lowest = self.rating_min, self.rating_max, self.lowest_value
        if self._divides:
            return np.clip(output * high, low, high)
        return np.clip(low + (output - lowest) * ((high - low) / (1 - lowest)), low, high)

    @property
    def line(self) -> tuple[float, float]:
        """(slope, intercept): a rating is slope times the value in an array + intercept. Likes stay as they are."""
        if self.likes:
            return 1.0, 0.0
        low, high, lowest = self.rating_min, self.rating_max, self.lowest_value
        slope = high if self._divides else (high - low) / (1 - lowest)
        return slope, 0.0 if self._divides else low - lowest * slope

    def without_weights(self) -> Preprocessing:
        """The same where all counts weigh alike."""
        return self if self.weights == "none" else replace(self, weights="none")

    def to_mapping(self) -> dict[str, Any]:
        """What a file says of it: every attribute by its name, of types that JSON has."""
        return asdict(self)

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> Preprocessing:
        """What `to_mapping` gave. Other keys are ignored; an attribute that is not there has its default, as in files
        of earlier versions.

        Raises KeyError without a scale, and ValueError as the class.
        """
        known = {field.name: mapping[field.name] for field in fields(cls) if field.name in mapping}
        return cls(known.pop("rating_min"), known.pop("rating_max"), **known)

    @property
    def _divides(self) -> bool:
        """Whether the map is the rating divided by the highest one."""
        return self.rating_min > 0 and self.lowest_value == self.rating_min / self.rating_max

    def _values_of(self, ratings: np.ndarray) -> np.ndarray:
        if self._divides:
            return (ratings / np.float32(self.rating_max)).astype(np.float32)
        # as stored ratings are, so that the ends of the scale become lowest_value and 1 exactly
        low, high = (float(np.float32(end)) for end in (self.rating_min, self.rating_max))
        lowest = self.lowest_value
        if low == high:  # one rating alone, which says no more than a like
            return np.ones_like(ratings, np.float32)
        above = (ratings.astype(np.float64) - low) / (high - low)
        return (lowest + above * (1 - lowest)).astype(np.float32)

    def _weights_of(self, counts: np.ndarray) -> np.ndarray:
        positive = np.maximum(counts.astype(np.float64), np.finfo(np.float64).tiny)
        weights = 1 + np.log(positive) if self.weights == "log" else positive**self.weight_power
        return np.maximum(weights, LEAST_WEIGHT).astype(np.float32)


def preprocessing_of(rating_min: float, rating_max: float, feedback: str, data: DataConfig) -> Preprocessing:
    """The preprocessing of a data set.

    Args:
        rating_min: lowest rating of its scale.
        rating_max: highest rating of its scale.
        feedback: what its rows are, as `data.feedback`; "auto" is taken for ratings.
        data: its settings.
    """
    return Preprocessing(
        rating_min,
        rating_max,
        data.positive_from,
        feedback="ratings" if feedback == "auto" else feedback,
        weights=data.weights,
        weight_power=data.weight_power,
    )


def keep_entries(matrix: csr_matrix, mask: np.ndarray) -> csr_matrix:
    """The matrix with only the entries of the mask (one a stored entry)."""
    counts = np.concatenate(([0], np.cumsum(mask)))
    indptr = counts[matrix.indptr].astype(matrix.indptr.dtype)
    return csr_matrix((matrix.data[mask], matrix.indices[mask], indptr), shape=matrix.shape)
