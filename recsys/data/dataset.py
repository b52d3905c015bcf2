"""The data set that models are trained, evaluated and used on: from files, a catalogue name, or DataFrames."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession

from recsys.columns import MOVIE, RATING, TIMESTAMP, TITLE, USER
from recsys.config import DataConfig
from recsys.config.load import build_data, data_as_tree
from recsys.data.ingest.pipeline import Phase, prepare
from recsys.data.preprocessing import Preprocessing, preprocessing_of
from recsys.data.sources.files import find_sources, find_test_source
from recsys.data.sources.frames import FRAME, source_of_frame
from recsys.data.sources.meaning import own_sources
from recsys.data.sources.source import Source, Sources
from recsys.data.split_file import find_test_entries
from recsys.data.store import FREE_SETTINGS, Stored, load_prepared, save_prepared
from recsys.data.time_cuts import check_times, find_time_split
from recsys.data.time_split import Moments
from recsys.errors import ConfigError
from recsys.session import local_session

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str], None]
"""Called with the name of each phase when it starts."""

_TEST_FILE, _TIME_SPLIT = "test_file", "time_split"
_OF_TIME = ("split", "split_time", "test_fraction", "validation_fraction")
_OF_FILES = (
    "dataset",
    "separator",
    "header",
    "encoding",
    "decimal",
    "layout",
    "columns",
    "data_dir",
    "scale",
    "seed",
    "test_ratings",
)


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Rating arrays in blocks, with their movies, statistics, scale and settings.

    Make one with `from_catalogue`, `from_files` or `from_dataframe`, or load one that was saved. All of them check the
    settings and look at the input before any long work.
    """

    blocks: DataFrame
    """The users' rating arrays: stored blocks (recsys.data.blocks), a row each, persisted."""
    items: pd.DataFrame
    """The movies in the order of their indices: index, movie_id, title, year (null where unknown), popularity (how many
    ratings the movie has)."""
    statistics: dict[str, Any]
    """What statistics.json says: counts, density, quantiles, rejected rows by reason, and of `data.test_ratings`."""
    preprocessing: Preprocessing
    """The scale of the ratings, from which rating on they are likes, and what counts weigh."""
    data: DataConfig
    """The settings that the data set was made with."""
    rejected: DataFrame | None = None
    """Every rejected row (reason, file, row, line); None where there is none, and in a data set that was loaded."""
    test_entries: np.ndarray | None = None
    """The hashes (uint64, ascending) of the ratings that `data.test_ratings` names; None without that setting."""
    moments: Moments | None = None
    """Where `data.split = "time"` cuts the ratings of all users; None with other settings."""

    @property
    def movies(self) -> int:
        """How many movies there are: the length of a user's rating array."""
        return len(self.items)

    @property
    def users(self) -> int:
        """How many users there are."""
        return int(self.statistics["users"])

    def __repr__(self) -> str:
        return f"<Dataset: {self.statistics['ratings']:,} ratings of {self.movies:,} movies by {self.users:,} users>"

    @classmethod
    def from_catalogue(
        cls,
        name: str,
        data_dir: str | Path | None = None,
        *,
        spark: SparkSession | None = None,
        progress: Progress | None = None,
        **data_settings: Any,
    ) -> Dataset:
        """A data set of the catalogue, downloaded on first use, or generated ratings.

        Args:
            name: "synthetic", or a name of docs/data-sets.md, such as "ml-1m", "goodbooks-10k" or "amazon-books".
            data_dir: the folder where the data set is or is to be; by default `data` in the working directory.
            spark: a session; by default the active one, else one on all cores of this machine.
            progress: called with the name of each phase when it starts.
            **data_settings: keys of the table `[data]`, such as year_from, positive_from, split or scale.

        Raises:
            ConfigError: a setting is wrong.
            DataError: the data set cannot be downloaded, or no rating is left.
        """
        folder = str(data_dir or "data")
        if "://" not in folder:
            folder = str(Path(folder).expanduser().absolute())
        data = build_data({"dataset": name, "data_dir": folder, **data_settings})
        return cls.from_config(_session(spark), data, phase=_phases(progress))

    @classmethod
    def from_files(
        cls,
        ratings: str | Path,
        movies: str | Path | None = None,
        *,
        spark: SparkSession | None = None,
        progress: Progress | None = None,
        **data_settings: Any,
    ) -> Dataset:
        """Ratings, and movies, in CSV, TSV, `::` or Parquet files.

        Args:
            ratings: a path or glob that Spark can read.
            movies: the same for the movies; without it there are no titles and no year filter.
            spark: a session; by default the active one, else one on all cores of this machine.
            progress: called with the name of each phase when it starts.
            **data_settings: keys of the table `[data]`, such as separator, columns, rating_max, year_from or split.

        Raises:
            ConfigError: a setting is wrong.
            DataError: a file cannot be read, too many rows are rejected, or no rating is left.
        """
        paths = {"ratings": str(ratings), **({} if movies is None else {"movies": str(movies)})}
        return cls.from_config(_session(spark), build_data({**paths, **data_settings}), phase=_phases(progress))

    @classmethod
    def from_dataframe(
        cls,
        ratings: DataFrame | pd.DataFrame,
        movies: DataFrame | pd.DataFrame | None = None,
        *,
        user: str = "userId",
        movie: str = "movieId",
        rating: str | None = "rating",
        timestamp: str | None = None,
        title: str = "title",
        movie_in_movies: str | None = None,
        progress: Progress | None = None,
        **data_settings: Any,
    ) -> Dataset:
        """Ratings, and movies, in DataFrames of Spark or pandas.

        Rows that cannot be used are rejected by the same rules as those of files. The file of a rejected row is
        "DataFrame", its row a number from 1 in the order of the DataFrame's partitions.

        Args:
            ratings: a row a rating.
            movies: a row a movie; without it there are no titles and no year filter.
            user: the column of user ids, integers or text.
            movie: the column of movie ids, integers or text.
            rating: the column of ratings, or of counts; None: every row is a like.
            timestamp: the column of times (seconds, or dates and times). Of two ratings of a movie by a user the later
                counts, without this column the last row. split = "time" needs it.
            title: the column of titles in `movies`; the release year is read from the end of the title.
            movie_in_movies: the column of movie ids in `movies`, where its name is not that of `movie`.
            progress: called with the name of each phase when it starts.
            **data_settings: keys of the table `[data]`, such as rating_max, id_type, year_from, positive_from or split.

        Raises:
            ConfigError: a setting is wrong.
            DataError: a column is missing or has a type that cannot be used, too many rows are rejected, or no rating
                is left.
        """
        if foreign := [key for key in _OF_FILES if key in data_settings]:
            keys = ", ".join(f"data.{key}" for key in foreign)
            raise ConfigError(f"{keys}: only for files, not for DataFrames: leave out {', '.join(foreign)}")
        names = {"ratings": FRAME, **({} if movies is None else {"movies": FRAME})}
        data = build_data({**names, **data_settings})
        spark = ratings.sparkSession if isinstance(ratings, DataFrame) else _session(None)
        columns = {USER: (user, "user"), MOVIE: (movie, "movie")}
        if rating is not None:
            columns[RATING] = (rating, "rating")
        if timestamp is not None:
            columns[TIMESTAMP] = (timestamp, "timestamp")
        source = source_of_frame(spark, "ratings", ratings, columns)
        movie_source = None
        if movies is not None:
            own = movie_in_movies or movie
            columns = {MOVIE: (own, "movie_in_movies"), TITLE: (title, "title")}
            movie_source = source_of_frame(spark, "movies", movies, columns)
        sources = own_sources(source, movie_source, data)
        return cls.from_config(spark, data, sources=sources, phase=_phases(progress))

    @classmethod
    def from_config(
        cls,
        spark: SparkSession,
        data: DataConfig,
        default_dir: str = "",
        *,
        sources: Sources | None = None,
        phase: Phase | None = None,
        profile: bool = False,
    ) -> Dataset:
        """The data set that the settings describe.

        Args:
            spark: a session.
            data: the settings.
            default_dir: the folder of a catalogue data set where `data.data_dir` names none.
            sources: the input, where the caller has looked at it already; by default `find_sources` finds it.
            phase: called with the name of each of the six data phases; the context that it returns encloses the work.
            profile: whether each phase materialises its result within its own context.

        Raises:
            DataError: as of `from_catalogue` and `from_files`.
        """
        sources = sources or find_sources(spark, data, data.data_dir or "", default_dir)
        test = find_test_source(spark, data, data.data_dir or "", default_dir)
        if data.split == "time":
            check_times(sources.ratings)
        made = prepare(spark, sources, data, phase or _phases(None), profile)
        scale = made.sources.scale
        preprocessing = preprocessing_of(scale.low, scale.high, made.sources.feedback, data)
        made_set = cls(made.blocks, made.items, made.statistics, preprocessing, data, made.rejected)
        return made_set._with_test(test)._with_time_split()

    @classmethod
    def load(
        cls, spark: SparkSession | None, directory: str | Path, *, default_dir: str = "", **data_settings: Any
    ) -> Dataset:
        """A data set that `save` or the job prepare wrote.

        Args:
            spark: a session; None takes the active one, else one on all cores of this machine.
            directory: the folder.
            default_dir: as of `from_config`, for `data.test_ratings`.
            **data_settings: the settings to change, as `with_settings` takes them.

        Raises:
            DataError: the data set is incomplete or was changed.
            UserError: there is no data set in the folder.
            ConfigError: a setting is wrong, or cannot be changed any more.
        """
        stored = load_prepared(_session(spark), directory)
        blank = stored.data.model_copy(update={"test_ratings": None})
        dataset = cls(stored.blocks, stored.items, stored.statistics, stored.preprocessing, blank)
        named = {"test_ratings": stored.data.test_ratings, **data_settings}
        return dataset.with_settings(default_dir=default_dir, **named)

    def save(self, directory: str | Path) -> None:
        """Writes the data set: blocks, movies, statistics, settings and the rejected rows.

        The executors write the blocks: on a cluster `directory` must be a folder that all machines see.
        """
        statistics = {key: value for key, value in self.statistics.items() if key not in (_TEST_FILE, _TIME_SPLIT)}
        save_prepared(
            directory, Stored(self.blocks, self.items, statistics, self.preprocessing, self.data), self.rejected
        )

    def with_settings(self, *, default_dir: str = "", **data_settings: Any) -> Dataset:
        """The same ratings with other settings of what does not change them: how they are split, and the orientation.

        Args:
            default_dir: as of `from_config`, for `data.test_ratings`.
            **data_settings: orientation, split, split_time, split_seed, test_ratings, test_fraction,
                validation_fraction, data_dir or max_rejected (of the rows of test_ratings). split = "time" needs a
                data set that was made with it.

        Raises:
            ConfigError: a setting is wrong, or cannot be changed any more.
            DataError: as of `data.test_ratings`.
        """
        if fixed := sorted(data_settings.keys() - FREE_SETTINGS):
            raise ConfigError(
                f"{', '.join(f'data.{key}' for key in fixed)}: the data set was made with other values: make it again, "
                f"or change only {', '.join(sorted(FREE_SETTINGS))}"
            )
        data = build_data({**data_as_tree(self.data), **data_settings})
        if data.test_ratings is not None and data.test_ratings == self.data.test_ratings:
            return replace(self, data=data)
        spark = self.blocks.sparkSession
        test = find_test_source(spark, data, data.data_dir or "", default_dir)
        return replace(self, data=data)._with_test(test)._with_time_split()

    def split_as(self, data: DataConfig) -> Dataset:
        """The same ratings split by time as in those settings; itself where these do not split by time.

        Raises:
            ConfigError, DataError: as of `with_settings`.
        """
        wanted = {key: getattr(data, key) for key in _OF_TIME}
        if data.split != "time" or wanted == {key: getattr(self.data, key) for key in _OF_TIME}:
            return self
        return self.with_settings(**wanted, test_ratings=None)

    def _with_test(self, source: Source | None) -> Dataset:
        """The same data set with the test ratings of that file; without it there are none."""
        statistics: Mapping[str, Any] = {key: value for key, value in self.statistics.items() if key != _TEST_FILE}
        if source is None:
            return replace(self, statistics=dict(statistics), test_entries=None)
        entries, summary = find_test_entries(source, self.data, self.blocks, self.items, self.preprocessing)
        return replace(self, statistics={**statistics, _TEST_FILE: summary}, test_entries=entries)

    def _with_time_split(self) -> Dataset:
        """The same data set split by time where its settings say so."""
        statistics = {key: value for key, value in self.statistics.items() if key != _TIME_SPLIT}
        if self.data.split != "time":
            return replace(self, statistics=statistics, moments=None)
        moments, summary = find_time_split(self.blocks, self.data)
        return replace(self, statistics={**statistics, _TIME_SPLIT: summary}, moments=moments)


def _session(spark: SparkSession | None) -> SparkSession:
    return spark or SparkSession.getActiveSession() or local_session(os.cpu_count() or 1)


def _phases(progress: Progress | None) -> Phase:
    @contextmanager
    def phase(name: str) -> Iterator[None]:
        if progress is not None:
            progress(name)
        yield

    return phase
