"""Ratings and movies in files: of the catalogue, generated or own ones. All is checked before any long work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DoubleType,
    FloatType,
    MapType,
    NumericType,
    StringType,
    StructType,
)

from recsys.catalogue import CATALOGUE, FileLayout, Release
from recsys.columns import MOVIE, RATING, TIMESTAMP, TITLE, USER
from recsys.config import DataConfig
from recsys.data.scale import COUNT_MAX, COUNT_MIN, Scale
from recsys.data.sources.columns import MOVIES_ORDER, RATINGS_ORDER, columns_by_name
from recsys.data.sources.download import fetch, find
from recsys.data.sources.layout import HEAD_BYTES, Hints
from recsys.data.sources.local import head_of, is_document, literal_path
from recsys.data.sources.meaning import known_sources, own_sources
from recsys.data.sources.source import Look, Size, Source, Sources, look_at
from recsys.data.sources.synthetic.generator import find_generated, generate
from recsys.data.sources.text_source import catalogue_hints, own_hints, text_source
from recsys.errors import DataError
from recsys.files import readable_path

FILES_CHECKED = 200
_SAMPLE_ROWS = 2000
_NO_VALUES = (ArrayType, MapType, StructType)
_NUMBERS = (NumericType, StringType, BooleanType)
_NANOSECONDS = "spark.sql.legacy.parquet.nanosAsLong"


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
        ratings = source_at(spark, data.ratings, own_hints(data, RATINGS_ORDER))
        movies = source_at(spark, data.movies, own_hints(data, MOVIES_ORDER)) if data.movies else None
        return own_sources(ratings, movies, data)
    if data.dataset == "synthetic":
        path = f"{data_dir or default_dir}/synthetic-scale{data.scale:g}-seed{data.seed}"
        facts = find_generated(spark, path, scale=data.scale, seed=data.seed)
        if facts is None and make:
            facts = generate(spark, path, scale=data.scale, seed=data.seed)
        hints = [Hints(order, {}, ",", True, "UTF-8", True) for order in (RATINGS_ORDER, MOVIES_ORDER)]
        ratings = source_at(spark, f"{path}/ratings.csv", hints[0])
        movies = source_at(spark, f"{path}/movies.csv", hints[1])
        size = Size(facts.ratings, facts.users, facts.rated_movies) if facts else None
        sources = known_sources(ratings, movies, Scale(0.5, 5.0, 0.5), "ratings", data)
        return replace(sources, best_rmse=facts.best_rmse if facts else None, size=size)
    entry = CATALOGUE[str(data.dataset)]
    folder = fetch(entry, data_dir or default_dir) if make else find(entry, data_dir or default_dir)
    if folder is None:
        raise DataError(f"{data.dataset} is not in {data_dir or default_dir}")
    folder = folder.resolve()
    ratings = _catalogue_source(spark, entry, entry.ratings, folder, RATINGS_ORDER)
    movies = _catalogue_source(spark, entry, entry.movies, folder, MOVIES_ORDER) if entry.movies else None
    scale = Scale(COUNT_MIN, COUNT_MAX, None, entry.missing)
    if entry.rating_min is not None and entry.rating_max is not None:
        scale = Scale(entry.rating_min, entry.rating_max, entry.rating_step, entry.missing)
    counts = [count for count in (entry.ratings_count, entry.users_count, entry.movies_count) if count is not None]
    sources = known_sources(ratings, movies, scale, entry.feedback, data)
    return replace(sources, size=Size(*counts) if len(counts) == len(Size._fields) else None)


def find_test_source(spark: SparkSession, data: DataConfig, data_dir: str, default_dir: str) -> Source | None:
    """The file of `data.test_ratings`, with the layout of the ratings; None where the settings name none.

    Of a catalogue data set it is a file in the data set's folder, which `find_sources` has made.
    """
    if data.test_ratings is None:
        return None
    if data.ratings:
        return source_at(spark, data.test_ratings, own_hints(data, RATINGS_ORDER))
    entry = CATALOGUE[str(data.dataset)]
    folder = find(entry, data_dir or default_dir)
    if folder is None:
        raise DataError(f"{data.dataset} is not in {data_dir or default_dir}, where data.test_ratings should be")
    return _catalogue_source(spark, entry, entry.ratings, folder.resolve(), RATINGS_ORDER, data.test_ratings)


def _catalogue_source(
    spark: SparkSession, entry: Release, layout: FileLayout, folder: Path, order: tuple[str, ...], file: str = ""
) -> Source:
    """The source of a data set's ratings or movies in `folder`: the files of its layout, or `file` laid out alike."""
    path = file or layout.path_in(folder) or layout.path
    source = source_at(spark, f"{folder}/{path}", catalogue_hints(layout, order))
    if entry.integer_ids is None:
        return source
    ids = dict.fromkeys(source.integer_ids, entry.integer_ids)
    return replace(source, look=replace(source.look, integer_ids=ids))


