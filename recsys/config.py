"""The settings of a run: one frozen object a table, checked before Spark starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

DATASETS = ("synthetic", "ml-latest-small", "ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m")

Activation = Literal["relu", "selu", "elu", "gelu", "silu", "tanh", "sigmoid", "linear", "softmax"]
ColumnRef = str | int
Complaint = tuple[tuple[str, ...], str]  # keys that do not fit together, and what to do about it

_HIGHEST_RATING = 5.0  # of every data set of the catalogue, and of own files that say nothing else


def _key(default: Any, doc: str, unit: str = "", **constraints: Any) -> Any:
    """A setting with its documentation and, where it has one, its unit."""
    return Field(default, description=doc, json_schema_extra={"unit": unit}, **constraints)


class Table(BaseModel):
    """A table of settings: frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    def complaints(self) -> Iterator[Complaint]:
        """The impossible combinations among keys that are each fine."""
        yield from ()

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Table:
        found = list(self.complaints())
        if isinstance(info.context, list):  # somebody collects the complaints of all tables
            info.context.extend(found)
        elif found:
            raise ValueError("; ".join(text for _, text in found))
        return self


class ColumnsConfig(Table):
    """Which columns of own files hold what: a name, or a position from 1."""

    user: ColumnRef | None = _key(None, "user id in the ratings; default userId, or 1 without a header")
    movie: ColumnRef | None = _key(
        None, "movie id in the ratings, and by name also in the movies; default movieId, or 2 without a header"
    )
    rating: ColumnRef | None = _key(None, "rating; default rating, or 3 without a header")
    timestamp: ColumnRef | None = _key(
        None, "time of the rating, seconds or a date and time, may be absent; default timestamp, or 4 without a header"
    )
    title: ColumnRef | None = _key(None, "title in the movies; default title, or 2 without a header")
    movie_in_movies: ColumnRef | None = _key(
        None, "movie id in the movies, where it is not as in the ratings; default movieId, or 1 without a header"
    )

    @field_validator("*")
    @classmethod
    def _positions_start_at_one(cls, value: ColumnRef | None) -> ColumnRef | None:
        if isinstance(value, int) and value < 1:
            raise ValueError("a position counts from 1")
        return value


