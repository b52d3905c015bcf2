"""The sum of two models: the scores of the second, times a weight, are added to those of the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import SerializeAsAny
from scipy.sparse import csr_matrix

from recsys.config.model import ModelConfig, narrowed
from recsys.config.ranges import Choices, Range, Space
from recsys.config.table import Complaint, key
from recsys.data.preprocessing import Preprocessing
from recsys.errors import ConfigError
from recsys.models.autoencoder.config import DaeConfig
from recsys.models.base import MemoryNeeds, ModelFamily, ScoreBlock, Scorer, Support
from recsys.models.ease.config import EaseConfig
from recsys.models.files import kind_of, read_scorer, write_scorer
from recsys.registries import FAMILIES

if TYPE_CHECKING:
    from recsys.training.base import Trainer, TrainingData


class SumConfig(ModelConfig):
    """kind = "sum": `model.first` is trained as if it were alone, then `model.second` in closed form beside it."""

    kind: str = key("sum", "sum: two models whose scores are added")
    first: SerializeAsAny[ModelConfig] = key(DaeConfig(loss="multinomial"), "the first model: a table of its own kind")
    second: SerializeAsAny[ModelConfig] = key(EaseConfig(), "the second model, of a kind that is solved in closed form")
    second_weight: float = key(1.0, "what the second model's scores are multiplied by", gt=0)

    @property
    def loss_name(self) -> str:
        return self.first.loss_name

    def search_space(self) -> Space:
        """Both models' own spaces, and the weight of the second."""
        space: dict[str, Range | Choices] = {"model.second_weight": Range(low=0.1, high=1000, scale="log")}
        for name, part in (("first", self.first), ("second", self.second)):
            for full, entry in part.search_space().items():
                space[full.replace("model.", f"model.{name}.", 1)] = entry
        return space

    @classmethod
    def for_table(cls, table: Mapping[str, Any]) -> type[ModelConfig]:
        tables = {}
        for part, default in (("first", "dae"), ("second", "linear")):
            inner = table.get(part, {})
            if isinstance(inner, Mapping):
                try:
                    family = FAMILIES.get(str(inner.get("kind", default)))
                except ConfigError as error:
                    raise ConfigError(f"model.{part}.kind{str(error).removeprefix(FAMILIES.key)}") from None
                tables[part] = family.Config.for_table(inner)
        return narrowed(cls, "SumConfig", **tables) if tables else cls

    def complaints(self) -> Iterator[Complaint]:
        """The impossible combinations."""
        try:
            second = FAMILIES.get(self.second.kind).supports
        except ConfigError as error:
            yield ("model.second.kind",), str(error)
            return
        if not second.closed_form:
            text = f"model.second.kind = {self.second.kind!r} is trained in epochs: take one in closed form ('linear')"
            yield ("model.second.kind",), text
        if self.first.loss_name != self.second.loss_name:
            text = (
                f"model.first.loss = {self.first.loss_name!r} and model.second.loss = {self.second.loss_name!r}: "
                "both models of a sum must have one loss"
            )
            yield ("model.first.loss", "model.second.loss"), text


class SumScorer(Scorer):
    """first.score + weight second.score."""

    def __init__(self, first: Scorer, second: Scorer, weight: float) -> None:
        self.first, self.second, self.weight = first, second, np.float32(weight)
        self.preprocessing, self.columns = first.preprocessing, first.columns

    def score(self, ratings: csr_matrix) -> np.ndarray:
        return self.first.score(ratings) + self.weight * self.second.score(ratings)

    def score_blocks(self, ratings: csr_matrix, columns: int) -> Iterator[ScoreBlock]:
        second = self.second.score(ratings)
        second *= self.weight
        for start, scores in self.first.score_blocks(ratings, columns):
            scores += second[:, start : start + scores.shape[1]]
            yield start, scores


