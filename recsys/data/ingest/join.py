"""Ratings joined with the selected movies: a user's in one partition, sorted, each user-movie pair once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType

from recsys.columns import CODE, MOVIE, RATING, TIMESTAMP, USER
from recsys.data.blocks import NO_TIME, ROWS, Block, block_schema, hash_users, mix, stored
from recsys.data.ingest.arrow_chunks import NOT_RATED, OFF, TABLE, Batches, count_not_rated, on_scale, pack, tables_of
from recsys.data.ingest.rows import FILE, POSITION
from recsys.data.scale import Scale

if TYPE_CHECKING:
    from recsys.data.ingest.movies import Movies  # so that executors import little

JOINED, UNKNOWN, OUTSIDE_YEARS = "joined", "unknown_movie", "outside_years"
OUTSIDE_SAMPLE = "outside_sample"
GATHERED, UNIQUE, BELOW_POSITIVE = "gathered", "unique", "below_positive"
LATEST, SUM, MEAN, REJECT = "latest", "sum", "mean", "reject"  # what repeated ratings of a movie by a user become
_LEFT_OUT = (OFF, NOT_RATED, JOINED, UNKNOWN, OUTSIDE_YEARS, OUTSIDE_SAMPLE)
_SAMPLE_SALT = np.uint64(0x73616D706C65)
_SPILLABLE = StorageLevel.MEMORY_AND_DISK
_TARGET = "target"  # of a piece: the key of its partition
_ARRAY_IDS = 1 << 22  # the largest range of ids for which an array gives the codes: 16 MB


@dataclass(frozen=True)
class Gathered:
    """The users of each partition as a persisted block, and counts of the ratings that were left out."""

    blocks: DataFrame
    # OFF, NOT_RATED, JOINED, UNKNOWN, OUTSIDE_YEARS, OUTSIDE_SAMPLE, GATHERED, UNIQUE, BELOW_POSITIVE
    counts: dict[str, int]
    persisted: DataFrame

    def release(self) -> None:
        """Frees the persisted blocks."""
        self.persisted.unpersist()


def gather_users(
    chunks: DataFrame,
    scale: Scale,
    movies: Movies,
    user_type: DataType,
    partitions: int,
    positive_from: float | None,
    duplicates: str = LATEST,
    second: int | None = None,
    users_fraction: float = 1.0,
) -> Gathered:
    """Chunks of ratings as one block for each partition of users, with movie codes for indices.

    Left out are, in this order: ratings off the scale, ratings of movies that are unknown or not selected, all but the
    latest rating of a user-movie pair, and ratings below `positive_from`. So a like that was taken back is no like.
    `duplicates` may instead ask for the sum or the mean of such a pair's ratings, or leave all of them out. `second`
    keeps the time of each rating in the blocks: it says how many units of the timestamps are a second. Of the users
    `users_fraction` are taken, chosen by the hash of their id: those of a smaller fraction are among those of a larger.
    """
    spark = chunks.sparkSession
    known = spark.sparkContext.broadcast((pa.array(movies.ids), movies.selected))
    targets = partition_keys(spark, partitions)
    # ratings are floats: 3.3 as a double is more than 3.3 as a float
    lowest = None if positive_from is None else np.float32(positive_from)
    users = pa.string() if user_type == StringType() else pa.int64()

    def select(batches: Batches) -> Batches:
        ids, selected = known.value
        codes_of = _code_lookup(ids)
        for table in tables_of(batches):
            pieces, left_out = _select(table, codes_of, selected, targets, scale, users_fraction)
            yield _with_counts(pieces, left_out, targets)

    def gather(batches: Batches) -> Batches:
        tables: list[pa.Table] = []
        counts = Counter(dict.fromkeys(_LEFT_OUT, 0))
        for batch in batches:
            tables += tables_of([batch])
            counts.update({name: pc.sum(batch[name]).as_py() for name in _LEFT_OUT})
        if tables or counts:
            # lines of other forms have times where the file has none
            every = pa.concat_tables(tables, promote_options="default") if tables else None
            yield gather_ratings(every, lowest, users, counts, duplicates, second)

    counted = ", ".join(f"{name} bigint" for name in _LEFT_OUT)
    pieces = chunks.select(TABLE).mapInArrow(select, f"{_TARGET} int, {counted}, {TABLE} binary")
    counts = [*_LEFT_OUT, GATHERED, UNIQUE, BELOW_POSITIVE]
    schema = ", ".join(f"{name} bigint" for name in counts) + f", {block_schema(user_type.simpleString())}"
    blocks = pieces.repartition(partitions, _TARGET).mapInArrow(gather, schema).persist(_SPILLABLE)
    sums = blocks.agg(*[F.sum(name) for name in counts]).first()
    totals = {name: int(value or 0) for name, value in zip(counts, sums or [0] * len(counts), strict=True)}
    return Gathered(blocks.where(F.col(ROWS) > 0).drop(*counts), totals, blocks)


def partition_keys(spark: SparkSession, partitions: int) -> np.ndarray:
    """int32 (partitions): for each partition a number that Spark's hash partitioning sends there."""
    keys = np.full(partitions, -1, np.int32)
    start, step = 0, 16 * partitions + 64
    while (keys < 0).any():
        number = F.col("id").cast("int")
        tried = spark.range(start, start + step, numPartitions=1)
        for key, target in tried.select(number, F.pmod(F.hash(number), F.lit(partitions))).collect():
            keys[target] = key
        start += step
    return keys


