"""The best movies of every user, written as Parquet by Spark a part of the users at a time.

A part is the users whose hash falls into it, whatever blocks they lie in. Each is written beside the result, and all of
them are moved into place at the end: a call that was stopped goes on with the parts that are missing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix

from recsys.columns import MOVIE, USER, USERS
from recsys.data.blocks import Block, blocks_of_batch, hash_movies, mix
from recsys.data.partition import concatenate
from recsys.data.preprocessing import keep_entries
from recsys.errors import UserError
from recsys.evaluation.batching import MOVIES_A_BLOCK, USERS_A_BATCH, batch_rows
from recsys.evaluation.topk import best_of_blocks, worth_compiling
from recsys.files import Files
from recsys.models.base import Scorer

RANK, SCORE = "rank", "score"
USERS_A_PART = 20_000
_PARTS, _PLAN, _DONE, _MOVED = "_parts", "plan.json", "_SUCCESS", "part-"
_CHECKSUM = "checksum"
_PART_SALT = np.uint64(0x70617274)


@dataclass(frozen=True)
class Ranker:
    """All that a worker needs to recommend: made by the driver, broadcast."""

    scorer: Scorer
    movies: np.ndarray  # ids, in the order of the model's outputs
    index: np.ndarray | None  # int32: the model's index of each movie of the data, -1 without; None: they are the same
    n: int
    compiled: bool = False  # whether the best are selected by a kernel

    def rank(self, block: Block) -> Iterator[pa.RecordBatch]:
        """user, rank (from 1), movie, score: of all users of a block."""
        integers = [ids.dtype.kind in "iu" for ids in (block.users, self.movies)]
        user, movie = (pa.int64() if integer else pa.string() for integer in integers)
        most = USERS_A_BATCH if self.scorer.in_blocks else batch_rows(len(self.movies))
        for rows in np.array_split(np.arange(block.rows), max(1, -(-block.rows // most))):
            part = block.take(rows)
            rated = self._rated(part)
            blocks = self.scorer.score_blocks(rated, MOVIES_A_BLOCK)
            best, scores = best_of_blocks(blocks, rated, min(self.n, len(self.movies)), self.compiled)
            filled = best >= 0
            users, ranks = np.nonzero(filled)
            yield pa.RecordBatch.from_arrays(
                [
                    pa.array(part.users[users], user),
                    pa.array((ranks + 1).astype(np.int32)),
                    pa.array(self.movies[best[filled]], movie),
                    pa.array(scores[filled]),
                ],
                names=[USER, RANK, MOVIE, SCORE],
            )

    def _rated(self, block: Block) -> csr_matrix:
        """Raw ratings (users x movies of the model)."""
        if self.index is None:
            return block.matrix(len(self.movies))
        known = keep_entries(block.matrix(len(self.index)), self.index[block.indices] >= 0)
        indices = self.index[known.indices]
        return csr_matrix((known.data, indices, known.indptr), shape=(block.rows, len(self.movies))).sorted_indices()


def movie_index(model: np.ndarray, data: np.ndarray) -> np.ndarray | None:
    """The model's index of each movie of the data (int32, -1 where the model does not know it), by ids.

    None where both have the same movies in the same order.
    """
    if len(model) == len(data) and (model == data).all():
        return None
    index = {movie: number for number, movie in enumerate(model.tolist())}
    return np.array([index.get(movie, -1) for movie in data.tolist()], np.int32)


def recommend_to_all(
    blocks: DataFrame,
    ranker: Ranker,
    users: int,
    output: str,
    plan: dict[str, Any],
    say: Callable[[str], None],
) -> None:
    """Writes the Parquet files to the folder `output`.

    `plan` is what the result depends on: where a call that was stopped had another one, UserError. Rows are of user,
    rank, movie and score; `say` gets a line for each part as they are finished.
    """
    spark = blocks.sparkSession
    parts = max(1, -(-users // USERS_A_PART))
    files, folder = Files(spark, output), output.rstrip("/")
    _begin(files, folder, {**plan, "users": users, "parts": parts})
    cores = spark.sparkContext.defaultParallelism
    compiled = worth_compiling(users * len(ranker.movies) // max(cores, 1))
    shared = spark.sparkContext.broadcast(replace(ranker, compiled=compiled))
    kind = blocks.schema[USERS].dataType.elementType.simpleString()  # type: ignore[attr-defined]
    movie = "bigint" if ranker.movies.dtype.kind in "iu" else "string"
    schema = f"{USER} {kind}, {RANK} int, {MOVIE} {movie}, {SCORE} float"
    began, done = time.monotonic(), 0
    for part in range(parts):
        if any(name.startswith(_MOVED) for name in files.names(folder)):
            break  # all parts were finished when the first file was moved
        path = f"{folder}/{_PARTS}/{part}"
        if files.exists(f"{path}/{_DONE}"):
            say(f"  part {part + 1}/{parts}: finished before")
            continue
        ranked = blocks.mapInArrow(_of_part(shared, part, parts), schema)
        ranked.write.mode("overwrite").parquet(path)
        if users and not any(name.endswith(".parquet") for name in files.names(path)):
            raise UserError(
                f"--output {output}: the executors wrote to their own disks, not where this machine can see it: name a "
                "place that all machines share, such as hdfs:// or s3a://"
            )
        done += 1
        seconds = time.monotonic() - began
        left = seconds / done * (parts - part - 1)
        say(f"  part {part + 1}/{parts}  {users / parts * done / seconds:,.0f} users/s  {_clock(left)} left")
    shared.destroy()
    _finish(files, folder, parts)


def check_output(spark: SparkSession, output: str) -> None:
    """UserError where the folder holds something that no stopped call has left: to be asked before the data phases."""
    files, folder = Files(spark, output), output.rstrip("/")
    if not _noted(files, f"{folder}/{_PARTS}/{_PLAN}"):
        _refuse_others(files, folder)


def fingerprint(blocks: DataFrame) -> str:
    """What tells these ratings from others, however they are cut into blocks."""

    def fold(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        checksum = np.uint64(0)
        for block in (one for batch in batches for one in blocks_of_batch(batch)):
            rows = np.repeat(block.hashes, np.diff(block.indptr))
            entries = mix(rows ^ mix(hash_movies(block.indices) + block.ratings.view(np.uint32)))
            checksum ^= np.bitwise_xor.reduce(entries, initial=np.uint64(0))
        yield pa.RecordBatch.from_pydict({_CHECKSUM: pa.array([checksum.astype(np.int64).item()])})

    row = blocks.mapInArrow(fold, f"{_CHECKSUM} bigint").agg(F.bit_xor(_CHECKSUM)).first()
    return f"{int(row[0] or 0) & (2**64 - 1):016x}" if row else ""


def _of_part(shared: Any, part: int, parts: int) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def rank(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        waiting: list[Block] = []  # a few users of each block: together they make a batch that is worth its while
        for block in (one for batch in batches for one in blocks_of_batch(batch)):
            mine = block.take(mix(block.hashes ^ _PART_SALT) % np.uint64(parts) == part)
            waiting.append(mine)
            if sum(one.rows for one in waiting) >= USERS_A_BATCH:
                yield from shared.value.rank(concatenate(waiting))
                waiting = []
        if waiting:
            yield from shared.value.rank(concatenate(waiting))

    return rank


def _begin(files: Files, folder: str, plan: dict[str, Any]) -> None:
    """Notes the plan; UserError where the folder holds something else than a stopped call of the same plan."""
    path = f"{folder}/{_PARTS}"
    if noted := _noted(files, f"{path}/{_PLAN}"):
        other = sorted(key for key in {*plan, *noted} if noted.get(key) != plan.get(key))
        if other:
            key = other[0]
            raise UserError(
                f"--output {folder}: a call that was stopped had {key} = {noted.get(key)!r}, this one has "
                f"{plan.get(key)!r}: call it as then, or name another output"
            )
        return
    _refuse_others(files, folder)
    # beside it first: on a full disk a file is left that is cut off
    files.write(f"{path}/.{_PLAN}", json.dumps(plan) + "\n")
    if files.exists(f"{path}/{_PLAN}"):
        files.delete(f"{path}/{_PLAN}")
    files.rename(f"{path}/.{_PLAN}", f"{path}/{_PLAN}")


def _refuse_others(files: Files, folder: str) -> None:
    """UserError where there is something in the folder, which no plan stands beside."""
    if any(name.isdigit() for name in files.names(f"{folder}/{_PARTS}")):
        raise UserError(f"--output {folder}: its parts have no plan: remove it, or name another")
    if names := [name for name in files.names(folder) if name != _PARTS and not name.startswith(".")]:
        raise UserError(f"--output {folder}: is not empty ({names[0]}): name a new folder, or remove this one")


def _noted(files: Files, path: str) -> dict[str, Any]:
    """The plan of a call that was stopped; none where there is none, or a part of one."""
    try:
        plan = json.loads(files.read(path)) if files.exists(path) else {}
    except ValueError:
        plan = {}
    return plan if isinstance(plan, dict) else {}


def _finish(files: Files, folder: str, parts: int) -> None:
    """Moves the parts' files into place, which may be interrupted and done again."""
    for part in range(parts):
        path = f"{folder}/{_PARTS}/{part}"
        for name in files.names(path):
            if name.endswith(".parquet"):
                files.rename(f"{path}/{name}", f"{folder}/{_MOVED}{part:05d}-{name.removeprefix('part-')}")
    files.write(f"{folder}/{_DONE}", "")
    files.delete(f"{folder}/{_PARTS}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
