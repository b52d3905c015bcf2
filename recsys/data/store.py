"""A prepared data set on disk: blocks as Parquet, with movies, statistics and the settings that it was made with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from py4j.protocol import Py4JJavaError
from pyarrow.dataset import ParquetFileFormat, ParquetFragmentScanOptions, dataset
from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recsys.checksums import check_digests, digest_of, read_sealed, write_sealed
from recsys.columns import MOVIE_ID, TIMES, USERS
from recsys.config import Config, DataConfig
from recsys.config.load import as_tree, build_config, data_as_tree
from recsys.data.blocks import ROWS, block_from_row
from recsys.data.preprocessing import Preprocessing
from recsys.data.time_split import WITHOUT_TIMES
from recsys.errors import ConfigError, DataError, UserError
from recsys.files import Files

FORMAT_VERSION = 2
_ITEMS = "items.parquet"
_CHECKED = ParquetFragmentScanOptions(page_checksum_verification=True)
# the settings that a prepared data set leaves open: how users and ratings are split, and whose arrays are trained
FREE_SETTINGS = frozenset(
    {
        "orientation",
        "split",
        "split_time",
        "test_ratings",
        "test_fraction",
        "validation_fraction",
        "split_seed",
        "data_dir",
        "max_rejected",
    }
)


def free_settings(data: DataConfig) -> dict[str, Any]:
    """The settings that a prepared data set leaves open, as `Dataset.load` takes them."""
    return {key: getattr(data, key) for key in FREE_SETTINGS}


@dataclass(frozen=True)
class Stored:
    """What a prepared data set on disk holds."""

    blocks: DataFrame
    items: pd.DataFrame
    statistics: dict[str, Any]
    preprocessing: Preprocessing
    data: DataConfig  # the settings that it was made with


def save_prepared(directory: str | Path, stored: Stored, rejected: DataFrame | None) -> None:
    """Writes blocks/, rejected/ (reason, file, row, line) where there are any, items.parquet and, last, prepared.json.

    The executors write the first two: where they run on other machines, all machines must see `directory`.
    """
    folder = local_folder(directory)
    folder.mkdir(parents=True, exist_ok=True)
    stored.blocks.write.mode("overwrite").parquet(f"{directory}/blocks")
    if rejected is not None:
        save_rejected(directory, rejected)
    written = Files(stored.blocks.sparkSession, str(folder)).names(f"{directory}/blocks")
    if not any(name.endswith(".parquet") for name in written):
        raise DataError(
            f"{directory}: the executors wrote the blocks to their own disks, where this machine sees nothing: "
            "write to a folder that all machines see (--output)"
        )
    stored.items.to_parquet(folder / _ITEMS, index=False, write_page_checksum=True)
    described = {
        "format_version": FORMAT_VERSION,
        **stored.preprocessing.to_mapping(),
        "users": stored.statistics["users"],
        "digest": _digest(stored.blocks)[1],
        "times": not stored.blocks.where(F.col(TIMES).isNotNull()).isEmpty(),
        "sha256": {_ITEMS: digest_of(folder / _ITEMS)},
        "data": data_as_tree(stored.data),
        "statistics": stored.statistics,
    }
    write_sealed(folder / "prepared.json", described)


def save_rejected(directory: str | Path, rejected: DataFrame) -> None:
    """Writes rejected/ (reason, file, row, line). The executors do."""
    rejected.write.mode("overwrite").parquet(f"{directory}/rejected")


def local_folder(directory: str | Path) -> Path:
    """The folder that a data set is saved to; UserError where it is on a file system that only Spark sees."""
    if "://" in str(directory):
        raise UserError(
            f"{directory}: a data set is saved to a folder of this machine, or one that it has mounted: give a path"
        )
    return Path(directory)


def load_prepared(spark: SparkSession, directory: str | Path) -> Stored:
    """The data set that `save_prepared` wrote, blocks persisted; DataError where it is incomplete or was changed."""
    described = _describe(directory)
    try:
        blocks = spark.read.parquet(f"{directory}/blocks")
        check_digests(Path(directory), described.get("sha256", {}))
        items = pq.read_table(Path(directory) / _ITEMS, page_checksum_verification=True).to_pandas()
        blocks = blocks.repartitionByRange(max(1, blocks.rdd.getNumPartitions()), "users").sortWithinPartitions("users")
        blocks = blocks.persist(StorageLevel.MEMORY_AND_DISK)
        users, digest = _digest(blocks)
    except (PySparkException, Py4JJavaError, OSError, ValueError) as error:
        raise DataError(f"{directory}: {str(error).splitlines()[0]}: prepare it again") from None
    if users != described["users"]:
        raise DataError(f"{directory}: holds {users:,} users, {described['users']:,} were prepared: prepare it again")
    if digest != described.get("digest", digest):  # earlier versions wrote none
        raise DataError(f"{directory}: was changed since it was prepared (its checksum is wrong): prepare it again")
    return Stored(blocks, items, described["statistics"], Preprocessing.of(described), _data_of(described))


def _data_of(described: dict[str, Any]) -> DataConfig:
    return DataConfig.model_validate_json(json.dumps(described["data"]))


def _digest(blocks: DataFrame) -> tuple[int, int]:
    """(users, a checksum of all blocks in any order). It also covers what Parquet's own checksums leave out."""
    row = blocks.agg(F.sum(ROWS), F.bit_xor(F.xxhash64(*blocks.columns))).first()
    return (int(row[0] or 0), int(row[1] or 0)) if row else (0, 0)


