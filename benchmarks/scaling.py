"""What each phase costs as the data grow: time and memory by scale, with fitted exponents and a picture.

    .venv/bin/python benchmarks/scaling.py --data /data --plot docs/scaling.png      scales 0.1, 0.25, 0.5, 1
    .venv/bin/python benchmarks/scaling.py --data /data --scales 0.01 0.02           a look

Each run is `./spark-submit.sh train --config ml-25m` on generated data, from the files to the report, with `--epochs`
epochs. Cost = a ratings^b is fitted by least squares of logarithms over all scales but the largest, and held against
that one: what the fit is worth where it was not made. A phase of fractions of a second has no exponent to speak of.

`--json FILE` adds what was measured to a file, from which `cost_model.py` fits and checks its model.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from recsys.config.load import load_tree

ROOT = Path(__file__).resolve().parent.parent

PHASES = (
    "data_loading", "ratings_transformation", "movies_transformation", "data_integration", "statistical_analysis",
    "ratings_arrays", "model_training", "model_evaluation", "total",
)  # fmt: skip

Costs = dict[str, tuple[float, float]]  # phase -> (seconds, peak PSS in bytes)


def run(scale: float, options: argparse.Namespace, folder: Path) -> tuple[int, Costs, dict[str, Any]]:
    """Ratings in the files, what a run cost, and what it was like."""
    output = folder / f"scale-{scale:g}"
    settings = ["data.dataset=synthetic", f"data.scale={scale}", f"data.data_dir={options.data}"]
    settings += [f"training.epochs={options.epochs}", *options.set]
    for job, place in (("fetch", folder / f"fetch-{scale:g}"), ("train", output)):  # the data are there before the run
        words = [str(ROOT / "spark-submit.sh"), job, "--config", "ml-25m", "--output", str(place)]
        words += [word for one in settings for word in ("--set", one)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
    costs: Costs = {}
    with (output / "report" / "phases.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["phase"] in PHASES:
                costs[row["phase"]] = float(row["wall_seconds"]), float(row["pss_peak_bytes"] or 0)  # 0: not known
    with (output / "history.csv").open(newline="") as file:
        epochs = [float(row["seconds"]) for row in csv.DictReader(file)]
    costs["an epoch"] = float(np.median(epochs[1:] or epochs)), costs["model_training"][1]
    return int(_json(output / "statistics.json")["rows_read"]), costs, {"costs": costs, **describe(output)}


def describe(output: Path) -> dict[str, Any]:
    """What the costs of a run depend on."""
    statistics, config = _json(output / "statistics.json"), load_tree([output / "config.toml"])
    training = config["training"]
    shuffled: dict[str, int] = {}
    for line in (output / "resources" / "stages.jsonl").read_text(encoding="utf-8").splitlines():
        stage = json.loads(line)
        shuffled[stage["phase"] or ""] = shuffled.get(stage["phase"] or "", 0) + stage["shuffle_write_bytes"]
    return {
        "ratings": statistics["rows_read"],
        "likes": statistics["ratings"],
        "users": statistics["users"],
        "movies": statistics["movies"],
        "movies_in_file": statistics["movies_file"]["rows_read"],
        "width": config["model"]["hidden"][0],
        "sampled": training["sampled_items"],
        "loss_rows": training["loss_rows"],
        "judged": config.get("evaluation", {}).get("users", 0),
        "workers": training["workers"],
        "cores": min(training["workers"], os.cpu_count() or 1),
        "shuffled_bytes": shuffled,
    }


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def fit(sizes: np.ndarray, costs: np.ndarray) -> tuple[float, float]:
    """(a, b) of cost = a size^b."""
    exponent, log_factor = np.polyfit(np.log(sizes), np.log(np.maximum(costs, 1e-3)), 1)
    return float(np.exp(log_factor)), float(exponent)


def told(found: dict[int, Costs]) -> list[str]:
    """The table."""
    sizes = np.array(sorted(found))
    lines = [f"{'':<24}" + "".join(f"{size:>14,}" for size in sizes) + "   exponent   forecast of the largest"]
    for kind, unit, divisor in ((0, "s", 1.0), (1, "GB", 1e9)):
        for phase in (*PHASES[:7], "an epoch", *PHASES[7:]):
            costs = np.array([found[size][phase][kind] for size in sizes]) / divisor
            known = costs > 0  # the memory of a phase that no sample fell into is not
            cells = (f"{cost:.2f}" if one else "-" for cost, one in zip(costs, known, strict=True))
            line = f"{phase + ', ' + unit:<24}" + "".join(f"{cell:>14}" for cell in cells)
            if len(sizes) > 2 and known.all():
                factor, exponent = fit(sizes[:-1], costs[:-1])
                forecast = factor * sizes[-1] ** exponent
                line += f"   {exponent:>8.2f}   {forecast:>8.2f} ({forecast / costs[-1] - 1:+.0%})"
            lines.append(line)
    return lines


def draw(found: dict[int, Costs], path: Path) -> None:
    """Seconds and memory by ratings, on logarithmic axes, beside lines of exponent 1."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sizes = sorted(found)
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.6), layout="constrained")
    for phase in (*PHASES[:7], "an epoch", *PHASES[7:]):
        seconds = [found[size][phase][0] for size in sizes]
        if max(seconds) < 1:
            continue
        left.plot(sizes, seconds, marker="o", label=phase)
        if phase in ("data_loading", "data_integration", "model_training", "model_evaluation"):
            right.plot(sizes, [found[size][phase][1] / 1e9 or np.nan for size in sizes], marker="o", label=phase)
    for start in (0.1, 1.0, 10.0):
        left.plot(sizes, [start * size / sizes[0] for size in sizes], color="0.85", zorder=0)
    left.set(xscale="log", yscale="log", xlabel="ratings in the files", ylabel="s", title="time (grey: in proportion)")
    right.set(xscale="log", xlabel="ratings in the files", ylabel="GB", title="peak memory (PSS) of all processes")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.set_xticks(sizes, [f"{size / 1e6:.3g} M" for size in sizes])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=120)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", required=True, metavar="DIR", help="where generated data lie, or are put")
    parser.add_argument("--scales", type=float, nargs="+", default=[0.1, 0.25, 0.5, 1.0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of all runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="adds the runs there")
    parser.add_argument("--plot", metavar="FILE", help="draws the picture there")
    options = parser.parse_args()
    found: dict[int, Costs] = {}
    with tempfile.TemporaryDirectory(prefix="howdah-scaling-") as folder:
        for scale in sorted(options.scales):
            ratings, found_costs, described = run(scale, options, Path(folder))
            found[ratings] = found_costs
            if options.json:
                runs = _json(options.json) if options.json.exists() else []
                options.json.write_text(json.dumps([*runs, described], indent=1) + "\n", encoding="utf-8")
            print(f"scale {scale:g}: {ratings:,} ratings, {found_costs['total'][0]:.0f} s", flush=True)
    print("\n".join(told(found)))
    if options.plot:
        draw(found, Path(options.plot))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
