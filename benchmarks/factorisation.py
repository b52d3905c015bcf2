"""howdah's factorisation beside Spark's ALS and `implicit`: the same ratings, one after the other, in one run.

    .venv/bin/python benchmarks/factorisation.py --data /data                 generated data of ml-25m's shape
    .venv/bin/python benchmarks/factorisation.py --scale 0.04 --ranks 64      a look
    .venv/bin/python benchmarks/factorisation.py --data /data --parts sgd     one part alone

Parts: `explicit` is a sweep of exact ALS on ratings, beside Spark's ALS with the same objective (l2 times each count,
no biases); `likes` is a sweep of implicit ALS on ratings of 4 and more, beside Spark's ALS and `implicit`'s (conjugate
gradients, all cores) where it is installed; `sgd` is an epoch of biased SGD, and how much sooner than Spark's ALS
it has that one's test RMSE. Runs of howdah are `./spark-submit.sh train`, as a user's, with a worker a core. A sweep of
the others is what one of two more iterations takes, so that their start does not count. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _factors import has_implicit
from _splits import read_splits
from scipy.sparse import csr_matrix
from training import launch

from recsys.config import Config
from recsys.config.load import load_config

CORES = os.cpu_count() or 1
L2, SWEEPS = 0.1, 3
UNOBSERVED, ALPHA = 0.1, 10.0
PARTS = ("explicit", "likes", "sgd")
Rows = dict[str, dict[str, float]]  # name -> figure -> value


def howdah(prepared: Path, output: Path, settings: list[str]) -> dict[str, float]:
    """A run of train: seconds of an epoch after the first and of the first, of the training, its losses and RMSE."""
    options = [
        "--config",
        str(plain(output.parent)),
        "--prepared",
        str(prepared),
        "--workers",
        str(CORES),
        "--profile",
        "off",
    ]
    launch("train", output, ["evaluation.users=5000", *settings], *options)
    with (output / "history.csv").open(newline="") as file:
        history = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    rmse = metrics["rating_prediction"].get("model", {}).get("rmse")
    seconds = [row["seconds"] for row in history]
    found = {
        "sweep_seconds": statistics.median(seconds[1:] or seconds),
        "first_seconds": seconds[0],
        "train_loss": history[-1]["train_loss"],
    }
    return found | ({"rmse": rmse} if rmse is not None else {})


def plain(folder: Path) -> Path:
    """A settings file without a setting of any experiment."""
    path = folder / "plain.toml"
    path.write_text('name = "factorisation"\n', encoding="utf-8")
    return path


def seconds_to_rmse(output: Path, rmse: float) -> float | None:
    """Seconds of training until the validation RMSE was as low; None where it never was."""
    total = 0.0
    with (output / "history.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            total += float(row["seconds"])
            if 5 * math.sqrt(float(row["validation_loss"])) <= rmse:
                return total
    return None


def spark_als(train: csr_matrix, test: csr_matrix | None, rank: int, implicit: bool, sweeps: int) -> dict[str, float]:
    """Spark's ALS: seconds of one of `sweeps` further iterations, of all, and the test RMSE of what it predicts."""
    import pandas as pd
    from pyspark.ml.recommendation import ALS

    from recsys.session import local_session

    spark = local_session(CORES, "factorisation", "10g")
    with tempfile.TemporaryDirectory(prefix="howdah-als-") as folder:
        entries = train.tocoo()
        columns = {"user": entries.row, "movie": entries.col, "rating": entries.data}
        pd.DataFrame(columns).to_parquet(f"{folder}/ratings.parquet", index=False)
        frame = spark.read.parquet(f"{folder}/ratings.parquet").repartition(2 * CORES).persist()
        frame.count()
        spark.sparkContext.setCheckpointDir(f"{folder}/checkpoints")

        def fit(iterations: int) -> tuple[float, Any]:
            als = ALS(
                userCol="user", itemCol="movie", ratingCol="rating", rank=rank, maxIter=iterations, seed=1,
                implicitPrefs=implicit, regParam=L2, alpha=ALPHA,
            )  # fmt: skip
            clock = time.monotonic()
            model = als.fit(frame)
            return time.monotonic() - clock, model

        first, _ = fit(1)
        last, model = fit(1 + sweeps)
        found = {"sweep_seconds": (last - first) / sweeps, "seconds": last}
        if test is not None:
            users, movies = (_factors(side, size, rank) for side, size in zip(
                (model.userFactors, model.itemFactors), train.shape, strict=True
            ))  # fmt: skip
            held = test.tocoo()
            guesses = np.einsum("ij,ij->i", users[held.row], movies[held.col])
            known = ~np.isnan(guesses)
            error = np.clip(guesses[known], 0.5, 5) - held.data[known]
            found["rmse"] = float(np.sqrt(np.square(error).mean()))
            fitted = np.einsum("ij,ij->i", users[entries.row], movies[entries.col]) - entries.data
            found["train_loss"] = float(np.square(fitted, dtype=np.float64).mean()) / 25
    spark.stop()
    return found