def look_up_prepared(directory: str | Path, user_id: Any) -> tuple[Any, dict[Any, float]] | None:
    """A user of a prepared data set as (id, {movie id: rating}), read without Spark; None where there is none."""
    described = _describe(directory)
    try:
        check_digests(Path(directory), described.get("sha256", {}))
        table = pq.read_table(Path(directory) / _ITEMS, columns=[MOVIE_ID], page_checksum_verification=True)
        movies = table[MOVIE_ID].to_numpy()
        checked = ParquetFileFormat(default_fragment_scan_options=_CHECKED)
        for file in dataset(f"{directory}/blocks", format=checked).get_fragments():
            for row, users in enumerate(file.to_table(columns=[USERS])[USERS].to_pylist()):
                matches = [position for position, user in enumerate(users) if str(user) == str(user_id)]
                if matches:
                    block = block_from_row(file.to_table().slice(row, 1).to_pylist()[0]).take(np.array(matches[:1]))
                    rated = movies[block.indices].tolist()
                    return users[matches[0]], dict(zip(rated, block.ratings.tolist(), strict=True))
    except (OSError, ValueError) as error:
        raise DataError(f"{directory}: {str(error).splitlines()[0]}: prepare it again") from None
    return None


def with_prepared_data(config: Config, given: frozenset[str], directory: str | Path) -> Config:
    """The settings with the data table of the prepared data; only the splits stay as `config` has them.

    `given` are the keys of the data table that the user set: ConfigError where one of them has another value.
    """
    tree = as_tree(config)
    described = _describe(directory)
    stored: dict[str, Any] = described["data"]
    stored_data = _data_of({"data": stored})
    wrong = sorted(key for key in given - FREE_SETTINGS if getattr(config.data, key) != getattr(stored_data, key))
    if wrong:
        keys = ", ".join(f"data.{key} = {getattr(stored_data, key)!r}" for key in wrong)
        raise ConfigError(f"--prepared {directory} was made with {keys}: leave these keys out, or prepare it again")
    if config.data.split == "time" and not described.get("times", False):
        raise ConfigError(f"--prepared {directory} {WITHOUT_TIMES}, or set data.split = 'rating' or 'user'")
    free = {key: value for key, value in tree["data"].items() if key in FREE_SETTINGS}
    stored.pop("test_ratings", None)  # else it would stay where this run has none
    return build_config({**tree, "data": {**stored, **free}})


def _describe(directory: str | Path) -> dict[str, Any]:
    path = Path(directory) / "prepared.json"
    try:
        described = read_sealed(path)
    except FileNotFoundError:
        raise UserError(f"{directory}: no prepared data set (prepared.json is missing): run the job prepare") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}: prepare it again") from None
    if described.get("format_version") != FORMAT_VERSION:
        raise DataError(f"{directory}: prepared by another version of this program: prepare it again")
    return described