class SumModel(ModelFamily):
    """Two trained models."""

    Config = SumConfig
    supports = Support(strategies=("local_sgd", "elephas"))

    def __init__(self, config: SumConfig, first: ModelFamily, second: ModelFamily) -> None:
        self.config: SumConfig = config
        self.first, self.second = first, second
        self.preprocessing: Preprocessing = first.preprocessing

    @classmethod
    def trainer(cls, data: TrainingData) -> Trainer:
        from recsys.training.base import Finishing

        config = data.config.model
        assert isinstance(config, SumConfig)
        first, second = (FAMILIES.get(part.kind) for part in (config.first, config.second))

        def add(model: ModelFamily) -> ModelFamily:
            # afterwards: it knows the training users too well, and would leave the first model nothing to learn
            alone = replace(data, config=data.config.model_copy(update={"model": config.second}))
            trainer = second.trainer(alone)
            trainer.train_epoch(1)
            return cls(config, model, trainer.as_model(None))

        alone = replace(data, config=data.config.model_copy(update={"model": config.first}))
        return Finishing(first.trainer(alone), add)

    def scorer(self) -> SumScorer:
        return SumScorer(self.first.scorer(), self.second.scorer(), self.config.second_weight)

    def save(self, folder: Path) -> None:
        self.first.save(folder / "first")
        self.second.save(folder / "second")
        _save_keras_sum(folder, self)
        write_scorer(folder, self.config, self.preprocessing, {})

    @classmethod
    def load(cls, folder: Path) -> SumModel:
        saved = read_scorer(folder)
        config = cls.Config.for_table(saved.config).model_validate(saved.config)
        assert isinstance(config, SumConfig)
        first, second = (FAMILIES.get(kind_of(folder / part)).load(folder / part) for part in ("first", "second"))
        return cls(config, first, second)

    @classmethod
    def supports_with(cls, config: ModelConfig) -> Support:
        """What both models can do; the first is the one that is trained by a strategy."""
        assert isinstance(config, SumConfig)
        first, second = (FAMILIES.get(part.kind).supports_with(part) for part in (config.first, config.second))
        alike = config.first.loss_name == config.second.loss_name  # else that is refused already
        allowed = [names for names in (first.losses, second.losses) if names is not None and alike]
        losses = tuple(name for name in allowed[0] if all(name in names for names in allowed)) if allowed else None
        return replace(
            first,
            losses=losses,
            orientations=("user",),
            needs_tensorflow=first.needs_tensorflow or second.needs_tensorflow,
            weights=first.weights and second.weights,
        )

    @classmethod
    def modules(cls, config: ModelConfig) -> list[str]:
        assert isinstance(config, SumConfig)
        parts = [FAMILIES.get(part.kind).modules(part) for part in (config.first, config.second)]
        return [cls.__module__, *parts[0], *parts[1]]

    @classmethod
    def memory(cls, config: ModelConfig, columns: int) -> MemoryNeeds:
        assert isinstance(config, SumConfig)
        first, second = (FAMILIES.get(part.kind).memory(part, columns) for part in (config.first, config.second))
        return MemoryNeeds(first.weights + second.weights, first.driver + second.driver)

    @classmethod
    def check(cls, config: ModelConfig, columns: int) -> None:
        assert isinstance(config, SumConfig)
        for part in (config.first, config.second):
            FAMILIES.get(part.kind).check(part, columns)


def _save_keras_sum(folder: Path, model: SumModel) -> None:
    """model.keras of both, where both can be written in Keras."""
    from recsys.models.exchange import save_keras
    from recsys.tensorflow_env import quiet_keras

    parts = [getattr(part, "keras_model", None) for part in (model.first, model.second)]
    if None in parts:
        return
    keras = quiet_keras()
    first, second = (build() for build in parts if build is not None)
    ratings = keras.Input(first.input_shape[1:], name="ratings")
    weighted = keras.layers.Rescaling(model.config.second_weight)(second(ratings))
    outputs = keras.layers.Add(name="sum")([first(ratings), weighted])
    save_keras(folder, keras.Model(ratings, outputs, name="sum_model"))
