"""What howdah's experiments recommend, beside what users would pick instead, on the very same splits.

    .venv/bin/python benchmarks/quality.py --data /data                            the experiments of ml-1m, three seeds
    .venv/bin/python benchmarks/quality.py --data /data --experiments ml-1m-linear --seeds 1
    .venv/bin/python benchmarks/quality.py --data /data --only baselines

Data are prepared once for every data set of the experiments named. The alternatives are popularity, user and movie
biases, EASE, item neighbours, Spark's ALS (explicit for ratings, implicit for likes) and `implicit`'s where it is
installed. EASE and the neighbours get the best of a few settings by the validation users or ratings; the ALS are
untuned. Experiments are run by `./spark-submit.sh train` as a user would. A seed gives splits and weights anew. Seconds
are of the fit and scoring for alternatives, of the phase model_training for experiments. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recsys.tensorflow_env import quiet_keras

quiet_keras()  # before recsys.models imports TensorFlow

from _alternatives import Scorer, best_of, biases, linear, neighbours, popularity, rating_neighbours  # noqa: E402
from _factors import has_implicit, implicit_als, spark_als  # noqa: E402
from _splits import Splits, ranking_figures, read_splits  # noqa: E402
from _table import table  # noqa: E402

from recsys.config import Config  # noqa: E402
from recsys.config.load import load_config  # noqa: E402
from recsys.errors import UserError  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
EXPERIMENTS = ROOT / "conf" / "experiments"
DEFAULT_EXPERIMENTS = (
    "ml-1m-linear",
    "ml-1m",
    "ml-1m-ials",
    "ml-1m-ratings",
    "ml-1m-als",
    "ml-1m-biased-mf",
    "ml-1m-svdpp",
)
L2S = (100.0, 200.0, 300.0, 500.0, 800.0, 1300.0)
NEIGHBOURHOODS = ((50, 10.0), (100, 10.0), (100, 50.0), (200, 50.0))  # (neighbours, shrinkage)
EASE = "EASE"

Results = dict[str, dict[int, dict[str, float]]]  # model -> seed -> figure -> value


def alternatives(splits: Splits, config: Config, spark: Any, say: Callable[[str], None]) -> dict[str, dict[str, float]]:
    """Figures of every alternative on the test part."""
    found: dict[str, dict[str, float]] = {}

    def judge(scorer: Scorer) -> float:
        scores = scorer(splits.validation[0])
        if splits.likes:
            return ranking_figures(scores, splits.validation, config)[f"ndcg@{config.evaluation.ndcg_at}"]
        return -splits.rating_figures(scores, splits.validation[1])["rmse"]

    def by_ndcg(scorer: Scorer) -> float:
        scores = scorer(splits.validation[0])
        return ranking_figures(scores, splits.validation, config)[f"ndcg@{config.evaluation.ndcg_at}"]

    def measure(name: str, predicts: bool, scores_of: Callable[[], np.ndarray]) -> None:
        clock = time.monotonic()
        scores = scores_of()
        figures = {"seconds": time.monotonic() - clock, **ranking_figures(scores, splits.test, config)}
        if predicts and not splits.likes:
            figures |= splits.rating_figures(scores, splits.test[1])
        found[name] = figures
        say(f"  {name}: " + ", ".join(f"{key} {value:.4f}" for key, value in figures.items()))

    shown, train = splits.test[0], splits.train
    measure("popularity", False, lambda: popularity(train)(shown))
    if not splits.likes:
        measure("biases", True, lambda: biases(train)(shown))
    l2, _ = best_of(L2S, lambda one: linear(train, one), by_ndcg)
    say(f"  EASE: l2 = {l2:g} by validation, of {', '.join(f'{one:g}' for one in L2S)}")
    measure(EASE, False, lambda: linear(train, l2)(shown))
    fit = neighbours if splits.likes else rating_neighbours
    (k, shrinkage), _ = best_of(NEIGHBOURHOODS, lambda one: fit(train, *one), judge)
    say(f"  item kNN: {k} neighbours, shrinkage {shrinkage:g} by validation")
    measure("item kNN", True, lambda: fit(train, k, shrinkage)(shown))
    if spark is not None:
        others = None if splits.by_rating else train  # by rating all users are among the shown already
        measure("Spark ALS implicit", False, lambda: spark_als(spark, others, shown, True, config.seed))
        if not splits.likes:
            measure("Spark ALS explicit", True, lambda: spark_als(spark, others, shown, False, config.seed))
    if has_implicit():
        measure("implicit's ALS", False, lambda: implicit_als(train, shown, config.seed))
    else:
        say("  implicit's ALS: left out, the package `implicit` is not installed")
    return found


def experiment(name: str, seed: int, prepared: Path, output: Path) -> dict[str, float]:
    """Figures of one run of an experiment."""
    _submit("train", "--config", name, "--set", f"seed={seed}", "--prepared", str(prepared), "--output", str(output))
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    return figures_of(metrics, (output / "resources" / "phases.jsonl").read_text(encoding="utf-8"))


def figures_of(metrics: dict[str, Any], phases: str) -> dict[str, float]:
    """The model's figures out of metrics.json and the lines of phases.jsonl."""
    ranking = metrics["ranking"]["model"]
    found = {
        name: float(one["mean"]) for name, one in ranking.items() if isinstance(one, dict) and one["mean"] is not None
    }
    ratings = metrics["rating_prediction"]
    if "model" in ratings and ratings["model"]["rmse"] is not None:
        found |= {"rmse": ratings["model"]["rmse"], "mae": ratings["model"]["mae"], "coverage": 1.0}
    for line in phases.splitlines():
        record = json.loads(line)
        if record["event"] == "end" and record["name"] == "model_training":
            found["seconds"] = float(record["wall_seconds"])
    return found


