"""All settings of a run."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import field_validator

from recsys.config.data import DataConfig
from recsys.config.model import ModelConfig
from recsys.config.table import Complaint, Table, key
from recsys.config.training import TrainingConfig


class EvaluationConfig(Table):
    """What is measured on the test users or ratings."""

    holdout_fraction: float = key(
        0.2, "part of a test user's ratings that is held out, the rest being fed to the model", "fraction", gt=0, lt=1
    )
    relevant_from: float | None = key(
        None, "held-out ratings of at least this much count as hits; by default all of them", "stars"
    )
    recall_at: tuple[int, ...] = key((20, 50), "lengths of the lists for recall", "movies", min_length=1)
    ndcg_at: int = key(100, "length of the list for NDCG", "movies", ge=1)

    users: int = key(
        0,
        "the test loss, ranking and rating errors are of about so many test users, chosen by their ids; 0 is all of "
        "them, each of whom is scored against each movie",
        "users",
        ge=0,
    )

    @field_validator("recall_at")
    @classmethod
    def _lengths_are_positive(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(length < 1 for length in value):
            raise ValueError("every length must be at least 1")
        return value


class RecommendConfig(Table):
    """The sample user of the last phase."""

    user_id: str | int | None = key(None, "the user to recommend to; by default one of the test users, by seed")
    n: int = key(10, "how many movies to recommend", "movies", ge=1)


class CostConfig(Table):
    """What the machine's hours cost, in any currency, for comparisons. The defaults are roughly a public cloud's."""

    core_hour: float = key(0.04, "price of one core for an hour; about what clouds ask for, in dollars", ge=0)
    gb_hour: float = key(0.005, "price of one gigabyte of memory for an hour; as above", ge=0)


class Config(Table):
    """Every setting of a run."""

    name: str = key("run", "the run's name, part of its directory's", min_length=1)
    seed: int = key(1, "seed of the splits, the weights, the batches and the sample user", ge=0, lt=2**32)
    data: DataConfig = key(DataConfig(dataset="synthetic"), "the ratings")
    model: ModelConfig = key(ModelConfig(), "the autoencoder")
    training: TrainingConfig = key(TrainingConfig(), "its training")
    evaluation: EvaluationConfig = key(EvaluationConfig(), "its evaluation")
    recommend: RecommendConfig = key(RecommendConfig(), "the sample recommendation")
    cost: CostConfig = key(CostConfig(), "prices, for what the job compare says of cost")
    spark: dict[str, str | int | float | bool] = key({}, "any Spark property, as in spark.executor.memory = '2g'")

    def complaints(self) -> Iterator[Complaint]:
        """The impossible combinations of keys of different tables."""
        positive, relevant = self.data.positive_from, self.evaluation.relevant_from
        if positive is not None and relevant is not None:
            text = "evaluation.relevant_from has no meaning with data.positive_from: drop one of them"
            yield ("evaluation.relevant_from", "data.positive_from"), text
        elif relevant is not None and relevant > self.data.highest_rating:
            high = self.data.highest_rating
            text = f"evaluation.relevant_from = {relevant:g} is above the highest rating, {high:g}: no movie is a hit"
            yield ("evaluation.relevant_from", "data.rating_max"), text
        if positive is not None and self.model.loss == "masked_mse":
            text = (
                "model.loss = 'masked_mse' learns nothing where data.positive_from makes every rating 1: "
                "drop data.positive_from, or use 'multinomial'"
            )
            yield ("model.loss", "data.positive_from"), text
        if self.data.orientation == "movie" and self.model.loss != "masked_mse":
            text = (
                f"model.loss = '{self.model.loss}' does not go with data.orientation = 'movie', which predicts "
                "ratings: set model.loss = 'masked_mse'"
            )
            yield ("model.loss", "data.orientation"), text
        elif self.data.orientation == "movie" and self.model.resolved_output_activation != "linear":
            text = (
                f"model.output_activation = '{self.model.output_activation}' does not go with data.orientation = "
                "'movie', where users are fitted by linear regression: leave it out, or set 'linear'"
            )
            yield ("model.output_activation", "data.orientation"), text
        if self.training.sampled_items and self.model.loss != "multinomial":
            text = f"training.sampled_items has no meaning with model.loss = '{self.model.loss}': drop it"
            yield ("training.sampled_items", "model.loss"), text
        if self.model.kind == "vae" and self.training.strategy == "elephas":
            text = "model.kind = 'vae' has a loss of its own that training.strategy = 'elephas' leaves out: use 'dae'"
            yield ("model.kind", "training.strategy"), text