class DataConfig(Table):
    """Which ratings are used, and how users and ratings are divided into training, validation and test."""

    dataset: Literal[DATASETS] | None = _key(None, "a data set of the catalogue")  # type: ignore[valid-type]
    ratings: str | None = _key(None, "own ratings instead: a path or glob that Spark can read (CSV, TSV, ::, Parquet)")
    movies: str | None = _key(None, "own movies: a path or glob; without it there are no titles and no year filter")
    separator: str | None = _key(None, "own files: the separator; by default told from the first line", min_length=1)
    header: bool | None = _key(None, "own files: whether they start with a header; by default told from the first line")
    encoding: Literal["UTF-8", "ISO-8859-1"] | None = _key(None, "own files: their encoding; by default UTF-8")
    columns: ColumnsConfig = _key(ColumnsConfig(), "own files: which column holds what")
    id_type: Literal["auto", "integer", "string"] = _key("auto", "what user and movie ids are; auto looks at the data")
    data_dir: str | None = _key(
        None, "where a catalogue data set lies unpacked or is put; by default the run directory's data folder"
    )
    year_from: int | None = _key(None, "first release year, inclusive", "year")
    year_to: int | None = _key(None, "last release year, inclusive", "year")
    positive_from: float | None = _key(
        None, "keep only ratings of at least this much and take them all for 1: likes instead of ratings", "stars"
    )
    rating_min: float | None = _key(None, "own files: lowest rating of the scale; by default 0.5", "stars", gt=0)
    rating_max: float | None = _key(None, "own files: highest rating of the scale; by default 5", "stars", gt=0)
    max_rejected: float = _key(0.01, "more rejected rows than this end the run", "fraction of rows", ge=0, le=1)
    scale: float = _key(0.01, "synthetic: size, 1 is ml-25m's shape", "of ml-25m", gt=0)
    seed: int = _key(1, "synthetic: seed of the generated data", ge=0)
    split: Literal["user", "rating"] = _key(
        "user", "what test and validation are made of: whole users, or a fraction of every user's ratings"
    )
    test_ratings: str | None = _key(
        None,
        "a file, laid out as the ratings, with those of them that are the test (test_fraction then says nothing): a "
        "path or glob, or with a catalogue data set a name in its folder, such as ml-100k's u1.test",
    )
    test_fraction: float = _key(0.2, "users (or ratings) kept for the test", "fraction", gt=0, lt=1)
    validation_fraction: float = _key(
        0.1, "users (or ratings), of those not kept for the test, kept for validation", "fraction", gt=0, lt=1
    )
    orientation: Literal["user", "movie"] = _key(
        "user",
        "what has a rating array: each user, over all movies; or each movie, over all users, which predicts ratings "
        "better (needs data.split = 'rating' and model.loss = 'masked_mse')",
    )
    block_users: int = _key(512, "users (or movies) whose rating arrays are stored as one block", "users", ge=1)

    def complaints(self) -> Iterator[Complaint]:
        """The impossible combinations."""
        source = ("data.dataset", "data.ratings")
        if self.dataset and self.ratings:
            yield source, "data.dataset and data.ratings exclude each other: keep one of them"
        if not self.dataset and not self.ratings:
            yield source, "data.dataset or data.ratings is needed: name a data set, or the path of own ratings"
        if self.movies and not self.ratings:
            text = "data.movies goes with data.ratings; a catalogue data set brings its own movies"
            yield (*source, "data.movies"), text
        own = {"separator", "header", "encoding", "rating_min", "rating_max", "columns", "id_type"}
        if self.dataset and not self.ratings and (given := sorted(own & self.model_fields_set)):
            keys = ", ".join(f"data.{key}" for key in given)
            text = f"{keys}: only for own files (data.ratings); the catalogue knows {self.dataset}'s layout"
            yield source, text
        years = ("data.year_from", "data.year_to")
        if self.year_from is not None and self.year_to is not None and self.year_from > self.year_to:
            yield years, f"data.year_from = {self.year_from} is after data.year_to = {self.year_to}: swap them"
        if self.ratings and not self.movies and (self.year_from is not None or self.year_to is not None):
            text = "a year filter needs data.movies: the release year stands in the titles"
            yield (*source, "data.movies"), text
        if self.test_ratings is not None and self.split != "rating":
            text = "data.test_ratings names single ratings for the test: set data.split = 'rating'"
            yield ("data.test_ratings", "data.split"), text
        if self.test_ratings is not None and self.dataset == "synthetic" and not self.ratings:
            text = "data.test_ratings goes with a data set of files; generated data has none: set data.test_fraction"
            yield (*source, "data.test_ratings"), text
        low, high = self.rating_min or 0.5, self.highest_rating
        if low >= high:
            keys_of_scale = ("data.rating_min", "data.rating_max")
            yield keys_of_scale, f"data.rating_min = {low:g} must be less than data.rating_max = {high:g}"
        if self.positive_from is not None and self.positive_from > high:
            text = f"data.positive_from = {self.positive_from:g} is above the highest rating, {high:g}: nothing is left"
            yield ("data.positive_from", "data.rating_max"), text
        if self.orientation == "movie" and self.split != "rating":
            text = "data.orientation = 'movie' has every user in its arrays, none is unseen: set data.split = 'rating'"
            yield ("data.orientation", "data.split"), text
        if self.orientation == "movie" and self.positive_from is not None:
            text = (
                "data.orientation = 'movie' predicts ratings, data.positive_from leaves likes alone: drop one of them"
            )
            yield ("data.orientation", "data.positive_from"), text

    @property
    def highest_rating(self) -> float:
        """The upper end of the rating scale."""
        return self.rating_max or _HIGHEST_RATING


