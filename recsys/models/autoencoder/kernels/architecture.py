"""What tells one kind of autoencoder from another: the layers between the encoder's sums and the output layer."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

START_OF_LOG_VARIANCES = 0.001  # standard deviation of the first weights

Shapes = list[tuple[int, ...]]
Weights = list[np.ndarray]
# from the gradient of h and the weight of the divergence to the gradient of z; the weights' gradients are written down
Back = Callable[[np.ndarray, float, Weights], np.ndarray]


@dataclass(frozen=True)
class Prior:
    """What latent vectors are held near: the users' earlier ones, and how many ratings each user has.

    Attributes:
        mean: rows x latent.
        log_variance: rows x latent.
        ratings: rows.
    """

    mean: np.ndarray
    log_variance: np.ndarray
    ratings: np.ndarray


class Architecture(ABC):
    """Hidden layers in NumPy, forwards and backwards, and the same model in Keras. Without state: equal by class."""

    needs_prior: ClassVar[bool] = False  # whether training needs the encoder as the round found it

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self).__qualname__)

    def with_kernels(self) -> Architecture:
        """The same layers, with compiled kernels where they have some."""
        return self

    @abstractmethod
    def shapes(self, config: Any) -> tuple[Shapes, int]:
        """The shapes of the hidden layers' weights, in the order of the Keras model, and the output layer's width."""

    def start(self, config: Any, draw: np.random.Generator) -> Weights:
        """The hidden layers' first weights, as `build` draws them: by default Glorot's kernels and biases of 0."""
        shapes, _ = self.shapes(config)
        return [glorot(draw, shape) if len(shape) == 2 else np.zeros(shape, np.float32) for shape in shapes]

    @abstractmethod
    def forward(
        self,
        config: Any,
        z: np.ndarray,
        weights: Weights,
        generator: np.random.Generator | None,
        prior: Prior | None = None,
    ) -> tuple[np.ndarray, float, Back]:
        """(h, divergence, back): what goes into the output layer, from the encoder's sums.

        Args:
            config: the model's settings.
            z: the encoder's sums before their activation, rows x units; may be written to.
            weights: the hidden layers' weights, as `shapes` lists them.
            generator: draws dropout and latent vectors. Without one nothing is dropped, and latent vectors are means.
            prior: what `prior` gave, where the architecture needs one.

        Returns:
            h (rows x width), the rows' mean divergence from the prior (0 where there is none), and the way back.
        """

    def divergence_weight(self, config: Any, epoch: float) -> float:
        """The weight of the divergence in the loss after so many epochs (a fraction within one)."""
        return 0.0

    def prior(self, config: Any, z: np.ndarray, weights: Weights, ratings: np.ndarray) -> Prior:
        """The prior of rows, from the sums of the encoder as the round found it and how many ratings each row has."""
        raise NotImplementedError

    @abstractmethod
    def build(self, movies: int, config: Any, seed: int) -> Any:
        """An untrained Keras model from rating arrays (batch, movies) in [0, 1] to outputs of the same shape.

        It is made of Keras' own layers and operations alone, so that plain Keras loads it. Its first Dense layer is
        named "encoder" and is linear, its last "output". `seed` sets the weights.
        """


def glorot(draw: np.random.Generator, shape: tuple[int, ...], scale: float = 1.0) -> np.ndarray:
    """A kernel (inputs x outputs), uniform within scale sqrt(6 / (inputs + outputs)), float32."""
    limit = np.float32(scale * math.sqrt(6 / sum(shape)))
    return (2 * draw.random(shape, np.float32) - 1) * limit


def small_log_variances(draw: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """The kernel of log variances: small, as an untrained variance of all sizes drowns the mean."""
    return np.float32(START_OF_LOG_VARIANCES) * draw.standard_normal(shape, np.float32)