CodeLookup = Callable[[pa.ChunkedArray], np.ndarray]


def _code_lookup(ids: pa.Array) -> CodeLookup:
    """A function from movie ids to codes (int32, -1 where unknown); `ids` are the known movies, ascending."""
    low, high = (ids[0].as_py(), ids[-1].as_py()) if pa.types.is_integer(ids.type) and len(ids) else (0, _ARRAY_IDS)
    if high - low >= _ARRAY_IDS:

        def look_up(movies: pa.ChunkedArray) -> np.ndarray:
            codes = pc.index_in(movies, value_set=ids.cast(movies.type))
            return codes.fill_null(-1).to_numpy().astype(np.int32)

        return look_up
    # for ids as dense as MovieLens' an array is several times faster than a hash table
    code_of = np.full(high - low + 2, -1, np.int32)
    code_of[ids.to_numpy() - low] = np.arange(len(ids), dtype=np.int32)

    def look_in(movies: pa.ChunkedArray) -> np.ndarray:
        values = movies.to_numpy()
        return code_of[np.where((values >= low) & (values <= high), values - low, high - low + 1)]

    return look_in


def _select(
    table: pa.Table,
    codes_of: CodeLookup,
    selected: np.ndarray,
    targets: np.ndarray,
    scale: Scale,
    users_fraction: float,
) -> tuple[list[tuple[int, bytes]], dict[str, int]]:
    """The ratings of selected movies of a chunk, a piece for each target partition, and counts of those left out.

    The hash of a user gives the target.
    """
    good = on_scale(table, scale)
    not_rated = count_not_rated(table, scale)
    codes = codes_of(good[MOVIE])
    known = codes >= 0
    of_years = known & selected[codes] if len(selected) else known
    wanted = of_years
    if users_fraction < 1:
        wanted = of_years & (_by_user(good[USER], lambda hashes: mix(hashes ^ _SAMPLE_SALT)) < users_fraction * 2.0**64)
    counts = {
        OFF: table.num_rows - good.num_rows - not_rated,
        NOT_RATED: not_rated,
        JOINED: len(codes),
        UNKNOWN: int((~known).sum()),
        OUTSIDE_YEARS: int((known & ~of_years).sum()),
        OUTSIDE_SAMPLE: int((of_years & ~wanted).sum()),
    }
    if not wanted.any():
        return [], counts
    columns = {name: good[name] for name in good.column_names if name != MOVIE}
    chosen = pa.table({**columns, CODE: pa.array(codes)}).filter(pa.array(wanted))
    target = _by_user(chosen[USER], lambda hashes: (hashes % np.uint64(len(targets))).astype(np.int64))
    chosen = chosen.take(pa.array(np.argsort(target.astype(np.min_scalar_type(len(targets))), kind="stable")))
    ends = np.cumsum(np.bincount(target, minlength=len(targets)))
    slices = enumerate(zip(np.append(0, ends[:-1]), ends, strict=True))
    pieces = [(int(targets[n]), pack(chosen.slice(start, end - start))) for n, (start, end) in slices if end > start]
    return pieces, counts


def _with_counts(pieces: list[tuple[int, bytes]], counts: dict[str, int], targets: np.ndarray) -> pa.RecordBatch:
    """Pieces as rows; the first row has the counts and no ratings."""
    rows = [(int(targets[0]), None), *pieces]
    columns = {_TARGET: pa.array([target for target, _ in rows], pa.int32())}
    for name in _LEFT_OUT:
        columns[name] = pa.array([counts[name]] + [0] * len(pieces), pa.int64())
    columns[TABLE] = pa.array([data for _, data in rows], pa.binary())
    return pa.RecordBatch.from_pydict(columns)