class ModelConfig(Table):
    """The dense autoencoder. The defaults are the paper's model."""

    kind: Literal["dae", "vae", "linear"] = _key(
        "dae",
        "dae: an autoencoder, denoising with input_dropout; vae: variational, the hidden layers once more behind the "
        "latent ones; linear: the linear path alone",
    )
    hidden: tuple[int, ...] = _key((150, 25, 150), "widths of the hidden layers, in order", "units", min_length=1)
    activation: Activation = _key("relu", "activation of the hidden layers")
    output_activation: Activation | None = _key(
        None, "activation of the output; by default softmax for mse, linear for masked_mse and multinomial"
    )
    loss: Literal["mse", "masked_mse", "multinomial"] = _key(
        "mse",
        "mse: squared error over all entries; masked_mse: over rated entries only; "
        "multinomial: log-likelihood of the rated movies under a softmax",
    )
    input_normalisation: Literal["none", "l2", "center", "offset"] = _key(
        "none",
        "rating arrays as they enter: as they are; l2: scaled to length 1; center: less the mean of the array's "
        "ratings, then scaled to length 1, and the mean added to the output; offset: as they are, and the mean, drawn "
        "towards 0.7 of the highest rating by five ratings, added to the output",
    )
    input_scale: float = _key(
        1.0, "what rating arrays are multiplied by as they enter: with more of it l2 holds the encoder less", gt=0
    )
    input_dropout: float = _key(
        0.0, "part of the input that is dropped in training (denoising)", "fraction", ge=0, lt=1
    )
    dropout: float = _key(0.0, "part of each hidden layer that is dropped in training", "fraction", ge=0, lt=1)
    l2: float = _key(0.0, "weight of the squared kernels in the loss", ge=0)
    latent: int = _key(200, "vae: width of the latent layer", "units", ge=1)
    kl_weight: float = _key(0.2, "vae: weight of the divergence from the prior in the loss", ge=0)
    kl_epochs: float = _key(20.0, "vae: the divergence's weight rises from 0 over this long", "epochs", ge=0)
    linear: Literal["none", "ease"] = _key(
        "none",
        "ease: item-item weights in closed form (EASE, EDLAE) from the training users; with another kind than linear "
        "their scores are added to the output of the autoencoder, which is trained without them",
    )
    linear_l2: float = _key(500.0, "linear: ridge of every movie", "ratings", gt=0)
    linear_dropout: float = _key(
        0.0, "linear: part of the input that the ridge stands for dropping out (EDLAE)", "fraction", ge=0, lt=1
    )
    linear_user_power: float = _key(
        0.0, "linear: a user of n ratings counts as n to minus twice this; 0.5 makes users equal", ge=0
    )
    linear_movie_power: float = _key(
        0.0, "linear: scores are divided by the movie's number of training ratings to this power"
    )
    linear_weight: float = _key(1.0, "linear: weight of its scores beside the autoencoder's output", gt=0)

    @field_validator("hidden")
    @classmethod
    def _widths_are_positive(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(width < 1 for width in value):
            raise ValueError("every width must be at least 1")
        return value

    def complaints(self) -> Iterator[Complaint]:
        """The impossible combinations."""
        if self.loss == "multinomial" and self.output_activation not in (None, "linear"):
            text = "model.loss = 'multinomial' holds the softmax itself: leave model.output_activation out, or 'linear'"
            yield ("model.loss", "model.output_activation"), text
        if self.linear != "none" and self.loss != "multinomial":
            text = f"model.linear = {self.linear!r} scores for a ranking: set model.loss = 'multinomial', or drop it"
            yield ("model.linear", "model.loss"), text
        if self.kind == "linear" and self.linear == "none":
            yield ("model.kind", "model.linear"), "model.kind = 'linear' needs model.linear = 'ease'"
        if self.kind == "vae" and self.loss != "multinomial":
            text = "model.kind = 'vae' is for likes: set model.loss = 'multinomial', or model.kind = 'dae'"
            yield ("model.kind", "model.loss"), text

    @property
    def resolved_output_activation(self) -> str:
        """The output's activation, with the loss's own default."""
        return self.output_activation or ("softmax" if self.loss == "mse" else "linear")


class TrainingConfig(Table):
    """How the model is trained across the workers."""

    strategy: Literal["local_sgd", "elephas"] = _key(
        "local_sgd",
        "local_sgd: sparse batches, Adam's moments kept from round to round, deltas weighted by rows, an outer "
        "optimizer; elephas: elephas.SparkModel as it is, the baseline",
    )
    workers: int = _key(1, "training partitions, each with one core and one thread", "workers", ge=1)
    epochs: int = _key(50, "passes over the training users", "epochs", ge=1)
    batch_size: int = _key(64, "rating arrays a step of one worker", "users", ge=1)
    learning_rate: float = _key(0.001, "step size of Adam", gt=0)
    schedule: Literal["constant", "cosine"] = _key(
        "constant", "local_sgd: of learning_rate. cosine: falls along a cosine, to 0 in the last step of all epochs"
    )
    syncs_per_epoch: int = _key(
        1, "local_sgd: rounds an epoch, after each of which workers go on from one model", "rounds", ge=1
    )
    outer: Literal["mean", "nesterov", "slowmo"] = _key(
        "nesterov",
        "local_sgd: what is done with the workers' mean delta. mean: added, as Elephas does; nesterov: DiLoCo's "
        "momentum; slowmo: plain momentum",
    )
    outer_learning_rate: float | None = _key(
        None, "local_sgd: step size of the outer optimizer; by default by workers", gt=0
    )
    outer_momentum: float | None = _key(
        None, "local_sgd: momentum of the outer optimizer; by default by workers", ge=0, lt=1
    )
    learning_rate_scale: float | None = _key(
        None, "local_sgd: what learning_rate is multiplied by; by default by workers", gt=0
    )
    sampled_items: int = _key(
        0,
        "local_sgd, multinomial: the softmax is summed over the batch's movies and this many others; 0 is exact",
        "movies",
        ge=0,
    )
    checkpoint_seconds: float = _key(
        60.0, "at most this often all that training can go on from is written down, for --resume", "s", ge=0
    )
    patience: int = _key(
        0, "stop after this many epochs without a better validation loss; 0 trains them all", "epochs", ge=0
    )
    keep: Literal["best", "last"] = _key("best", "which epoch's weights are kept; best goes by validation loss")

    def complaints(self) -> Iterator[Complaint]:
        """The impossible combinations."""
        if self.schedule == "cosine" and self.patience:
            text = (
                "training.patience would end a training whose schedule is 'cosine' before its steps are small: drop one"
            )
            yield ("training.patience", "training.schedule"), text
        if self.strategy == "elephas":
            own = {
                "syncs_per_epoch",
                "outer",
                "outer_learning_rate",
                "outer_momentum",
                "learning_rate_scale",
                "sampled_items",
                "schedule",
            }
            for key in sorted(own & self.model_fields_set):
                if getattr(self, key) != type(self).model_fields[key].default:
                    text = (
                        f"training.{key} has no meaning with training.strategy = 'elephas': drop it, or use 'local_sgd'"
                    )
                    yield (f"training.{key}", "training.strategy"), text


class EvaluationConfig(Table):
    """What is measured on the test users or ratings."""

    holdout_fraction: float = _key(
        0.2, "part of a test user's ratings that is held out, the rest being fed to the model", "fraction", gt=0, lt=1
    )
    relevant_from: float | None = _key(
        None, "held-out ratings of at least this much count as hits; by default all of them", "stars"
    )
    recall_at: tuple[int, ...] = _key((20, 50), "lengths of the lists for recall", "movies", min_length=1)
    ndcg_at: int = _key(100, "length of the list for NDCG", "movies", ge=1)

    @field_validator("recall_at")
    @classmethod
    def _lengths_are_positive(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(length < 1 for length in value):
            raise ValueError("every length must be at least 1")
        return value


class RecommendConfig(Table):
    """The sample user of the last phase."""

    user_id: str | int | None = _key(None, "the user to recommend to; by default one of the test users, by seed")
    n: int = _key(10, "how many movies to recommend", "movies", ge=1)


class CostConfig(Table):
    """What the machine's hours cost, in any currency, for comparisons. The defaults are roughly a public cloud's."""

    core_hour: float = _key(0.04, "price of one core for an hour; about what clouds ask for, in dollars", ge=0)
    gb_hour: float = _key(0.005, "price of one gigabyte of memory for an hour; as above", ge=0)


class Config(Table):
    """Every setting of a run."""

    name: str = _key("run", "the run's name, part of its directory's", min_length=1)
    seed: int = _key(1, "seed of the splits, the weights, the batches and the sample user", ge=0, lt=2**32)
    data: DataConfig = _key(DataConfig(dataset="synthetic"), "the ratings")
    model: ModelConfig = _key(ModelConfig(), "the autoencoder")
    training: TrainingConfig = _key(TrainingConfig(), "its training")
    evaluation: EvaluationConfig = _key(EvaluationConfig(), "its evaluation")
    recommend: RecommendConfig = _key(RecommendConfig(), "the sample recommendation")
    cost: CostConfig = _key(CostConfig(), "prices, for what the job compare says of cost")
    spark: dict[str, str | int | float | bool] = _key({}, "any Spark property, as in spark.executor.memory = '2g'")

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
