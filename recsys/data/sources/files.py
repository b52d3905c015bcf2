"""Ratings and movies in files: of the catalogue, generated or own ones. All is checked before any long work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession

from recsys.catalogue import CATALOGUE, FileLayout, Release
from recsys.columns import MOVIE, RATING, TIMESTAMP, TITLE, USER
from recsys.config import DataConfig
from recsys.data.sources.download import fetch, find
from recsys.data.sources.layout import (
    DEFAULT_NAMES,
    HEAD_BYTES,
    MOVIES_ORDER,
    OPTIONAL,
    RATINGS_ORDER,
    Hints,
    TextLayout,
    are_integers,
    detect_layout,
    sample_fields,
)
from recsys.data.sources.synthetic.generator import find_generated, generate
from recsys.errors import DataError
from recsys.files import readable_path

_FILES_CHECKED = 200


@dataclass(frozen=True)
class Source:
    """Rows of one kind, ratings or movies, and how they are read."""

    path: str  # of a DataFrame its name in messages
    files: int  # how many files the path names
    headers: int  # how many of them start with the header
    layout: TextLayout | None  # None for Parquet and DataFrames
    columns: Mapping[str, str]  # Parquet and DataFrames: our column name -> theirs
    integer_ids: Mapping[str, bool]  # user and movie: whether its ids look like integers
    names: tuple[str, ...] = ()  # the files in order, as Spark names them
    frame: DataFrame | None = field(default=None, compare=False, repr=False)  # the rows where they are in no file


class Size(NamedTuple):
    """How large a data set is, where that is known beforehand."""

    ratings: int
    users: int
    movies: int  # with or without ratings


@dataclass(frozen=True)
class Sources:
    """The ratings, the movies where there are any, and the scale of the ratings."""

    ratings: Source
    movies: Source | None
    rating_min: float
    rating_max: float
    rating_step: float | None  # None: any value between the two
    best_rmse: float | None = None  # generated data: the lowest RMSE that any model can reach
    size: Size | None = None  # of catalogue and generated data

    def integer_ids(self, name: str, id_type: str) -> bool:
        """Whether ids of `name` (user or movie) are read as integers."""
        if id_type != "auto":
            return id_type == "integer"
        both = [self.ratings, self.movies] if name == MOVIE and self.movies else [self.ratings]
        return all(source.integer_ids[name] for source in both)


def find_sources(spark: SparkSession, data: DataConfig, data_dir: str, default_dir: str, make: bool = True) -> Sources:
    """The ratings and movies that the settings name, downloaded or generated where they do not exist yet.

    Args:
        spark: a session.
        data: the settings.
        data_dir: the folder of a catalogue data set, where it is or is to be.
        default_dir: the folder to use where `data_dir` is empty.
        make: whether to download or generate. Without it DataError is raised where the data do not exist.
    """
    if data.ratings:
        ratings = source_at(spark, data.ratings, _own_hints(data, RATINGS_ORDER))
        movies = source_at(spark, data.movies, _own_hints(data, MOVIES_ORDER)) if data.movies else None
        return Sources(ratings, movies, data.rating_min or 0.5, data.rating_max or 5.0, None)
    if data.dataset == "synthetic":
        path = f"{data_dir or default_dir}/synthetic-scale{data.scale:g}-seed{data.seed}"
        facts = find_generated(spark, path, scale=data.scale, seed=data.seed)
        if facts is None and make:
            facts = generate(spark, path, scale=data.scale, seed=data.seed)
        hints = [Hints(order, {}, ",", True, "UTF-8", True) for order in (RATINGS_ORDER, MOVIES_ORDER)]
        ratings = source_at(spark, f"{path}/ratings.csv", hints[0])
        movies = source_at(spark, f"{path}/movies.csv", hints[1])
        known = (facts.best_rmse, Size(facts.ratings, facts.users, facts.rated_movies)) if facts else ()
        return Sources(ratings, movies, 0.5, 5.0, 0.5, *known)
    entry = CATALOGUE[str(data.dataset)]
    folder = fetch(entry, data_dir or default_dir) if make else find(entry, data_dir or default_dir)
    if folder is None:
        raise DataError(f"{data.dataset} is not in {data_dir or default_dir}")
    folder = folder.resolve()
    if entry.rating_min is None or entry.rating_max is None or entry.missing:
        raise DataError(f"{folder}: {entry.name} has counts, or codes for 'not rated', which are not read yet")
    counts = [entry.ratings_count, entry.users_count, entry.movies_count]
    sizes = [count for count in counts if count is not None]
    return Sources(
        _catalogue_source(spark, entry, entry.ratings, folder, RATINGS_ORDER),
        _catalogue_source(spark, entry, entry.movies, folder, MOVIES_ORDER) if entry.movies else None,
        entry.rating_min,
        entry.rating_max,
        entry.rating_step,
        size=Size(*sizes) if len(sizes) == len(counts) else None,
    )


def find_test_source(spark: SparkSession, data: DataConfig, data_dir: str, default_dir: str) -> Source | None:
    """The file of `data.test_ratings`, with the layout of the ratings; None where the settings name none.

    Of a catalogue data set it is a file in the data set's folder, which `find_sources` has made.
    """
    if data.test_ratings is None:
        return None
    if data.ratings:
        return source_at(spark, data.test_ratings, _own_hints(data, RATINGS_ORDER))
    entry = CATALOGUE[str(data.dataset)]
    folder = find(entry, data_dir or default_dir)
    if folder is None:
        raise DataError(f"{data.dataset} is not in {data_dir or default_dir}, where data.test_ratings should be")
    return _catalogue_source(spark, entry, entry.ratings, folder.resolve(), RATINGS_ORDER, data.test_ratings)


def source_at(spark: SparkSession, path: str, hints: Hints) -> Source:
    """The source at `path` (a file, a folder or a glob) with its layout; DataError where it cannot be read."""
    files = _files(spark, path)
    heads = {file: _head(spark, file) for file in files[:_FILES_CHECKED]}
    if next(iter(heads.values())).startswith(b"PAR1"):
        return _parquet_source(spark, path, len(files), hints)
    filled = {file: head for file, head in heads.items() if head.strip()}
    if not filled:
        raise DataError(f"{path}: is empty: expected rows of {', '.join(hints.order)}")
    layouts = {file: detect_layout(head, hints, readable_path(file)) for file, head in filled.items()}
    (first, layout), *others = layouts.items()
    for file, other in others:
        if (other.positions, other.separator) != (layout.positions, layout.separator):
            raise DataError(
                f"{readable_path(file)}: its layout is not that of {readable_path(first)}: "
                "give one file, or files with the same columns"
            )
    with_header = [layout for layout in layouts.values() if layout.header is not None]
    headers = {layout.header for layout in with_header}
    if len(headers) > 1:
        raise DataError(f"{path}: its files have different headers: {' / '.join(sorted(map(str, headers)))[:200]}")
    ids = {
        name: are_integers([value for file in filled for value in sample_fields(filled[file], layouts[file], name)])
        for name in (USER, MOVIE)
        if name in layout.positions
    }
    # files that were not read are assumed to be as the others
    unseen = len(files) - len(heads) if len(with_header) == len(filled) else 0
    return Source(
        path, len(files), len(with_header) + unseen, with_header[0] if with_header else layout, {}, ids, tuple(files)
    )


def _parquet_source(spark: SparkSession, path: str, files: int, hints: Hints) -> Source:
    try:
        schema = spark.read.parquet(path).schema
    except (PySparkException, Py4JJavaError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {_cause(error)}") from None
    names = {field.name.lower(): field.name for field in schema}
    columns = {}
    for name in hints.order:
        reference = hints.columns.get(name, DEFAULT_NAMES[name])
        if isinstance(reference, int):
            raise DataError(f"{path}: data.columns.{name} = {reference}: Parquet has names: use one of {schema.names}")
        if reference.lower() in names:
            columns[name] = names[reference.lower()]
        elif name not in OPTIONAL or name in hints.columns:
            raise DataError(
                f"{path}: no column {reference!r} (there are {', '.join(schema.names)}): name it in data.columns.{name}"
            )
    ids = {
        name: schema[columns[name]].dataType.typeName() not in ("string", "binary")
        for name in (USER, MOVIE)
        if name in columns
    }
    for name in [name for name, is_number in ids.items() if not is_number]:
        rows = spark.read.parquet(path).select(columns[name]).limit(1000).collect()
        ids[name] = are_integers([str(row[0]) for row in rows if row[0] is not None])
    return Source(path, files, 0, None, columns, ids)


def _files(spark: SparkSession, path: str) -> list[str]:
    try:
        frame: DataFrame = spark.read.text(path)
        files = sorted(frame.inputFiles())
    except (PySparkException, Py4JJavaError) as error:
        if isinstance(error, AnalysisException) and "PATH_NOT_FOUND" in str(error):
            raise DataError(f"{path}: no such file") from None
        raise DataError(f"{path}: cannot be read: {_cause(error)}") from None
    if not files:
        raise DataError(f"{path}: holds no file")
    return files


def _head(spark: SparkSession, file: str) -> bytes:
    """The first bytes of a file on any file system that Spark can read, uncompressed where its name ends so."""
    jvm, configuration = spark._jvm, spark._jsc.hadoopConfiguration()
    try:
        path = jvm.org.apache.hadoop.fs.Path(jvm.java.net.URI(file))  # type: ignore[union-attr]
        stream = path.getFileSystem(configuration).open(path)
        try:
            codec = jvm.org.apache.hadoop.io.compress.CompressionCodecFactory(configuration).getCodec(path)  # type: ignore[union-attr]
            source = codec.createInputStream(stream) if codec is not None else stream
            return bytes(source.readNBytes(HEAD_BYTES))
        finally:
            stream.close()
    except Exception as error:
        raise DataError(f"{readable_path(file)}: cannot be read: {_cause(error)}") from None


def _cause(error: Exception) -> str:
    """What went wrong in one line."""
    lines = str(getattr(error, "java_exception", error)).splitlines()
    return lines[0] if lines else type(error).__name__


def _own_hints(data: DataConfig, order: tuple[str, ...]) -> Hints:
    given = data.columns
    columns = {
        name: value
        for name in order
        if name in (USER, MOVIE, RATING, TIMESTAMP, TITLE) and (value := getattr(given, name)) is not None
    }
    if order is MOVIES_ORDER:
        if isinstance(columns.get(MOVIE), int):
            del columns[MOVIE]  # a position in the ratings is not one in the movies
        if given.movie_in_movies is not None:
            columns[MOVIE] = given.movie_in_movies
    return Hints(order, columns, data.separator, data.header, data.encoding)


def _catalogue_source(
    spark: SparkSession, entry: Release, layout: FileLayout, folder: Path, order: tuple[str, ...], file: str = ""
) -> Source:
    """The source of a data set's ratings or movies in `folder`: the files of its layout, or `file` laid out alike."""
    if layout.layout != "long" or layout.rest_of_line:
        raise DataError(f"{folder}: {entry.name} has the layout {layout.layout!r}, which is not read yet")
    path = file or layout.path_in(folder) or layout.path
    # what the layout does not name is not in the file, whatever stands at the place that it has in MovieLens' files
    known = tuple(name for name in order if name in layout.columns)
    hints = Hints(known, dict(layout.columns), layout.separator, layout.header, layout.encoding, layout.quoted)
    source = source_at(spark, str(folder / path), hints)
    if entry.integer_ids is None:
        return source
    return replace(source, integer_ids=dict.fromkeys(source.integer_ids, entry.integer_ids))
