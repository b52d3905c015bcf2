"""Recommendations for every user beside Spark ALS' recommendForAllUsers: the same users, movies and N, in one session.

    .venv/bin/python benchmarks/top_n.py                               10,000 users, ml-25m's movies, width and rank 200
    .venv/bin/python benchmarks/top_n.py --users 2000 --ranks 10 64    a look

Both score every movie for every user, take the N best and write them as Parquet. howdah's model has a hidden layer of
`--width` and gives no movie that was seen (each user has rated some 150); ALS has factors of each of `--ranks`, is
fitted for one iteration (what its factors are worth plays no part), and may recommend what was seen. Nothing is
asserted; ratios are of this run.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from recsys.data.blocks import Block, block_schema, hash_users, stored
from recsys.data.preprocessing import Preprocessing
from recsys.models.autoencoder.config import DaeConfig
from recsys.models.autoencoder.families import DenoisingAutoencoder
from recsys.models.autoencoder.kernels.layout import Layout
from recsys.recommend.batch import Ranker, recommend_to_all
from recsys.session import local_session

RATINGS_A_USER, BLOCK_USERS = 150, 1024


def blocks_of(spark: Any, users: int, movies: int) -> Any:
    """A DataFrame of blocks of random ratings, cached."""

    def make(batches: Any) -> Any:
        for batch in batches:
            for start in batch["start"].to_pylist():
                generator = np.random.default_rng(start)
                ids = np.arange(start, min(start + BLOCK_USERS, users), dtype=np.int64)
                drawn = [movies * generator.random(RATINGS_A_USER) ** 3 for _ in ids]  # the first are popular
                rated = [np.unique(one.astype(np.int32)) for one in drawn]
                indptr = np.cumsum([0, *map(len, rated)]).astype(np.int32)
                values = generator.integers(1, 11, indptr[-1]).astype(np.float32) / 2
                yield stored(Block(ids, hash_users(ids), indptr, np.concatenate(rated), values))

    starts = spark.range(0, users, BLOCK_USERS).withColumnRenamed("id", "start")
    frame = starts.mapInArrow(make, block_schema("bigint")).persist()
    frame.count()
    return frame


def ranker_of(movies: int, width: int, n: int) -> Ranker:
    """A model of random weights."""
    config = DaeConfig(hidden=(width,), activation="tanh", input_normalisation="l2", loss="multinomial")
    layout = Layout(movies, config, DenoisingAutoencoder.architecture)
    weights = layout.split(np.random.default_rng(0).normal(0, 0.1, layout.size).astype(np.float32))
    model = DenoisingAutoencoder(config, Preprocessing(0.5, 5.0, 4.0), movies, weights)
    return Ranker(model.scorer(), np.arange(1, movies + 1, dtype=np.int64), None, n)


def ours(blocks: Any, ranker: Ranker, users: int, output: str) -> None:
    recommend_to_all(blocks, ranker, users, output, {}, lambda text: None)


def als_model(spark: Any, users: int, movies: int, rank: int) -> Any:
    """Factors of all users and movies."""
    import pandas as pd
    from pyspark.ml.recommendation import ALS

    count = 2 * max(users, movies)
    places, generator = np.arange(count), np.random.default_rng(1)
    ratings = generator.integers(1, 11, count) / 2
    frame = pd.DataFrame({"user": places % users, "movie": (7 * places) % movies, "rating": ratings})
    als = ALS(userCol="user", itemCol="movie", ratingCol="rating", rank=rank, maxIter=1, seed=1)
    return als.fit(spark.createDataFrame(frame))


def timed(what: str, work: Callable[[], Any], users: int, movies: int, beside: float | None) -> float:
    clock = time.monotonic()
    work()
    seconds = time.monotonic() - clock
    ratio = f"  {seconds / beside:.1f} times howdah's" if beside else ""
    speed = users * movies / seconds / 1e6
    print(f"{what:<34}{seconds:>9.1f} s {users / seconds:>9,.0f} users/s {speed:>8,.1f} M scores/s{ratio}", flush=True)
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--movies", type=int, default=59_047)
    parser.add_argument("--width", type=int, default=200)
    parser.add_argument("--ranks", type=int, nargs="+", default=[10, 200])
    parser.add_argument("--top", type=int, default=100)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    spark = local_session(options.cores, "top-n", "6g")
    try:
        with tempfile.TemporaryDirectory(prefix="howdah-top-n-") as folder:
            blocks = blocks_of(spark, options.users, options.movies)
            size = options.users, options.movies
            warm = blocks.limit(1)
            ranker = ranker_of(options.movies, options.width, options.top)
            ours(warm, ranker, options.users, f"{folder}/warm")  # as many, so that what is compiled is compiled now
            name = f"howdah, width {options.width}"
            mine = timed(name, lambda: ours(blocks, ranker, options.users, f"{folder}/ours"), *size, None)
            for rank in options.ranks:
                model = als_model(spark, *size, rank)
                model.recommendForUserSubset(spark.range(1).withColumnRenamed("id", "user"), options.top).collect()
                found = model.recommendForAllUsers(options.top)
                place = f"{folder}/als-{rank}"
                timed(f"Spark ALS, rank {rank}", lambda: found.write.parquet(place), *size, mine)  # noqa: B023
    finally:
        spark.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
