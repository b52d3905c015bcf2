"""All settings of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import Field, SerializeAsAny, field_validator

from recsys.config.data import DataConfig
from recsys.config.feedback import feedback_complaints, known_feedback
from recsys.config.model import ModelConfig, narrowed
from recsys.config.table import Complaint, Table, key
from recsys.config.training import TrainingConfig
from recsys.errors import ConfigError
from recsys.registries import FAMILIES, METRICS, loss_named


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

    metrics: tuple[str, ...] = key(
        (), "more figures of the ranked lists, with their length: mrr@10, hit_rate@10, package.module:Class@10"
    )
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

    @field_validator("metrics")
    @classmethod
    def _metrics_are_registered(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            name, _, k = text.rpartition("@")
            if not name or not k.isdigit() or int(k) < 1:
                raise ValueError(f"{text!r} has no length: write a name and a length, such as mrr@10")
            try:
                METRICS.get(name)
            except ConfigError as error:
                raise ValueError(str(error).partition(": ")[2]) from None
        return value


class RecommendConfig(Table):
    """The sample user of the last phase."""

    user_id: str | int | None = key(None, "the user to recommend to; by default one of the test users, by seed")
    n: int = key(10, "how many movies to recommend", "movies", ge=1)


class MachineConfig(Table):
    """What a run with a local master may use of this machine. spark-submit.sh sees to it (Linux)."""

    cores: int | None = key(
        None, "local masters: all processes of the run together run on so many cores; by default on all", "cores", ge=1
    )
    memory_gb: float | None = key(
        None,
        "local masters: more memory than this (PSS, all processes of the run together) ends the run, and training is "
        "refused where it would take more; Spark's heap is then at most half of it unless spark.driver.memory is set",
        "GB (1e9 bytes)",
        gt=0,
    )


class CostConfig(Table):
    """What the machine's hours cost, in any currency, for comparisons. The defaults are roughly a public cloud's."""

    core_hour: float = key(0.04, "price of one core for an hour; about what clouds ask for, in dollars", ge=0)
    gb_hour: float = key(0.005, "price of one gigabyte of memory for an hour; as above", ge=0)


class Config(Table):
    """Every setting of a run."""

    name: str = key("run", "the run's name, part of its directory's", min_length=1)
    seed: int = key(1, "seed of the splits, the weights, the batches and the sample user", ge=0, lt=2**32)
    data: DataConfig = key(DataConfig(dataset="synthetic"), "the ratings")
    model: SerializeAsAny[ModelConfig] = Field(
        default_factory=lambda: FAMILIES.get("dae").Config(), description="the model: a family and its settings"
    )
    training: TrainingConfig = key(TrainingConfig(), "its training")
    evaluation: EvaluationConfig = key(EvaluationConfig(), "its evaluation")
    recommend: RecommendConfig = key(RecommendConfig(), "the sample recommendation")
    machine: MachineConfig = key(MachineConfig(), "what a run may use of this machine")
    cost: CostConfig = key(CostConfig(), "prices, for what the job compare says of cost")
    spark: dict[str, str | int | float | bool] = key({}, "any Spark property, as in spark.executor.memory = '2g'")

    def complaints(self) -> Iterator[Complaint]:
        """The impossible combinations of keys of different tables."""
        positive, relevant = self.data.positive_from, self.evaluation.relevant_from
        if positive is not None and relevant is not None:
            text = "evaluation.relevant_from has no meaning with data.positive_from: drop one of them"
            yield ("evaluation.relevant_from", "data.positive_from"), text
        elif relevant is not None and (high := self.data.highest_rating) is not None and relevant > high:
            text = f"evaluation.relevant_from = {relevant:g} is above the highest rating, {high:g}: no movie is a hit"
            yield ("evaluation.relevant_from", "data.rating_max"), text
        yield from self._unsupported()
        yield from self._without_validation()
        yield from self.model.complaints_with(self)

    @property
    def split_seed(self) -> int:
        """The seed of the split."""
        return self.seed if self.data.split_seed is None else self.data.split_seed

    def _without_validation(self) -> Iterator[Complaint]:
        """What would choose an epoch by a validation that is not there."""
        training = self.training
        try:
            one_step = FAMILIES.get(self.model.kind).supports_with(self.model).closed_form
        except ConfigError:  # said below
            return
        if self.data.validation_fraction == 0 and not one_step and (training.patience or training.keep == "best"):
            text = (
                "data.validation_fraction = 0 leaves nothing to choose an epoch by: set training.keep = 'last' and "
                "training.patience = 0"
            )
            yield ("data.validation_fraction", "training.keep", "training.patience"), text

    def _unsupported(self) -> Iterator[Complaint]:
        """What the family or the loss says that it does not do."""
        try:
            supports = FAMILIES.get(self.model.kind).supports_with(self.model)
            loss = loss_named(self.model.loss_name)
        except ConfigError as error:
            yield ("model.kind", "model.loss"), str(error)
            return
        kind, name = f"model.kind = {self.model.kind!r}", f"model.loss = {loss.name!r}"
        strategy, orientation = self.training.strategy, self.data.orientation
        if supports.losses is not None and self.model.loss_name not in supports.losses:
            yield ("model.kind", "model.loss"), f"{kind} does not train with {name}: {_one_of(supports.losses)}"
        if supports.closed_form and strategy != type(self.training).model_fields["strategy"].default:
            text = f"{kind} is solved in closed form: drop training.strategy = {strategy!r}"
            yield ("model.kind", "training.strategy"), text
        elif not supports.closed_form and strategy not in supports.strategies:
            text = f"{kind} is not trained by training.strategy = {strategy!r}: {_one_of(supports.strategies)}"
            yield ("model.kind", "training.strategy"), text
        if strategy == "elephas" and not loss.trains_in_keras():
            text = f"{name} is not written for Keras, which training.strategy = 'elephas' trains with: use 'local_sgd'"
            yield ("model.loss", "training.strategy"), text
        if orientation not in supports.orientations:
            text = f"{kind} does not learn from data.orientation = {orientation!r}: {_one_of(supports.orientations)}"
            yield ("model.kind", "data.orientation"), text
        elif orientation not in loss.orientations:
            text = (
                f"{name} does not go with data.orientation = {orientation!r}, which predicts ratings: set "
                "model.loss = 'masked_mse'"
            )
            yield ("model.loss", "data.orientation"), text
        yield from feedback_complaints(self, known_feedback(self.data))
        if self.training.sampled_items and not loss.samples_items:
            text = f"training.sampled_items has no meaning with {name}: drop it"
            yield ("training.sampled_items", "model.loss"), text


def config_class(model: object) -> type[Config]:
    """The class of settings for this `[model]` table: its model table is the family's own.

    Raises ConfigError where no family has the kind that the table names.
    """
    table = model if isinstance(model, Mapping) else {}
    family = FAMILIES.get(str(table.get("kind", ModelConfig.model_fields["kind"].default)))
    config: type[Config] = narrowed(Config, "Config", model=family.Config.for_table(table))
    return config


def _one_of(names: tuple[str, ...]) -> str:
    return f"use {' or '.join(repr(name) for name in names)}"