def _by_user(users: pa.ChunkedArray, of_hashes: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """For each row what `of_hashes` makes of its user's hash; a text id is hashed only once."""
    if pa.types.is_integer(users.type):
        return of_hashes(hash_users(users.to_numpy()))
    encoded = users.combine_chunks().dictionary_encode()
    hashes = hash_users(encoded.dictionary.to_numpy(zero_copy_only=False))
    return of_hashes(hashes)[encoded.indices.to_numpy()]


def gather_ratings(
    table: pa.Table | None,
    lowest: np.float32 | None,
    user_type: pa.DataType,
    counts: Mapping[str, int],
    duplicates: str = LATEST,
    second: int | None = None,
) -> pa.RecordBatch:
    """All ratings of the users of one partition as one block with movie codes, with counts: those given, the number of
    ratings and of user-movie pairs, and the number of pairs below `lowest`. The block has times with `second` only."""
    if table is None:
        columns = {USER: user_type, CODE: pa.int32(), RATING: pa.float32(), POSITION: pa.int64()}
        table = pa.table({name: pa.array([], kind) for name, kind in columns.items()})
    users, rows, codes, ratings, times = unique_ratings(table, duplicates, second)
    pairs = len(codes)
    if lowest is not None:
        liked = ratings >= lowest
        rows, codes, ratings, times = rows[liked], codes[liked], ratings[liked], None if times is None else times[liked]
    lengths = np.bincount(rows, minlength=len(users))
    left = np.flatnonzero(lengths)
    indptr = np.append(0, np.cumsum(lengths[left])).astype(np.int32)
    ids = users[left]
    block = stored(Block(ids, hash_users(ids), indptr, codes, ratings, times), user_type)
    totals = {**counts, GATHERED: table.num_rows, UNIQUE: pairs, BELOW_POSITIVE: pairs - len(codes)}
    counted = {name: pa.array([value], pa.int64()) for name, value in totals.items()}
    return pa.RecordBatch.from_pydict({**counted, **dict(zip(block.schema.names, block.columns, strict=True))})


def unique_ratings(
    table: pa.Table, duplicates: str = LATEST, second: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """The users of one partition in ascending order, and their ratings sorted by user and movie code: the user's rank
    (int64), the code (int32), the rating (float32) and, with `second` only, the time (int64 seconds, NO_TIME where it
    is missing). Of a pair that occurs twice the latest rating counts, the sum, the mean, or (REJECT) no rating.

    The latest rating has the highest timestamp (a missing one counts as the lowest), then it is the last in the input.
    """
    users, ranks = _ranks(table[USER])
    codes = table[CODE].to_numpy().astype(np.int64)
    keys = ranks * (int(codes.max(initial=0)) + 1) + codes
    order = np.argsort(keys, kind="stable")
    sorted_keys = keys[order]
    last = np.append(sorted_keys[1:] != sorted_keys[:-1], True)[: len(order)]
    if not last.all():
        # time and position matter only where a pair occurs twice
        by = [table[POSITION].to_numpy()]
        if FILE in table.column_names:
            by.append(_ranks(_decoded(table[FILE]))[1])
        by.append(_times(table))
        order = np.lexsort((*by, keys))
    ratings = table[RATING].to_numpy()
    if duplicates != LATEST and not last.all():
        lengths = np.diff(np.flatnonzero(last), prepend=-1)
        ends = order[last]
        if duplicates == REJECT:
            order, ratings = ends[lengths == 1], ratings[ends[lengths == 1]]
        else:
            starts = np.append(0, np.cumsum(lengths)[:-1])
            sums = np.add.reduceat(ratings[order].astype(np.float64), starts)
            order, ratings = ends, (sums / lengths if duplicates == MEAN else sums).astype(np.float32)
    else:
        order = order[last]
        ratings = ratings[order]
    times = _seconds(table, second)[order] if second else None
    return users.to_numpy(zero_copy_only=False), ranks[order], codes[order].astype(np.int32), ratings, times


def _times(table: pa.Table) -> np.ndarray:
    if TIMESTAMP not in table.column_names:
        return np.full(table.num_rows, NO_TIME)
    return table[TIMESTAMP].fill_null(NO_TIME).to_numpy()


def _seconds(table: pa.Table, second: int) -> np.ndarray:
    times = _times(table)
    return times if second == 1 else np.where(times == NO_TIME, NO_TIME, times // second)


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _ranks(column: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """The distinct values in ascending order, and for each row the position of its value among them."""
    encoded = column.combine_chunks().dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return encoded.dictionary.take(pa.array(order)), ranks[encoded.indices.to_numpy(zero_copy_only=False)]
