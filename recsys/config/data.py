"""Which ratings, from which files."""

from __future__ import annotations

import codecs
import difflib
from collections.abc import Iterator
from typing import Literal

from pydantic import field_validator

from recsys.catalogue import CATALOGUE
from recsys.config.table import Complaint, Table, key

DATASETS = ("synthetic", *CATALOGUE)
_SHOWN = (*(name for name in DATASETS if not name.startswith("amazon-")), "amazon-reviews", "amazon-CATEGORY")

ColumnRef = str | int

# settings that are of own files alone: the catalogue knows them of its data sets
OWN_KEYS = (
    "separator",
    "header",
    "encoding",
    "decimal",
    "layout",
    "missing",
    "rating_min",
    "rating_max",
    "columns",
    "id_type",
)
# settings that mean the same for any data, so that new data of a later file keep them
OF_ANY_DATA = (
    "split",
    "split_time",
    "test_fraction",
    "validation_fraction",
    "split_seed",
    "orientation",
    "block_users",
    "max_rejected",
    "data_dir",
)
ABSENT = "none"  # in place of a column: there is none


class ColumnsConfig(Table):
    """Which columns of own files hold what: a name, or a position from 1."""

    user: ColumnRef | None = key(None, "user id in the ratings; default userId, or 1 without a header")
    movie: ColumnRef | None = key(
        None, "movie id in the ratings, and by name also in the movies; default movieId, or 2 without a header"
    )
    rating: ColumnRef | None = key(
        None, "rating; default rating, or 3 without a header; 'none': every row is a like without a rating"
    )
    timestamp: ColumnRef | None = key(
        None,
        "time of the rating, seconds or a date and time, may be absent; default timestamp, or 4 without a header; "
        "'none' leaves it out",
    )
    title: ColumnRef | None = key(None, "title in the movies; default title, or 2 without a header")
    year: ColumnRef | None = key(
        None, "release year in the movies, may be absent; default year; else it is read from the end of the title"
    )
    movie_in_movies: ColumnRef | None = key(
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

    dataset: str | None = key(None, f"a data set of the catalogue: {', '.join(_SHOWN)} (docs/data-sets.md)")
    ratings: str | None = key(None, "own ratings instead: a path or glob that Spark can read (CSV, TSV, ::, Parquet)")
    movies: str | None = key(None, "own movies: a path or glob; without it there are no titles and no year filter")
    separator: str | None = key(None, "own files: the separator; by default read from the first line", min_length=1)
    header: bool | None = key(None, "own files: whether they start with a header; by default read from the first line")
    encoding: str | None = key(
        None, "own files: their encoding by any name that Python knows, such as cp1252; by default UTF-8", min_length=1
    )
    decimal: Literal[".", ","] | None = key(
        None, "own files: what stands before the decimals; by default read from the first rows"
    )
    layout: Literal["long", "wide", "netflix"] | None = key(
        None,
        "own files: a rating a row, a user a row (a matrix), or the Netflix prize's blocks of a movie; by default told "
        "from the first rows",
    )
    missing: tuple[float, ...] = key((), "own files: ratings that say 'not rated', such as [99] or [-1]")
    columns: ColumnsConfig = key(ColumnsConfig(), "own files: which column holds what")
    id_type: Literal["auto", "integer", "string"] = key("auto", "what user and movie ids are; auto looks at the data")
    data_dir: str | None = key(
        None, "where a catalogue data set lies unpacked or is put; by default the run directory's data folder"
    )
    feedback: Literal["auto", "ratings", "likes", "counts"] = key(
        "auto",
        "what a row says: a rating on a scale, a like, or how often (plays); auto: ratings where there is a column of "
        "them, else likes",
    )
    duplicates: Literal["latest", "sum", "mean", "reject"] = key(
        "latest", "rows of the same user and movie: the latest counts, their sum, their mean, or they are rejected"
    )
    weights: Literal["none", "log", "power"] = key(
        "none", "what counts weigh in models and losses that use weights: all alike, 1 + log(count), or a power of it"
    )
    weight_power: float = key(0.5, "the exponent of data.weights = 'power'", gt=0, le=1)
    year_from: int | None = key(None, "first release year, inclusive", "year")
    year_to: int | None = key(None, "last release year, inclusive", "year")
    positive_from: float | None = key(
        None, "keep only ratings of at least this much and take them all for 1: likes instead of ratings", "stars"
    )
    sample_ratings: int = key(
        0,
        "only so many users, chosen by their ids, that about this many of the rows are theirs; 0 is all users",
        "ratings",
        ge=0,
    )
    rating_min: float | None = key(
        None, "own files: lowest rating of the scale; by default told from the data", "stars"
    )
    rating_max: float | None = key(
        None, "own files: highest rating of the scale; by default told from the data", "stars"
    )
    max_rejected: float = key(0.01, "more rejected rows than this end the run", "fraction of rows", ge=0, le=1)
    scale: float = key(0.01, "synthetic: size, 1 is ml-25m's shape", "of ml-25m", gt=0)
    seed: int = key(1, "synthetic: seed of the generated data", ge=0)
    split: Literal["user", "rating", "time"] = key(
        "user",
        "what test and validation are made of: whole users, a fraction of every user's ratings, or the latest ratings",
    )
    split_time: Literal["all", "user"] = key(
        "all", "the latest ratings of data.split = 'time': after one moment for all, or the last of each user"
    )
    test_ratings: str | None = key(
        None,
        "a file, laid out as the ratings, with those of them that are the test (test_fraction then says nothing): a "
        "path or glob, or with a catalogue data set a name in its folder, such as ml-100k's u1.test",
    )
    test_fraction: float = key(0.2, "users (or ratings) kept for the test", "fraction", gt=0, lt=1)
    validation_fraction: float = key(
        0.1,
        "users (or ratings), of those not kept for the test, kept for validation; 0 trains on them too, all epochs",
        "fraction",
        ge=0,
        lt=1,
    )
    split_seed: int | None = key(
        None, "seed of the split, so that seed alone can vary; by default it is seed", ge=0, lt=2**32
    )
    orientation: Literal["user", "movie"] = key(
        "user",
        "what has a rating array: each user, over all movies; or each movie, over all users, which predicts ratings "
        "better (needs data.split = 'rating', or 'time' with split_time = 'user', and model.loss = 'masked_mse')",
    )
    block_users: int = key(512, "users (or movies) whose rating arrays are stored as one block", "users", ge=1)

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
        if self.dataset and not self.ratings and (given := sorted(set(OWN_KEYS) & self.model_fields_set)):
            keys = ", ".join(f"data.{key}" for key in given)
            text = f"{keys}: only for own files (data.ratings); the catalogue knows {self.dataset}'s layout"
            yield source, text
        columns = [(name, getattr(self.columns, name)) for name in ("user", "movie", "rating", "timestamp")]
        for number, (name, column) in enumerate(columns):
            for other, same in columns[number + 1 :]:
                if column is not None and column == same and column != ABSENT:
                    both = (f"data.columns.{name}", f"data.columns.{other}")
                    yield both, f"{both[0]} and {both[1]} are both {column!r}: name two columns"
        years = ("data.year_from", "data.year_to")
        if self.year_from is not None and self.year_to is not None and self.year_from > self.year_to:
            yield years, f"data.year_from = {self.year_from} is after data.year_to = {self.year_to}: swap them"
        if self.ratings and not self.movies and (self.year_from is not None or self.year_to is not None):
            text = "a year filter needs data.movies: the release year is read from the titles"
            yield (*source, "data.movies"), text
        if self.test_ratings is not None and self.split != "rating":
            text = "data.test_ratings names single ratings for the test: set data.split = 'rating'"
            yield ("data.test_ratings", "data.split"), text
        if self.test_ratings is not None and self.dataset == "synthetic" and not self.ratings:
            text = "data.test_ratings goes with a data set of files; generated data has none: set data.test_fraction"
            yield (*source, "data.test_ratings"), text
        if self.test_ratings is not None and self.sample_ratings:
            text = (
                "data.test_ratings names ratings of all users, data.sample_ratings leaves users out: drop one of them"
            )
            yield ("data.test_ratings", "data.sample_ratings"), text
        low, high = self.rating_min, self.highest_rating
        if low is not None and high is not None and low >= high:
            keys_of_scale = ("data.rating_min", "data.rating_max")
            yield keys_of_scale, f"data.rating_min = {low:g} must be less than data.rating_max = {high:g}"
        if self.positive_from is not None and high is not None and self.positive_from > high:
            text = f"data.positive_from = {self.positive_from:g} is above the highest rating, {high:g}: nothing is left"
            yield ("data.positive_from", "data.rating_max"), text
        if self.split == "time" and self.ratings and self.columns.timestamp == ABSENT:
            text = "data.split = 'time' needs the times of the ratings: name their column in data.columns.timestamp"
            yield ("data.split", "data.columns"), text
        if self.split == "time" and self.layout == "wide":
            text = "data.layout = 'wide' has no times, which data.split = 'time' needs: set data.split = 'rating'"
            yield ("data.split", "data.layout"), text
        if self.orientation == "movie" and self.split == "user":
            text = "data.orientation = 'movie' has every user in its arrays, none is unseen: set data.split = 'rating'"
            yield ("data.orientation", "data.split"), text
        if self.orientation == "movie" and self.split == "time" and self.split_time == "all":
            text = (
                "data.orientation = 'movie' cannot score users whom training has not seen, as there are after one "
                "moment for all: set data.split_time = 'user'"
            )
            yield ("data.orientation", "data.split", "data.split_time"), text
        if self.orientation == "movie" and self.positive_from is not None:
            text = (
                "data.orientation = 'movie' predicts ratings, data.positive_from leaves likes alone: drop one of them"
            )
            yield ("data.orientation", "data.positive_from"), text

    @field_validator("dataset")
    @classmethod
    def _catalogue_has_it(cls, value: str | None) -> str | None:
        if value is not None and value not in DATASETS:
            near = difflib.get_close_matches(value.lower(), DATASETS, n=1, cutoff=0.6)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"expected {', '.join(_SHOWN)} (docs/data-sets.md lists them){hint}")
        return value

    @field_validator("encoding")
    @classmethod
    def _python_knows_it(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                codecs.lookup(value)
            except LookupError:
                raise ValueError(
                    "no such encoding: name one that Python knows, such as utf-8, latin-1, cp1252 or utf-16"
                ) from None
        return value

    @property
    def highest_rating(self) -> float | None:
        """The upper end of the rating scale, where it is known before the data are read."""
        if self.rating_max is not None or self.ratings:
            return self.rating_max
        entry = CATALOGUE.get(self.dataset or "")
        return entry.rating_max if entry else 5.0  # of generated data
