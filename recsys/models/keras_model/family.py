"""Bring your own Keras model: what Elephas' users do, and the way in for models that nobody here thought of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

from recsys.config.model import ModelConfig
from recsys.data.preprocessing import Preprocessing
from recsys.errors import UserError
from recsys.models.base import ModelFamily, Scorer, Support
from recsys.models.files import read_scorer, write_scorer
from recsys.models.keras_model.config import KerasConfig
from recsys.registry import import_path

if TYPE_CHECKING:
    from recsys.training.base import Trainer, TrainingData

PRELOAD = "pyspark.worker,pyarrow,pandas,scipy.sparse,tensorflow,keras"  # by the workers, once a host


class KerasScorer(Scorer):
    """A Keras model's outputs. Keras is imported where it scores."""

    def __init__(
        self, description: str, module: str, weights: list[np.ndarray], columns: int, preprocessing: Preprocessing
    ) -> None:
        self.description, self.module, self.weights = description, module, weights
        self.columns, self.preprocessing = columns, preprocessing
        self._model: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_model": None}

    def score(self, ratings: csr_matrix) -> np.ndarray:
        if self._model is None:
            self._model = built(self.description, self.module, self.weights)
        scaled = self.preprocessing.scale(ratings)
        return np.array(self._model(scaled.toarray(), training=False), np.float32)


class KerasModel(ModelFamily):
    """A Keras model as its description in JSON and its weights."""

    Config = KerasConfig
    supports = Support(strategies=("local_sgd", "elephas"), needs_tensorflow=True, weights=True)

    def __init__(
        self,
        config: KerasConfig,
        preprocessing: Preprocessing,
        columns: int,
        description: str,
        weights: list[np.ndarray],
    ) -> None:
        self.config: KerasConfig = config
        self.preprocessing, self.columns = preprocessing, columns
        self.description, self.weights = description, weights

    @classmethod
    def trainer(cls, data: TrainingData) -> Trainer:

        config, settings = data.config.model, data.config.training
        assert isinstance(config, KerasConfig)
        model = from_function(config, data.columns, data.config.seed)
        description = model.to_json()

        def of_weights(weights: list[np.ndarray]) -> KerasModel:
            return cls(config, data.preprocessing, data.columns, description, weights)

        if settings.strategy == "elephas":
            from recsys.training.elephas.trainer import ElephasTrainer

            return ElephasTrainer(data, model, data.loss, of_weights)
        from recsys.models.keras_model.engine import KerasPlan, flatten
        from recsys.training.local_sgd.trainer import LocalSgdTrainer

        shapes = tuple(tuple(array.shape) for array in model.get_weights())
        plan = KerasPlan(description, compilation(model), _module(config), data.loss, shapes)
        return LocalSgdTrainer(data, plan, flatten(model.get_weights()), of_weights, preload=PRELOAD)

    @classmethod
    def modules(cls, config: ModelConfig) -> list[str]:
        assert isinstance(config, KerasConfig)
        return [cls.__module__, _module(config)]

    def scorer(self) -> KerasScorer:
        return KerasScorer(self.description, _module(self.config), self.weights, self.columns, self.preprocessing)

    def keras_model(self) -> Any:
        """The model in Keras, not compiled."""
        return built(self.description, _module(self.config), self.weights)

    def save(self, folder: Path) -> None:
        from recsys.models.exchange import save_keras

        save_keras(folder, self.keras_model())
        arrays = {f"{number:03d}": array for number, array in enumerate(self.weights)}
        write_scorer(
            folder, self.config, self.preprocessing, arrays, columns=self.columns, description=self.description
        )

    @classmethod
    def load(cls, folder: Path) -> KerasModel:
        saved = read_scorer(folder)
        weights = [saved.arrays[name] for name in sorted(saved.arrays)]
        config = KerasConfig.model_validate(saved.config)
        return cls(config, saved.preprocessing, saved.facts["columns"], saved.facts["description"], weights)


def from_function(config: KerasConfig, columns: int, seed: int) -> Any:
    """The Keras model that the user's function gives for so many movies. UserError where it gives something else."""
    from recsys.tensorflow_env import quiet_keras

    keras = quiet_keras()
    function: Any = import_path(config.function, f"model.function = {config.function!r}")
    keras.utils.set_random_seed(seed)
    model = function(columns)
    if not isinstance(model, keras.Model):
        raise UserError(f"model.function = {config.function!r} returned {type(model).__name__}, not a keras.Model")
    if model.output_shape[-1] != columns or len(model.output_shape) != 2:
        raise UserError(
            f"model.function = {config.function!r}: outputs are {model.output_shape}, (batch, {columns}) is needed: as "
            "many outputs as movies"
        )
    return model


def compilation(model: Any) -> str | None:
    """Optimizer and loss of a compiled model as JSON; None of one that is not compiled."""
    return json.dumps(model.get_compile_config()) if model.compiled else None


def built(description: str, module: str, weights: list[np.ndarray]) -> Any:
    """The model of a description in JSON. `module` is imported first: custom layers register themselves in it."""
    from recsys.tensorflow_env import quiet_keras

    keras = quiet_keras()
    import_module(module)
    model = keras.models.model_from_json(description)
    model.set_weights([np.asarray(array) for array in weights])
    return model


def import_module(module: str) -> None:
    """Imports a module of the user's; UserError where it cannot be."""
    import importlib

    try:
        importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"the model's module {module} cannot be imported here: {error}: install it") from None


def _module(config: KerasConfig) -> str:
    return config.function.partition(":")[0]