def source_at(spark: SparkSession, path: str, hints: Hints) -> Source:
    """The source at `path` (a file, a folder or a glob) with its layout; DataError where it cannot be read."""
    pattern = literal_path(path)
    every = _files(spark, path, pattern)
    documents = [file for file in every if is_document(readable_path(file))] if len(every) > 1 else []
    files = [file for file in every if file not in documents] or every
    heads = {file: _head(spark, file) for file in files[:FILES_CHECKED]}
    fewer = len(files) < len(every)
    read_from = tuple(literal_path(readable_path(file)) for file in files) if fewer else (pattern,)
    if next(iter(heads.values())).startswith(b"PAR1"):
        source = _parquet_source(spark, path, read_from, len(files), hints)
    else:
        source = text_source(path, heads, files, hints)
    if fewer:
        left_out = [readable_path(file) for file in documents]
        note = f"{', '.join(left_out[:3])}{' ...' if len(left_out) > 3 else ''}: not read as ratings or movies"
        source = replace(source, look=replace(source.look, notes=(*source.look.notes, note)))
    return replace(source, read_from=read_from) if read_from != (path,) else source


def _parquet_source(spark: SparkSession, path: str, read_from: Sequence[str], files: int, hints: Hints) -> Source:
    try:
        frame = _read_parquet(spark, read_from)
    except (PySparkException, Py4JJavaError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {_cause(error)}") from None
    schema = frame.schema
    for name, reference in hints.columns.items():
        if isinstance(reference, int):
            raise DataError(f"{path}: data.columns.{name} = {reference}: Parquet has names: use one of {schema.names}")
    positions = columns_by_name(schema.names, hints.order, hints.columns, path, text=False)
    columns = {name: schema.names[position] for name, position in positions.items()}
    for name, column in columns.items():
        kind = schema[column].dataType
        if isinstance(kind, _NO_VALUES) or (name == RATING and not isinstance(kind, _NUMBERS)):
            raise DataError(
                f"{path}: the column {column!r} is of type {kind.simpleString()}, which is no {name}: name another in "
                f"data.columns.{name}"
            )
    look = look_at_frame(frame, columns, path, TIMESTAMP in hints.columns)
    source = Source(path, files, 0, None, columns, look)
    return source.without(TIMESTAMP) if look.times is None else source


def _read_parquet(spark: SparkSession, read_from: Sequence[str]) -> DataFrame:
    try:
        return spark.read.parquet(*read_from)
    except AnalysisException as error:
        if "NANOS" not in str(error):
            raise
        spark.conf.set(_NANOSECONDS, "true")  # as pandas writes times; they are integers then
        return spark.read.parquet(*read_from)


def look_at_frame(frame: DataFrame, columns: Mapping[str, str], file: str, explicit: bool) -> Look:
    """What the first rows of a DataFrame say; `columns` are our names and the frame's."""
    names = [name for name in columns if name != TITLE]
    chosen = frame.select(*[F.col(f"`{columns[name]}`").cast("string").alias(name) for name in names])
    try:
        collected = chosen.limit(_SAMPLE_ROWS).collect()
    except (PySparkException, Py4JJavaError) as error:
        raise DataError(f"{file}: cannot be read: {_cause(error)}") from None
    rows = [{name: row[name].strip() for name in names if row[name] is not None} for row in collected]
    look = look_at(rows, names, file, ".", explicit)
    types = {name: frame.schema[columns[name]].dataType for name in names}
    # numbers with fractions are ids where they are whole: a DataFrame with gaps makes integers such
    floats = {name: True for name in (USER, MOVIE) if isinstance(types.get(name), FloatType | DoubleType)}
    return replace(look, integer_ids={**look.integer_ids, **floats})


def _files(spark: SparkSession, path: str, pattern: str) -> list[str]:
    try:
        frame: DataFrame = spark.read.text(pattern)
        files = sorted(frame.inputFiles())
    except (PySparkException, Py4JJavaError) as error:
        if isinstance(error, AnalysisException) and "PATH_NOT_FOUND" in str(error):
            glob = " (as a glob: [ ], { }, * and ? have a meaning)" if any(sign in path for sign in "[]{}*?") else ""
            raise DataError(f"{path}: no such file{glob}") from None
        raise DataError(f"{path}: cannot be read: {_cause(error)}") from None
    if not files:
        raise DataError(f"{path}: holds no file")
    return files


def _head(spark: SparkSession, file: str) -> bytes:
    """The first bytes of a file on any file system that Spark can read, uncompressed where its name ends so."""
    if file.startswith("file:/"):
        return head_of(readable_path(file))
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
