"""What the outer optimizer and the workers' learning rate do: W workers' rounds, one after the other in one process.

    ./spark-submit.sh prepare --config ml-1m --output PREPARED
    .venv/bin/python benchmarks/outer.py PREPARED --config ml-1m --epochs 30 --plot docs/outer.png

The first line is one worker; then W workers as each of --ways says: KIND:RATE:MOMENTUM:SCALE, as training.outer,
outer_learning_rate, outer_momentum and learning_rate_scale, or "default". The code is that of the workers and of the
driver, Spark left out. Losses are the master model's; the ratio is to the one worker's test loss of the last epoch.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one worker, one thread

import numpy as np
import pyarrow.parquet as pq

from recsys import load_config
from recsys.data.blocks import block_from_row
from recsys.data.examples import Examples
from recsys.data.partition import concatenate
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TEST, TRAIN, VALIDATION
from recsys.models.autoencoder.families import Autoencoder
from recsys.models.autoencoder.kernels.engine import plan_for
from recsys.models.autoencoder.start import first_weights
from recsys.registries import FAMILIES
from recsys.training.kernels import compiles
from recsys.training.local_sgd.worker import Delta, Task, measure, train_round
from recsys.training.outer import Outer, outer_for

ROOT = Path(__file__).resolve().parent.parent

WAYS = ("mean:1:0:1", "mean:1:0:4", "nesterov:0.8:0.6:1", "nesterov:0.8:0.6:4", "nesterov:0.7:0.9:4", "slowmo:1:0.6:4")


class Data:
    """A prepared data set's rows by role."""

    def __init__(self, folder: Path, config: Any) -> None:
        described = json.loads((folder / "prepared.json").read_text(encoding="utf-8"))
        scale = Preprocessing.of(described).without_weights()
        self.movies = pq.read_table(folder / "items.parquet").num_rows
        self.density = described["statistics"]["density"]
        self.examples = Examples.of(config, self.movies, scale)
        whole = concatenate([block_from_row(row) for row in pq.read_table(folder / "blocks").to_pylist()])
        self.roles = {role: whole.take(self.examples.rows(whole, role)) for role in (TRAIN, VALIDATION, TEST)}


def run(
    data: Data, config: Any, workers: int, outer: Outer, rate: float, epochs: int, every: int = 1
) -> dict[int, list[float]]:
    """Train, validation and test loss after every so many epochs, and after the last."""
    settings = config.training
    family = FAMILIES.get(config.model.kind)
    assert issubclass(family, Autoencoder)
    plan = plan_for(
        family.architecture,
        config.model,
        data.movies,
        data.density,
        settings.batch_size,
        settings.sampled_items,
        compiled=compiles(settings.kernels),
    )
    weights = plan.layout.from_keras(first_weights(family.architecture, config.model, data.movies, config.seed))
    train = data.roles[TRAIN]
    own = [train.take(np.arange(worker, train.rows, workers)) for worker in range(workers)]
    kept: list[Any] = [None] * workers
    name = f"{workers} {outer.kind} {outer.learning_rate} {outer.mu} {rate}"
    curve: dict[int, list[float]] = {}
    for epoch in range(1, epochs + 1):
        for number in range(settings.syncs_per_epoch):
            task = Task(
                plan, data.examples, name, config.seed, epoch, epochs, number, settings.syncs_per_epoch,
                settings.batch_size, rate, settings.schedule,
            )  # fmt: skip
            delta = np.zeros_like(weights)
            for worker in range(workers):
                before = [one for one in (kept[worker], own[worker]) if one is not None]
                kept[worker], moved = train_round(task, weights, worker, before)
                assert isinstance(moved, Delta)
                if moved.rows:
                    delta += np.float32(moved.rows / train.rows * settings.syncs_per_epoch) * moved.value
            weights = outer.step(weights, delta)
        if epoch % every and epoch < epochs:
            continue
        found = list[tuple[int, int, float, float]]()
        for role, block in data.roles.items():
            of_role = replace(task, training=f"{name} {role}", roles=((role, (block.rows,)),))
            found += measure(of_role, weights, 0, [block])
        curve[epoch] = [total / weight for _, _, total, weight in found]
        print(f"{name}: epoch {epoch} {curve[epoch]}", file=sys.stderr, flush=True)
    return curve


def plot(curves: dict[str, dict[int, list[float]]], path: Path, title: str) -> None:
    """Validation losses over epochs."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(10, 4.5))
    for number, (name, curve) in enumerate(curves.items()):
        style = {"color": "black", "linewidth": 2.2} if number == 0 else {"linewidth": 1.3}
        axes.plot(list(curve), [validation for _, validation, _ in curve.values()], label=name, **style)
    lowest = min(one[1] for curve in curves.values() for one in curve.values())
    highest = max(list(curve.values())[min(3, len(curve) - 1)][1] for curve in curves.values())
    axes.set_ylim(lowest - 0.03 * (highest - lowest), highest)
    axes.set(xlabel="epoch", ylabel="validation loss of the master model", title=title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0))  # beside the curves, not upon them
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path, help="what the job prepare left")
    parser.add_argument("--config", required=True, help="experiment in conf/experiments, or a file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--ways", nargs="+", default=WAYS, metavar="KIND:RATE:MOMENTUM:SCALE")
    parser.add_argument("--every", type=int, default=1, help="epochs between two looks at the losses")
    parser.add_argument("--plot", type=Path, help="where to draw the curves")
    options = parser.parse_args()
    config = load_config([options.config], options.set, ROOT / "conf" / "experiments")
    data = Data(options.prepared, config)
    curves: dict[str, dict[int, list[float]]] = {}
    print(f"{'':<40}{'train':>12}{'validation':>12}{'test':>12}{'ratio':>8}")
    for way in [None, *options.ways]:
        name, workers, own = "1 worker", 1, config.training.learning_rate
        outer, rate = Outer("mean", 1.0, 0.0), own
        if way == "default":
            workers = options.workers
            outer, rate = outer_for(config.training.model_copy(update={"workers": workers}))
        elif way is not None:
            kind, outer_rate, momentum, scale = way.split(":")
            workers, outer, rate = options.workers, Outer(kind, float(outer_rate), float(momentum)), own * float(scale)
        if way is not None:
            name = f"{workers} workers, {outer.kind} {outer.learning_rate:g}, {outer.mu:g}, rate x{rate / own:g}"
        curves[name] = run(data, config, workers, outer, rate, options.epochs, options.every)
        train, validation, test = curves[name][options.epochs]
        ratio = test / curves["1 worker"][options.epochs][2]
        print(f"{name:<40}{train:>12.7g}{validation:>12.7g}{test:>12.7g}{ratio:>8.4f}", flush=True)
    if options.plot:
        plot(curves, options.plot, f"{options.config}: {options.workers} workers against one")


if __name__ == "__main__":
    main()
