"""What all families of factorisation are when trained: movies' factors, and how users are solved for."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from recsys.config.model import ModelConfig
from recsys.data.preprocessing import Preprocessing
from recsys.models.base import EachUser, MemoryNeeds, ModelFamily
from recsys.models.factorisation.count_power import CountPower
from recsys.models.factorisation.export import write_factors
from recsys.models.factorisation.scorer import FactorScorer, MovieFactors, Ridge
from recsys.models.files import read_scorer, write_scorer


class FactorModel(ModelFamily):
    """A trained factorisation. Families give `Config`, a FactorConfig, `supports` and `trainer`."""

    config: Any

    def __init__(self, config: Any, preprocessing: Preprocessing, movies: MovieFactors, ridge: Ridge) -> None:
        self.config = config
        self.preprocessing, self.movies, self.ridge = preprocessing, movies, ridge

    def scorer(self) -> FactorScorer:
        return FactorScorer(self.movies, self.ridge, self.preprocessing)

    def save(self, folder: Path) -> None:
        movies, ridge = self.movies, self.ridge
        arrays = {"factors": movies.factors, "biases": movies.biases, "observed": np.asarray(ridge.observed)}
        if movies.implicit is not None:
            arrays["implicit"] = movies.implicit
        facts: dict[str, Any] = {"mean": float(movies.mean), "user_bias": movies.user_bias}
        names = ("l2", "power", "unobserved", "nonnegative", "bias_unit")
        solved = {name: getattr(ridge, name) for name in names}
        facts["divided_by"] = asdict(ridge.divided_by)
        write_scorer(folder, self.config, self.preprocessing, arrays, **facts, ridge=solved)

    @classmethod
    def load(cls, folder: Path) -> FactorModel:
        saved = read_scorer(folder)
        arrays, facts = saved.arrays, saved.facts
        movies = MovieFactors(
            arrays["factors"], arrays["biases"], facts["mean"], facts["user_bias"], arrays.get("implicit")
        )
        observed = arrays["observed"]
        weights = observed if observed.ndim else float(observed)
        ridge = Ridge(**facts["ridge"], observed=weights, divided_by=CountPower(**facts.get("divided_by", {})))
        return cls(cls.Config.model_validate(saved.config), saved.preprocessing, movies, ridge)

    def export(self, folder: Path, movies: np.ndarray, each_user: EachUser) -> None:
        if self.config.export:
            write_factors(folder / "factors", self.scorer(), movies, each_user)

    @classmethod
    def memory(cls, config: ModelConfig, columns: int) -> MemoryNeeds:
        return MemoryNeeds(4 * columns * (int(getattr(config, "factors", 0)) + 1))
