"""The sample user of a run: looked up in the blocks, shown with what was rated and what is recommended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark import RDD
from pyspark.sql import DataFrame

from recsys.data.blocks import Block, block_from_row, mix
from recsys.data.examples import Examples
from recsys.data.split import TEST
from recsys.errors import UserError
from recsys.recommend.recommender import Recommender


@dataclass(frozen=True)
class SampleUser:
    """A user with all that he or she rated."""

    user: Any
    indices: np.ndarray  # movie indices
    ratings: np.ndarray  # raw


def sample_user(blocks: DataFrame, examples: Examples, seed: int) -> SampleUser:
    """One of the test users, drawn by seed; the same whatever the partitions."""
    salt = mix(np.array([seed], np.uint64))

    def draw(rows: Iterable[Any]) -> Iterator[tuple[int, SampleUser]]:
        for stored in rows:
            block = block_from_row(stored)
            block = block.take(examples.rows(block, TEST))
            if block.rows:
                keys = mix(block.hashes ^ salt)
                row = int(np.argmin(keys))
                yield int(keys[row]), _user(block, row)

    drawn: RDD[tuple[int, SampleUser]] = blocks.rdd.mapPartitions(draw)
    first = drawn.takeOrdered(1, key=lambda pair: pair[0])  # type: ignore[type-var]  # for which int has no order
    if not first:
        raise UserError("no test user to recommend to: raise data.test_fraction, or set recommend.user_id")
    return first[0][1]


def find_user(blocks: DataFrame, user_id: Any) -> SampleUser:
    """The user with that id, integer or text; UserError where there is none."""
    wanted = str(user_id)

    def look(rows: Iterable[Any]) -> Iterator[SampleUser]:
        for stored in rows:
            block = block_from_row(stored)
            for row in np.flatnonzero(block.users.astype(str) == wanted):
                yield _user(block, int(row))

    users = blocks.rdd.mapPartitions(look).take(1)
    if not users:
        raise UserError(f"user {user_id!r} has no ratings in the selection: name another, or widen the selection")
    return users[0]


def recommendation(recommender: Recommender, user: Any, ratings: dict[Any, float], n: int) -> dict[str, Any]:
    """What recommendations.json says: the user, what was rated (best first), the n best unseen movies with scores."""
    matrix = recommender.matrix(ratings)
    rated = [
        {key: value for key, value in recommender.describe(int(index), float(rating)).items() if key != "score"}
        | {"rating": float(rating)}
        for index, rating in zip(matrix.indices, matrix.data, strict=True)
    ]
    rated.sort(key=lambda movie: -movie["rating"])
    best = recommender.recommend(ratings, n)
    for rank, movie in enumerate(best, 1):
        movie["rank"] = rank
        if recommender.predicts_ratings:
            movie["predicted_rating"] = recommender.to_rating(movie["score"])
    return {"user": user, "rated": rated, "recommended": best}


def render(result: dict[str, Any], shown: int = 10) -> str:
    """The recommendation as a table for the screen."""
    who = "you" if result["user"] is None else f"user {result['user']}"
    rated, best = result["rated"], result["recommended"]
    lines = [f"{who} rated {len(rated):,} movies" + (f", the {shown} best:" if len(rated) > shown else ":")]
    lines += [f"  {movie['rating']:>4g}  {_title(movie)}" for movie in rated[:shown]]
    lines.append(f"recommended to {who}:")
    for movie in best:
        score = f"{movie['predicted_rating']:>7.2f}" if "predicted_rating" in movie else f"{movie['score']:>9.4g}"
        lines.append(f"  {movie['rank']:>3}. {score}  {_title(movie)}")
    return "\n".join(lines)


def _title(movie: dict[str, Any]) -> str:
    return f"{movie['title']}"


def _user(block: Block, row: int) -> SampleUser:
    entries = slice(int(block.indptr[row]), int(block.indptr[row + 1]))
    user = block.users[row]
    user = int(user) if isinstance(user, np.integer) else user
    return SampleUser(user, block.indices[entries].copy(), block.ratings[entries].copy())
