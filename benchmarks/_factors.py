"""Matrix factorisation as users have it: Spark's ALS, explicit and implicit, and `implicit`'s where it is installed.

ALS knows only users that it was trained on: the test users' shown ratings are among its training ratings, which is
more than the other models are given.
"""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, vstack

RANK, ITERATIONS = 64, 15
EXPLICIT_REGULARISATION = 0.1
IMPLICIT_REGULARISATION, CONFIDENCE = 0.05, 10.0  # Spark multiplies regularisation by ratings; confidence 1 + alpha r


def spark_als(spark: Any, train: csr_matrix | None, shown: csr_matrix, implicit: bool, seed: int) -> np.ndarray:
    """Scores (users of `shown`, movies) by pyspark.ml.recommendation.ALS; NaN where the movie or the user is unknown.

    `train` holds other users, or None where all are in `shown`.
    """
    import pandas as pd
    from pyspark.ml.recommendation import ALS

    others = train.shape[0] if train is not None else 0
    entries = (shown if train is None else vstack([train, shown])).tocoo()
    frame = pd.DataFrame({"user": entries.row, "movie": entries.col, "rating": entries.data})
    als = ALS(
        userCol="user",
        itemCol="movie",
        ratingCol="rating",
        rank=RANK,
        maxIter=ITERATIONS,
        seed=seed,
        implicitPrefs=implicit,
        regParam=IMPLICIT_REGULARISATION if implicit else EXPLICIT_REGULARISATION,
        alpha=CONFIDENCE,
    )
    with tempfile.TemporaryDirectory(prefix="howdah-als-") as folder:
        # every 10th iteration is checkpointed: the lineage of all of them overflows the executor's stack
        spark.sparkContext.setCheckpointDir(folder)
        fitted = als.fit(spark.createDataFrame(frame))
        users = _factors(fitted.userFactors, others + shown.shape[0])[others:]
        movies = _factors(fitted.itemFactors, shown.shape[1])
    scores: np.ndarray = users @ movies.T
    return scores


def _factors(frame: Any, rows: int) -> np.ndarray:
    table = frame.toPandas()
    found = np.full((rows, RANK), np.nan, np.float32)
    found[table["id"].to_numpy()] = np.stack(table["features"].to_list())
    return found


def has_implicit() -> bool:
    """Whether the package `implicit` is installed."""
    return find_spec("implicit") is not None


def implicit_als(train: csr_matrix, shown: csr_matrix, seed: int) -> np.ndarray:
    """Scores (users of `shown`, movies) by implicit.als.AlternatingLeastSquares, folding in the users shown."""
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=RANK,
        iterations=ITERATIONS,
        regularization=IMPLICIT_REGULARISATION,
        alpha=CONFIDENCE,
        random_state=seed,
        num_threads=1,
    )
    model.fit(train, show_progress=False)
    users = np.stack([np.asarray(model.recalculate_user(0, shown[row])).ravel() for row in range(shown.shape[0])])
    scores: np.ndarray = users @ np.asarray(model.item_factors).T
    return scores
