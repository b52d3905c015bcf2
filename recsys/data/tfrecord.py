"""The ratings of a data set as TFRecord files of tf.train.Example, for training with TensorFlow alone.

Each rating is one record with the features `user` (int64), `item` (int64) and `rating` (float). Users are numbered from
0 on in the order of their ids, items in the order of the data set's movie indices.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv
from pyspark import TaskContext

from recsys.columns import MOVIE_ID, TITLE
from recsys.config import Config
from recsys.data.blocks import Block, blocks_of_batch
from recsys.data.dataset import Dataset
from recsys.data.examples import Examples
from recsys.data.orientation import columns_of_users, entries
from recsys.data.split import TEST
from recsys.data.store import local_folder
from recsys.errors import ConfigError, DataError, UserError
from recsys.workers import preloading

FEATURES = {"user": "int64", "item": "int64", "rating": "float32"}
"""The features of a record, one value each, and their types as TensorFlow names them."""

SPLITS = ("train", "test")
_TEST_FRACTION = 0.2  # of ratings, where the settings split users
_ATTEMPTS, _WHOLE = "attempts", "whole"  # in the folder of what is not finished
_ALL_SEE = "write to a folder that all machines see (--output)"
_RESULT = "partition int, attempt bigint, train bigint, test bigint, train_sum double"
_RESULT_TYPES = [pa.int32(), pa.int64(), pa.int64(), pa.int64(), pa.float64()]


@dataclass(frozen=True)
class ShardCounts:
    """What a partition's files hold."""

    ratings: Mapping[str, int]  # by split
    train_sum: float  # of the training ratings


def split_by_rating(config: Config, given: frozenset[str] = frozenset()) -> Config:
    """The settings with ratings split, as TFRecord files need it, where they split users.

    The test is then a fifth of the ratings, or `data.test_fraction` where that is among `given`, the keys of the data
    table that the user set. Settings that split ratings, by chance, by a file or by time, stay as they are.
    """
    if config.data.split != "user":
        return config
    fraction = config.data.test_fraction if "test_fraction" in given else _TEST_FRACTION
    changed = {"split": "rating", "test_fraction": fraction}
    return config.model_copy(update={"data": config.data.model_copy(update=changed)})


def save_tfrecords(dataset: Dataset, directory: str | Path, examples: Examples) -> dict[str, Any]:
    """Writes train-00000-of-N.tfrecord, test-00000-of-N.tfrecord ..., users.csv, items.csv and schema.json.

    N is the number of the blocks' partitions. A shard without ratings is an empty file. What `examples` has for
    validation is for training here. `directory` appears when all is written. Until then the files are in
    `directory.unfinished`, where each attempt at a task has files of its own. The executors write them: where they run
    on other machines, all machines must see `directory`.

    Args:
        dataset: the ratings.
        directory: the folder to make.
        examples: how the ratings are split (`recsys.arranged.examples_of`).

    Returns:
        What schema.json says.

    Raises:
        ConfigError: `examples` splits users.
        UserError: the folder is there already, or is no path of this machine.
        DataError: the executors do not see the folder.
    """
    if not examples.by_rating:
        raise ConfigError("data.split = 'user' splits users, TFRecord files need ratings split: set it to 'rating'")
    folder = local_folder(directory).absolute()  # executors may have another working directory
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    for path in (folder, unfinished):
        if path.exists():
            raise UserError(f"{path}: is there already: name a new directory, or remove this one")
    (unfinished / _ATTEMPTS).mkdir(parents=True)
    (unfinished / _WHOLE).mkdir()
    try:
        users, _ = columns_of_users(dataset.blocks)
        rows = _write_attempts(dataset, users, examples, unfinished / _ATTEMPTS)
        publish(rows, unfinished / _ATTEMPTS, unfinished / _WHOLE)
        _write_ids(unfinished / _WHOLE, users, dataset.items)
        schema = _schema(dataset, examples, rows)
        (unfinished / _WHOLE / "schema.json").write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
        (unfinished / _WHOLE).rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return schema


def write_shard(
    blocks: Iterable[Block], users: np.ndarray, examples: Examples, paths: Mapping[str, Path]
) -> ShardCounts:
    """Writes the ratings of the blocks, in their order, to a file for each split.

    Args:
        blocks: blocks of users.
        users: the user ids of the whole data set, ascending.
        examples: how the ratings are split.
        paths: the file of each of SPLITS; over one that is there.

    Raises:
        DataError: the folder of a file is not on this machine.
    """
    from recsys.tensorflow_env import quiet_keras  # late: most users of this package need no TensorFlow

    for path in paths.values():
        if not path.parent.is_dir():
            raise DataError(f"{path.parent}: an executor does not see it: {_ALL_SEE}")
    quiet_keras()
    import tensorflow as tf

    ratings, train_sum = dict.fromkeys(SPLITS, 0), 0.0
    with ExitStack() as stack:
        writers = {split: stack.enter_context(tf.io.TFRecordWriter(str(paths[split]))) for split in SPLITS}
        for block in blocks:
            items, numbers, values = entries(block, users)
            test = examples.parts(block) == TEST
            train_sum += float(values[~test].sum(dtype=np.float64))
            for split, mask in zip(SPLITS, (~test, test), strict=True):
                write = writers[split].write
                for record in records(numbers[mask], items[mask], values[mask]):
                    write(record)
                ratings[split] += int(mask.sum())
    return ShardCounts(ratings, train_sum)