def _submit(*arguments: str) -> None:
    done = subprocess.run([str(ROOT / "spark-submit.sh"), *arguments], capture_output=True, text=True)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-5:])
        raise UserError(f"./spark-submit.sh {' '.join(arguments)} failed:\n{tail}")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", required=True, metavar="DIR", help="where data sets lie unpacked, or are put")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--experiments", nargs="+", default=list(DEFAULT_EXPERIMENTS), metavar="NAME")
    parser.add_argument("--only", choices=("baselines", "experiments"), help="leave the other out")
    parser.add_argument("--no-spark", action="store_true", help="leave Spark's ALS out")
    parser.add_argument("--output", metavar="DIR", help="keeps prepared data and runs; by default a temporary folder")
    options = parser.parse_args(argv)
    try:
        if options.output:
            _compare(options, Path(options.output))
        else:
            with tempfile.TemporaryDirectory(prefix="howdah-quality-") as folder:
                _compare(options, Path(folder))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _compare(options: argparse.Namespace, folder: Path) -> None:
    """Experiments of one and the same data table are compared in one table."""
    groups: dict[str, list[str]] = {}
    for name in options.experiments:
        config = load_config([name], [], EXPERIMENTS)
        groups.setdefault(config.model_dump_json(include={"data", "evaluation"}), []).append(name)
    for number, names in enumerate(groups.values(), start=1):
        prepared = folder / f"prepared-{number}"
        print(f"{', '.join(names)}: preparing the data", flush=True)
        _submit(
            "prepare", "--config", names[0], "--set", f"data.data_dir={options.data}", "--profile", "off",
            "--output", str(prepared),
        )  # fmt: skip
        results: Results = {}
        for seed in options.seeds:
            config = load_config([names[0]], [f"seed={seed}"], EXPERIMENTS)
            if options.only != "experiments":
                print(f"seed {seed}: alternatives", flush=True)
                for name, figures in _alternatives(prepared, config, options.no_spark).items():
                    results.setdefault(name, {})[seed] = figures
            if options.only != "baselines":
                for name in names:
                    print(f"seed {seed}: {name}", flush=True)
                    run = folder / f"{name}-{seed}"
                    results.setdefault(name, {})[seed] = experiment(name, seed, prepared, run)
        settings = config.evaluation
        ranked = [f"ndcg@{settings.ndcg_at}", *(f"recall@{k}" for k in settings.recall_at)]
        every = [figures for seeds in results.values() for figures in seeds.values()]
        rated = [name for name in ("rmse", "mae", "coverage") if any(name in figures for figures in every)]
        print("\n".join(table(results, [*ranked, *rated, "seconds"], EASE, ranked[0])), flush=True)


def _alternatives(prepared: Path, config: Config, no_spark: bool) -> dict[str, dict[str, float]]:
    splits = read_splits(prepared, config)
    if no_spark:
        return alternatives(splits, config, None, print)
    from recsys.session import local_session

    spark = local_session(1, "quality", "4g")
    try:
        return alternatives(splits, config, spark, print)
    finally:
        spark.stop()


if __name__ == "__main__":
    raise SystemExit(main())
