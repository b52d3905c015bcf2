"""The half-sweeps of a model: which problem each one solves, given the other side's factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys.models.factorisation.als.config import AlsConfig
from recsys.models.factorisation.als.solve import Basis, Problem, gramian_of
from recsys.models.factorisation.als.worker import Task
from recsys.models.factorisation.scorer import Ridge


@dataclass(frozen=True)
class Sweeps:
    """What is the same in all half-sweeps.

    Attributes:
        config: the model's settings.
        users, movies: how many there are.
        mean: of all ratings, where there are biases; else 0.
        observed: what the ratings of each movie weigh: float64 (movies), or one number.
        weighted: whether values are the weights of counts.
        unit: what rating arrays were multiplied by.
    """

    config: AlsConfig
    users: int
    movies: int
    mean: float
    observed: np.ndarray | float
    weighted: bool
    unit: float

    @property
    def width(self) -> int:
        """f, factors and the bias."""
        return self.config.factors + self.config.has_biases

    @property
    def ridge(self) -> Ridge:
        """What the scorer solves for users by: the same as the users' half-sweep."""
        config = self.config
        return Ridge(
            config.l2,
            config.l2_power,
            config.unobserved_weight,
            self.observed,
            config.nonnegative,
            bias_unit=config.bias_unit,
            divided_by=config.divided_by,
        )

    def of_users(self, movies: np.ndarray, solver: str | None = None) -> Task:
        """The users' half-sweep given the movies' factors, float32 (movies, f)."""
        gramian = gramian_of(movies) if self.config.unobserved_weight else None
        return self._task(self.movies, gramian, gramian, solver)

    def of_movies(self, gramian: np.ndarray | None) -> Task:
        """The movies' half-sweep; with the users' Gramian, float64 (f, f), where there is an unobserved_weight."""
        return self._task(self.users, gramian)

    def _task(
        self, columns: int, gramian: np.ndarray | None, of_loss: np.ndarray | None = None, solver: str | None = None
    ) -> Task:
        config = self.config
        problem = Problem(
            columns=columns,
            l2=config.l2,
            power=config.l2_power,
            unobserved=config.unobserved_weight,
            biases=config.has_biases,
            mean=self.mean,
            basis=None if gramian is None else Basis.of(gramian, config.unobserved_weight),
            solver=solver or config.solver,
            cg_steps=config.cg_steps,
            block_size=config.block_size,
            nonnegative=config.nonnegative,
            bias_unit=config.bias_unit,
        )
        return Task(problem, self.observed, self.weighted, self.unit, self.width, config.divided_by, of_loss)