def records(users: np.ndarray, items: np.ndarray, ratings: np.ndarray) -> Iterator[bytes]:
    """A serialized tf.train.Example for each rating; the same values give the same bytes."""
    import tensorflow as tf

    # one message whose values are set anew for each record: ten times as fast as a message each
    example = tf.train.Example()
    feature = example.features.feature
    user, item = (feature[name].int64_list.value for name in ("user", "item"))
    rating = feature["rating"].float_list.value
    for values in (user, item, rating):
        values.append(0)
    for user[0], item[0], rating[0] in zip(users.tolist(), items.tolist(), ratings.tolist(), strict=True):
        yield example.SerializeToString(deterministic=True)


def attempt_name(split: str, partition: int, attempt: int) -> str:
    """The file of one attempt at the task of a partition."""
    return f"{split}-{partition}-{attempt}"


def publish(rows: Sequence[Any], attempts: Path, whole: Path) -> None:
    """Moves the files of the attempts that count to their names in `whole`, and leaves those of others.

    Args:
        rows: `partition` and `attempt` of each shard, in the order of the shards.
        attempts: where the files are, by `attempt_name`.
        whole: where they belong.

    Raises:
        DataError: a file is not on this machine.
    """
    for number, row in enumerate(rows):
        for split in SPLITS:
            name = f"{split}-{number:05d}-of-{len(rows):05d}.tfrecord"
            try:
                (attempts / attempt_name(split, row.partition, row.attempt)).rename(whole / name)
            except FileNotFoundError:
                raise DataError(
                    f"{attempts}: the executors wrote to their own disks, where this machine sees nothing: {_ALL_SEE}"
                ) from None


def _write_attempts(dataset: Dataset, users: np.ndarray, examples: Examples, attempts: Path) -> list[Any]:
    """Writes all shards; a row (_RESULT) for each partition, in their order, of the attempt that counts."""
    context = dataset.blocks.sparkSession.sparkContext
    shared = context.broadcast((users, examples))
    names = [column.split()[0] for column in _RESULT.split(", ")]
    result = pa.schema(list(zip(names, _RESULT_TYPES, strict=True)))

    def write(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        task = TaskContext.get()
        assert task is not None
        partition, attempt = task.partitionId(), task.taskAttemptId()
        users, examples = shared.value
        blocks = (block for batch in batches for block in blocks_of_batch(batch))
        paths = {split: attempts / attempt_name(split, partition, attempt) for split in SPLITS}
        counts = write_shard(blocks, users, examples, paths)
        found = [partition, attempt, *(counts.ratings[split] for split in SPLITS), counts.train_sum]
        yield pa.RecordBatch.from_pylist([dict(zip(result.names, found, strict=True))], result)

    with preloading(context):
        written = dataset.blocks.mapInArrow(write, _RESULT)
    try:
        return sorted(written.collect(), key=lambda row: row.partition)
    finally:
        shared.destroy()


def _write_ids(folder: Path, users: np.ndarray, items: pd.DataFrame) -> None:
    """users.csv and items.csv: each number with the id that it stands for. Text is in quotes, numbers are not."""
    ids = pa.array(users, pa.int64() if users.dtype.kind == "i" else pa.string())
    csv.write_csv(pa.table({"user": np.arange(len(users)), "id": ids}), folder / "users.csv")
    columns: dict[str, Any] = {"item": np.arange(len(items)), MOVIE_ID: pa.array(items[MOVIE_ID])}
    if items[TITLE].notna().any():
        columns[TITLE] = pa.array(items[TITLE], pa.string())
    csv.write_csv(pa.table(columns), folder / "items.csv")


def _schema(dataset: Dataset, examples: Examples, rows: list[Any]) -> dict[str, Any]:
    ratings = {split: sum(row[split] for row in rows) for split in SPLITS}
    split = "time" if examples.split_time else "rating" if examples.test_entries is None else "test_ratings"
    total = math.fsum(row.train_sum for row in rows)
    return {
        "features": FEATURES,
        "users": dataset.users,
        "items": dataset.movies,
        "shards": len(rows),
        "ratings": ratings,
        "split": split,
        "test_fraction": None if split == "test_ratings" else examples.test_fraction,
        "seed": examples.seed,
        "mean_training_rating": total / ratings["train"] if ratings["train"] else None,
    }
