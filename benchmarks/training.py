"""Training by local_sgd beside Elephas as it is and beside Keras alone: the same data, one after the other, in one run.

    .venv/bin/python benchmarks/training.py --data /data             1950-1960 of ml-25m's shape, 8 workers
    .venv/bin/python benchmarks/training.py --data /data --masked    masked_mse on 1950-1980 against dense Keras
    .venv/bin/python benchmarks/training.py --scale 0.02             a look

Runs are `./spark-submit.sh train`, as a user's, from the ratings' files to the report. Of each: seconds of an epoch
(median of those after the first), seconds from the start of model_training to the first batch (those to the end of the
first epoch, less a later one), peak memory of everything (PSS, sampled every half second), and the losses of the master
model. Keras alone (`_keras_alone.py`) fits dense batches in one process. Nothing is asserted; ratios are of this run.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"


def launch(job: str, output: Path, settings: list[str], *options: str) -> None:
    """Runs a job of the launcher to its end; its own words are shown where it fails."""
    words = [str(ROOT / "spark-submit.sh"), job, "--output", str(output), *options]
    words += [word for one in settings for word in ("--set", one)]
    print("$", " ".join(words), flush=True)
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(ended.stdout + ended.stderr)


def train(output: Path, config: str, settings: list[str], workers: int) -> dict[str, Any]:
    """One run from files to report, and what it cost."""
    launch("train", output, settings, "--config", config, "--workers", str(workers))
    with (output / "history.csv").open(newline="") as file:
        history = list(csv.DictReader(file))
    with (output / "report" / "phases.csv").open(newline="") as file:
        phases = {row["phase"]: row for row in csv.DictReader(file)}
    epoch = statistics.median(float(row["seconds"]) for row in history[1:] or history)
    split = {
        name: statistics.median(float(row[f"{name}_seconds"]) for row in history[1:] or history)
        for name in ("data", "compute", "reduce", "broadcast", "validation")
    }
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    return {
        "epoch_seconds": epoch,
        "start_seconds": first_epoch_seconds(output / "run.log") - epoch,
        "peak_pss_bytes": float(phases["total"]["pss_peak_bytes"]),
        "training_pss_bytes": float(phases["model_training"]["pss_peak_bytes"]),
        "train_loss": float(history[-1]["train_loss"]),
        "test_loss": metrics["reconstruction"]["test"],
        "split": split,
    }


def first_epoch_seconds(log: Path) -> float:
    """From the start of model_training to the end of the first epoch, by the times in run.log."""
    began = ended = None
    for line in log.read_text(encoding="utf-8").splitlines():
        if "model_training ..." in line:
            began = line
        if began and re.search(r" epoch +1/", line):
            ended = line
            break
    assert began and ended
    times = [datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f") for line in (began, ended)]
    return (times[1] - times[0]).total_seconds()


def keras_alone(
    prepared: Path, config: str, settings: list[str], epochs: int, threads: int, batches: int = 0
) -> dict[str, Any]:
    """Keras' own fit, in a process of its own; an epoch's seconds are those of all its batches."""
    experiment = ROOT / "conf" / "experiments" / f"{config}.toml"
    words = [PYTHON, ROOT / "benchmarks" / "_keras_alone.py", prepared, experiment, epochs, threads, batches, *settings]
    print("$", " ".join(map(str, words)), flush=True)
    told = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, cwd=ROOT)
    if told.returncode:
        sys.exit(told.stderr)
    found = json.loads(told.stdout.splitlines()[-1])
    seconds = statistics.median(found["seconds"][1:] or found["seconds"]) / found["share"]
    return {"epoch_seconds": seconds, "train_loss": found["losses"][-1], "share": found["share"]}


def show(rows: dict[str, dict[str, Any]], base: str, workers: int) -> None:
    """A table, every figure beside its ratio to the one called `base`."""
    columns = {
        "epoch_seconds": ("epoch, s", 1.0), "start_seconds": ("to first batch, s", 1.0),
        "training_pss_bytes": ("training PSS, GB", 1e9), "peak_pss_bytes": ("peak PSS, GB", 1e9),
    }  # fmt: skip
    print(f"\n{workers} workers, {os.cpu_count()} cores; in brackets {base} over it\n")
    print(
        "".ljust(22) + "".join(f"{title:>26}" for title, _ in columns.values()) + f"{'train loss':>14}{'test loss':>14}"
    )
    for name, row in rows.items():
        cells = ""
        for key, (_, unit) in columns.items():
            if row.get(key) is None:
                cells += f"{'-':>26}"
                continue
            other = rows[base].get(key)
            ratio = f" ({other / row[key]:.2f})" if other and name != base and row[key] > 0 else ""
            cells += f"{row[key] / unit:.2f}{ratio}".rjust(26)
        losses = "".join(
            f"{row[key]:.7g}".rjust(14) if key in row else f"{'-':>14}" for key in ("train_loss", "test_loss")
        )
        print(f"{name:<22}{cells}{losses}")
    for name, row in rows.items():
        if "split" in row and name.startswith("local_sgd"):
            print(f"{name}: " + ", ".join(f"{key} {value:.2f} s" for key, value in row["split"].items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of the generated data, kept; default: one that is deleted")
    parser.add_argument("--scale", default="1", help="of the generated data; 1 is ml-25m's shape")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--config", help="experiment; default paper-1950-1960, with --masked paper-1950-1980")
    parser.add_argument("--masked", action="store_true", help="masked_mse: local_sgd against dense Keras")
    parser.add_argument("--batches", type=int, default=150, help="--masked: dense batches that Keras trains an epoch")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="howdah-training-"))
    config = options.config or ("paper-1950-1980" if options.masked else "paper-1950-1960")
    data = ["data.dataset=synthetic", f"data.scale={options.scale}", f"data.data_dir={options.data or work / 'data'}"]
    settings = [*data, f"training.epochs={options.epochs}", "training.strategy=local_sgd"]
    model = ["model.loss=masked_mse", "model.output_activation=linear"] if options.masked else []
    try:
        launch("prepare", work / "prepared", data, "--config", config, "--profile", "off")
        rows: dict[str, dict[str, Any]] = {}
        keras_settings = [*data, *model]
        if options.masked:
            rows["Keras, 1 thread"] = keras_alone(work / "prepared", config, keras_settings, 2, 1, options.batches)
            rows["Keras, 2 threads"] = keras_alone(work / "prepared", config, keras_settings, 2, 2, options.batches)
            for workers in (1, options.workers):
                rows[f"local_sgd {workers}W"] = train(work / f"ours-{workers}", config, [*settings, *model], workers)
            show(rows, "Keras, 1 thread", options.workers)
            return
        rows["Elephas"] = train(
            work / "elephas", config, [*settings[:-1], "training.strategy=elephas"], options.workers
        )
        rows["local_sgd"] = train(work / "ours", config, settings, options.workers)
        rows["local_sgd 1W"] = train(work / "ours-1", config, settings, 1)
        for threads in (1, 2):
            name = f"Keras, {threads} thread" + "s" * (threads > 1)
            rows[name] = keras_alone(work / "prepared", config, data, min(options.epochs, 3), threads)
        show(rows, "Elephas", options.workers)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
