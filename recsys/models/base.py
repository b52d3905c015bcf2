"""The contract of models: what a family is, how it is trained, and what scores with it.

The training loop, checkpoints, resume, evaluation, recommendations and reports know this file alone. A new family is
one class with its settings. It is registered by name (recsys.registries), by an entry point of the group
`howdah.models`, or given in the settings as `model.kind = "package.module:Class"`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np
from scipy.sparse import csr_matrix

from recsys.config.model import ModelConfig
from recsys.data.preprocessing import Preprocessing

if TYPE_CHECKING:
    from recsys.training.base import Trainer, TrainingData

ScoreBlock: TypeAlias = tuple[int, np.ndarray]  # the first movie of a block, scores float32 (rows, movies of the block)
# calls a function with raw ratings (users x movies) where they are; yields (user ids, what it returned), in parts
EachUser: TypeAlias = "Callable[[Callable[[csr_matrix], np.ndarray]], Iterator[tuple[np.ndarray, np.ndarray]]]"


@dataclass(frozen=True)
class Support:
    """What a family can do. The settings are checked against it once, before anything runs.

    Attributes:
        strategies: values of `training.strategy` that train it.
        closed_form: whether it is solved in one step, without epochs; `training.strategy` then says nothing.
        orientations: values of `data.orientation`: whose rating arrays it learns from.
        losses: names of losses; None: any that is registered.
        needs_tensorflow: whether its scorer imports TensorFlow.
        weights: whether its rating arrays may hold the weights of counts (`data.weights`), where the loss uses them.
        weights_itself: whether it uses these whatever the loss.
        kernels: what its own arithmetic may be computed by, of the values of `training.kernels` that name something;
            none where libraries do it all.
    """

    strategies: tuple[str, ...] = ("local_sgd",)
    closed_form: bool = False
    orientations: tuple[str, ...] = ("user",)
    losses: tuple[str, ...] | None = None
    needs_tensorflow: bool = False
    weights: bool = False
    weights_itself: bool = False
    kernels: tuple[str, ...] = ()


class Scorer(ABC):
    """Scores movies for users. Picklable, and small enough to be sent to every executor.

    Of a model of movies' rating arrays rows are movies and columns users. Then `codes` and `output_layer` say how users
    are scored from what it knows of the movies (recsys.evaluation.factors).
    """

    preprocessing: Preprocessing
    columns: int  # how many movies are scored

    @abstractmethod
    def score(self, ratings: csr_matrix) -> np.ndarray:
        """Scores of raw ratings.

        Args:
            ratings: raw ratings, rows x columns; every stored entry is a rating, also one of 0.

        Returns:
            float32, rows x columns; larger is better. On the scale of rating arrays where the loss predicts ratings.
        """

    @property
    def in_blocks(self) -> bool:
        """Whether `score_blocks` holds the scores of one block of movies in memory, not those of all."""
        return False

    def score_blocks(self, ratings: csr_matrix, columns: int) -> Iterator[ScoreBlock]:
        """The scores of `columns` movies at a time, in the order of the movies; they may be written over."""
        yield 0, self.score(ratings)

    def codes(self, ratings: csr_matrix) -> np.ndarray:
        """What goes into the output layer: float32, rows x width. Families with orientation "movie" alone have it."""
        raise NotImplementedError

    def output_layer(self) -> tuple[np.ndarray, np.ndarray]:
        """Kernel (width x columns) and bias (columns) of a linear output layer, for orientation "movie"."""
        raise NotImplementedError

    def offsets(self, sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """What the model adds to all outputs of a row, float32 (rows).

        Args:
            sums: of each row's scaled ratings.
            counts: how many ratings each row has.
        """
        return np.zeros(len(sums), np.float32)

    def explain(self, ratings: csr_matrix, movie: int) -> np.ndarray | None:
        """How much each rating of one row adds to the score of `movie`: float32 (ratings); None where it cannot say."""
        return None


class ModelFamily(ABC):
    """A trained model of one family; as a class, the family.

    Attributes:
        Config: the family's table of settings, with its own keys.
        supports: what it can do.
        config: the settings that this model was trained with.
    """

    Config: ClassVar[type[ModelConfig]]
    supports: ClassVar[Support] = Support()

    config: ModelConfig
    preprocessing: Preprocessing

    @classmethod
    @abstractmethod
    def trainer(cls, data: TrainingData) -> Trainer:
        """What trains a model of the settings `data.config` on `data`. Runs on the driver."""

    @abstractmethod
    def scorer(self) -> Scorer:
        """What scores with this model."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes all that scoring needs below `folder`, so that neither Spark nor TensorFlow is needed to load it.

        What other programs can read (such as model.keras) is written beside it. Raises OSError on a full disk.
        """

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> ModelFamily:
        """The model that `save` wrote. Raises ValueError or OSError where a file was changed or cut off."""

    def export(self, folder: Path, movies: np.ndarray, each_user: EachUser) -> None:
        """Writes, below `folder`, what other programs want of a model that is trained, and scoring does not need.

        Args:
            folder: the model's folder.
            movies: ids in the order of the model's outputs.
            each_user: applies a function to the ratings of all users, those of the test left out where these are split.
        """
        return None

    @classmethod
    def supports_with(cls, config: ModelConfig) -> Support:
        """What the family can do with these settings."""
        return cls.supports

    @classmethod
    def modules(cls, config: ModelConfig) -> list[str]:
        """The modules that workers import for this model. Those of the user's own are sent to them."""
        return [cls.__module__]

    @classmethod
    def memory(cls, config: ModelConfig, columns: int) -> MemoryNeeds:
        """What a model of so many columns takes, for the check before training."""
        return MemoryNeeds(0)

    @classmethod
    def check(cls, config: ModelConfig, columns: int) -> None:
        """Raises UserError, with the remedy, where a model of so many columns cannot be trained at all."""
        return None


@dataclass(frozen=True)
class MemoryNeeds:
    """Bytes of a model, counted before training."""

    weights: int  # of one copy of what workers train
    driver: int = 0  # on top of copies of these, on the driver
