"""howdah's tuning beside Optuna that drives `implicit` and Surprise by hand: one split, as many trials, in one run.

    PYTHONPATH=RIVALS .venv/bin/python benchmarks/tuning.py --data DIR                      the figures of the page
    PYTHONPATH=RIVALS .venv/bin/python benchmarks/tuning.py --data DIR --trials 10 --likes ml-100k --sampler-seeds 2
    .venv/bin/python benchmarks/tuning.py --data DIR --parts samplers                       one part alone

RIVALS is a folder of the other libraries, which are no part of howdah's environment:

    pip install --target RIVALS --no-deps implicit scikit-surprise tqdm

Parts: `likes` is the best NDCG@100 of the validation users on ratings of 4 and more, beside `implicit`'s ALS; `ratings`
is the best RMSE of the validation ratings, of ALS and of biased SGD, beside Surprise's SVD; `samplers` is TPE beside
random search at as many trials, on several seeds, from settings far off. The other searches begin with their library's
own default settings, and none has an experiment's. Seconds are of all trials, without reading the data. Nothing is
asserted.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _by_hand import INSTALL, Searched, has, implicit_als, surprise_svd
from _splits import Splits, read_splits

import recsys
from recsys.config.load import load_config

CORES = os.cpu_count() or 1
PARTS = ("likes", "ratings", "samplers")
BY_RATING = ["data.split=rating", "data.test_fraction=0.1", "data.validation_fraction=0.05"]
LIKES_ALS = [
    "model.kind=als", "model.unobserved_weight=0.1", "model.l2=0.01", "model.l2_power=1",
    "model.observed_weight_by=log", "model.weight_exponent=0.2", "training.epochs=8", "training.keep=last",
]  # fmt: skip
RATINGS = {
    "als": ["model.kind=als", "training.epochs=10", "training.patience=2"],
    "biased_mf": ["model.kind=biased_mf", "model.decay=0.93", "training.epochs=40", "training.patience=3"],
}
# a first trial that leaves something to find: from good settings both end where they began
FAR_OFF = ["model.factors=8", "model.l2=10.0"]


class Data:
    """A data set of the catalogue: for howdah, and as matrices for the others."""

    def __init__(self, spark: Any, work: Path, settings: list[str], seed: int = 1) -> None:
        self.settings = [*settings, f"seed={seed}"]
        config = load_config([], self.settings)
        folder = Path(tempfile.mkdtemp(dir=work))
        recsys.Dataset.from_config(spark, config.data).save(folder / "prepared")
        self.dataset = recsys.Dataset.load(spark, folder / "prepared")
        self.config = config
        self._prepared = folder / "prepared"

    def splits(self) -> Splits:
        """The parts as matrices."""
        return read_splits(self._prepared, self.config)

    def tuned(
        self, model: list[str], trials: int, sampler: str = "tpe", pruner: str = "median", parallel: int | None = None
    ) -> Searched:
        """howdah's own search; by default with a trial on each core."""
        config = load_config([], [*self.settings, *model])
        clock = time.monotonic()
        how: dict[str, Any] = {"sampler": sampler, "pruner": pruner, "parallel": parallel}
        found = recsys.tune(self.dataset, config, trials=trials, seeds=0, **how)
        value = found.best.value
        assert value is not None
        return Searched(value, time.monotonic() - clock, found.best.parameters)


def likes(spark: Any, work: Path, options: argparse.Namespace) -> None:
    """ALS on likes."""
    data = Data(spark, work, [f"data.dataset={options.likes}", f"data.data_dir={options.data}", "data.positive_from=4"])
    # the loss has the searched weights in it, so that trials cannot be given up by it
    rows = {"howdah als": data.tuned(LIKES_ALS, options.trials, pruner="none")}
    if has("implicit"):
        rows["implicit"] = implicit_als(data.splits(), data.config, options.trials)
    else:
        print(f"implicit is left out, as it is not installed: {INSTALL}", flush=True)
    show(f"NDCG@100 of the validation users of {options.likes}, {options.trials} trials", rows, larger_is_better=True)


def ratings(spark: Any, work: Path, options: argparse.Namespace) -> None:
    """Factorisation of ratings."""
    data = Data(spark, work, [f"data.dataset={options.ratings}", f"data.data_dir={options.data}", *BY_RATING])
    rows = {f"howdah {name}": data.tuned(model, options.trials) for name, model in RATINGS.items()}
    if has("surprise"):
        rows["Surprise SVD"] = surprise_svd(data.splits(), data.config, options.trials)
    else:
        print(f"Surprise is left out, as it is not installed: {INSTALL}", flush=True)
    show(f"RMSE of the validation ratings of {options.ratings}, {options.trials} trials", rows, larger_is_better=False)


def samplers(spark: Any, work: Path, options: argparse.Namespace) -> None:
    """TPE and random search at as many trials, one after the other: a second run has the same figures."""
    print(f"\nRMSE of the validation ratings of {options.ratings}, {options.trials} trials of als")
    print(f"{'seed':<8}{'tpe':>12}{'random':>12}{'ratio':>10}")
    won = 0
    for seed in range(1, options.sampler_seeds + 1):
        data = Data(spark, work, [f"data.dataset={options.ratings}", f"data.data_dir={options.data}", *BY_RATING], seed)
        model = [*RATINGS["als"], *FAR_OFF]
        tpe, chance = (data.tuned(model, options.trials, name, "none", 1).best for name in ("tpe", "random"))
        won += tpe < chance
        print(f"{seed:<8}{tpe:>12.5f}{chance:>12.5f}{tpe / chance:>10.5f}", flush=True)
    print(f"tpe is better on {won} of {options.sampler_seeds} seeds", flush=True)


def show(title: str, rows: dict[str, Searched], larger_is_better: bool) -> None:
    """A table; in brackets how the first row compares: above 1 it is better, or faster."""
    first = next(iter(rows.values()))
    print(f"\n{title}, {CORES} cores\n{'':<20}{'best':>18}{'seconds':>18}  settings")
    for name, row in rows.items():
        better = first.best / row.best if larger_is_better else row.best / first.best
        faster = row.seconds / first.seconds
        cells = f"{row.best:.5f} ({better:.3f})".rjust(18) + f"{row.seconds:.1f} ({faster:.2f})".rjust(18)
        settings = ", ".join(f"{key} {value:.4g}" for key, value in row.settings.items())
        print(f"{name:<20}{cells}  {settings}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="DIR", help="where data sets lie unpacked, or are put")
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--likes", default="ml-1m", metavar="NAME", help="the data set of part likes")
    parser.add_argument("--ratings", default="ml-100k", metavar="NAME", help="the data set of the other parts")
    parser.add_argument("--sampler-seeds", type=int, default=5, metavar="N")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    functions: dict[str, Callable[[Any, Path, argparse.Namespace], None]] = dict(
        zip(PARTS, (likes, ratings, samplers), strict=True)
    )
    with tempfile.TemporaryDirectory(prefix="howdah-tuning-") as folder:
        spark = recsys.local_session(CORES, "tuning", "4g")
        for name in options.parts:
            functions[name](spark, Path(folder), options)
        spark.stop()


if __name__ == "__main__":
    main()