def implicit_als(train: csr_matrix, rank: int, sweeps: int) -> dict[str, float]:
    """`implicit`'s ALS by conjugate gradients on all cores: seconds of one of `sweeps` further iterations."""
    from implicit.als import AlternatingLeastSquares

    def fit(iterations: int) -> float:
        model = AlternatingLeastSquares(
            factors=rank, iterations=iterations, regularization=L2, alpha=ALPHA, random_state=1, num_threads=CORES
        )
        clock = time.monotonic()
        model.fit(train, show_progress=False)
        return time.monotonic() - clock

    return {"sweep_seconds": (fit(1 + sweeps) - fit(1)) / sweeps}


def _factors(frame: Any, rows: int, rank: int) -> np.ndarray:
    table = frame.toPandas()
    found = np.full((rows, rank), np.nan, np.float32)
    found[table["id"].to_numpy()] = np.stack(table["features"].to_list())
    return found


def explicit(prepared: Path, work: Path, ranks: list[int], config: Config) -> Rows:
    """A sweep of exact ALS on ratings."""
    splits, rows = read_splits(prepared, config), {}
    for rank in ranks:
        settings = [
            "model.kind=als", f"model.factors={rank}", f"model.l2={L2}", "model.l2_power=1", "model.biases=false",
            f"training.epochs={SWEEPS + 1}", "training.keep=last",
        ]  # fmt: skip
        rows[f"howdah als, {rank}"] = howdah(prepared, work / f"explicit-{rank}", settings)
        rows[f"Spark ALS, {rank}"] = spark_als(splits.train, splits.test[1], rank, False, SWEEPS)
    return rows


def likes(prepared: Path, work: Path, ranks: list[int], config: Config) -> Rows:
    """A sweep of implicit ALS on likes."""
    splits, rows = read_splits(prepared, config), {}
    for rank in ranks:
        for solver in ("cholesky", "block", "cg"):
            settings = [
                "model.kind=als", f"model.factors={rank}", f"model.l2={L2}", f"model.unobserved_weight={UNOBSERVED}",
                f"model.solver={solver}", f"training.epochs={SWEEPS + 1}", "training.keep=last",
            ]  # fmt: skip
            rows[f"howdah als {solver}, {rank}"] = howdah(prepared, work / f"likes-{solver}-{rank}", settings)
        rows[f"Spark ALS, {rank}"] = spark_als(splits.train, None, rank, True, SWEEPS)
        if has_implicit():
            rows[f"implicit, {rank}"] = implicit_als(splits.train, rank, SWEEPS)
    return rows


def sgd(prepared: Path, work: Path, ranks: list[int], config: Config) -> Rows:
    """An epoch of biased SGD, and the time to the RMSE of Spark's ALS after 10 iterations."""
    splits, rows = read_splits(prepared, config), {}
    rank = ranks[0]
    theirs = rows[f"Spark ALS, {rank}"] = spark_als(splits.train, splits.test[1], rank, False, 9)
    output = work / f"sgd-{rank}"
    settings = ["model.kind=biased_mf", f"model.factors={rank}", "training.epochs=12"]
    ours = rows[f"howdah biased_mf, {rank}"] = howdah(prepared, output, settings)
    if (seconds := seconds_to_rmse(output, theirs["rmse"])) is not None:
        ours["seconds"] = seconds
        print(f"RMSE {theirs['rmse']:.4f}: {theirs['seconds']:.1f} s against {seconds:.1f} s", flush=True)
    return rows


def show(title: str, rows: Rows) -> None:
    """A table; in brackets how many times longer than the first howdah of the same rank."""
    figures = [name for name in dict.fromkeys(key for row in rows.values() for key in row)]
    print(f"\n{title}, {CORES} cores\n" + "".ljust(28) + "".join(name.rjust(20) for name in figures))
    for name, row in rows.items():
        rank = name.rpartition(", ")[2]
        base = next(one for key, one in rows.items() if key.startswith("howdah") and key.endswith(f", {rank}"))
        cells = ""
        for figure in figures:
            if figure not in row:
                cells += "-".rjust(20)
                continue
            ratio = f" ({row[figure] / base[figure]:.2f})" if figure.endswith("seconds") and base.get(figure) else ""
            cells += f"{row[figure]:.4g}{ratio}".rjust(20)
        print(name.ljust(28) + cells, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="DIR", help="keeps generated and prepared data; default: a temporary folder")
    parser.add_argument("--scale", default="1", help="of the generated data; 1 is ml-25m's shape")
    parser.add_argument("--ranks", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    parts: dict[str, Callable[[Path, Path, list[int], Config], Rows]] = dict(
        zip(PARTS, (explicit, likes, sgd), strict=True)
    )
    with tempfile.TemporaryDirectory(prefix="howdah-factorisation-") as folder:
        work, kept = Path(folder), Path(options.data or folder)
        for name in options.parts:
            data = ["data.dataset=synthetic", f"data.scale={options.scale}", f"data.data_dir={kept / 'data'}"]
            data += ["data.split=rating", "data.test_fraction=0.1", "data.validation_fraction=0.02"]
            data += ["data.positive_from=4"] if name == "likes" else []
            prepared = kept / f"prepared-{'likes' if name == 'likes' else 'ratings'}-{options.scale}"
            if not (prepared / "prepared.json").exists():
                launch("prepare", prepared, data, "--config", str(plain(work)), "--profile", "off")
            config = load_config([], data)
            show(name, parts[name](prepared, work, options.ranks, config))


if __name__ == "__main__":
    main()
