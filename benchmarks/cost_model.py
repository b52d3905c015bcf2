"""A model of what each phase costs, fitted to measured runs, held against others, and what it says of larger ones.

    D="--data /data --epochs 3"
    .venv/bin/python benchmarks/scaling.py $D --scales 0.1 0.25 1 --json fit.json
    .venv/bin/python benchmarks/scaling.py $D --scales 0.25 --set model.hidden=[100] --json fit.json
    .venv/bin/python benchmarks/scaling.py $D --scales 0.25 --set training.workers=4 --json fit.json
    .venv/bin/python benchmarks/scaling.py $D --scales 0.5 2 --json check.json
    .venv/bin/python benchmarks/scaling.py $D --scales 0.5 --set model.hidden=[100] --set training.workers=4 \\
        --json check.json
    .venv/bin/python benchmarks/cost_model.py --fit fit.json --check check.json --plot docs/forecast.png

A phase's seconds, and the run's peak memory, are sums of the quantities in TERMS, each with a factor of its own that is
not negative, fitted by least squares of relative errors. What crosses the network is reckoned, not fitted: `network`.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

DATA_PHASES = (
    "data_loading", "ratings_transformation", "movies_transformation", "data_integration", "statistical_analysis",
    "ratings_arrays",
)  # fmt: skip
EPOCH, EVALUATION, MEMORY = "an epoch", "model_evaluation", "peak memory"
_BATCH = 6000  # movies of a batch of the recipe's 256 users, about
_MEASURED_USERS = 0.1  # of all, whose loss ends every epoch (split.validation), beside those of training.loss_rows
_TEST_USERS = 0.2  # of all


@dataclass(frozen=True)
class Size:
    """What the costs of a run depend on. `cores` are those of all executors."""

    ratings: float
    likes: float
    users: float
    movies: float
    movies_in_file: float
    width: float
    sampled: float
    loss_rows: float
    judged: float  # evaluation.users
    workers: float
    cores: float

    @property
    def weights(self) -> float:
        """Of an autoencoder with one inner layer."""
        return 2 * self.movies * self.width + self.movies + self.width

    @property
    def outputs(self) -> float:
        """How many movies a step's softmax is summed over."""
        return min(self.movies, self.sampled + _BATCH) if self.sampled else self.movies

    @property
    def scored(self) -> float:
        """Rows that the evaluation has outputs of: each test user's twice, for the loss and for the lists."""
        test = _TEST_USERS * self.users
        return 2 * (min(self.judged, test) if self.judged else test) + min(self.loss_rows or self.users, self.users)


Term = Callable[[Size], float]
_ONE: Term = lambda size: 1.0  # noqa: E731
_RATINGS: Term = lambda size: size.ratings / size.cores  # noqa: E731
_LIKES: Term = lambda size: size.likes / size.cores  # noqa: E731
TERMS: dict[str, dict[str, Term]] = {
    "data_loading": {"1": _ONE, "ratings / core": _RATINGS},
    "ratings_transformation": {"1": _ONE, "ratings / core": _RATINGS},
    "movies_transformation": {"1": _ONE, "movies in the file": lambda size: size.movies_in_file},
    "data_integration": {"1": _ONE, "ratings / core": _RATINGS},
    "statistical_analysis": {"1": _ONE, "likes / core": _LIKES},
    "ratings_arrays": {"1": _ONE, "likes / core": _LIKES},
    EPOCH: {
        "1": _ONE,
        "width x users x outputs / core": lambda size: size.width * size.users * size.outputs / size.cores,
        "width x users measured x movies / core": lambda size: (
            size.width * (min(size.loss_rows, size.users) + _MEASURED_USERS * size.users) * size.movies / size.cores
        ),
        "weights x workers / core": lambda size: size.weights * size.workers / size.cores,
    },
    EVALUATION: {
        "1": _ONE,
        "likes / core": _LIKES,
        "rows x movies / core": lambda size: size.scored * size.movies / size.cores,
        "width x rows x movies / core": lambda size: size.width * size.scored * size.movies / size.cores,
    },
    MEMORY: {
        "1": _ONE,
        "ratings": lambda size: size.ratings,
        "weights": lambda size: size.weights,
        "weights x workers": lambda size: size.weights * size.workers,
    },
}
Factors = dict[str, list[float]]


def size_of(run: Mapping[str, Any]) -> Size:
    """The size of a measured run."""
    return Size(**{name: float(run[name]) for name in Size.__dataclass_fields__})


def costs_of(run: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of phases, and bytes of memory."""
    costs = {name: run["costs"][name][0] for name in TERMS if name != MEMORY}
    return costs | {MEMORY: run["costs"]["total"][1]}


def fit(runs: Sequence[Mapping[str, Any]]) -> Factors:
    """The factors of every cost's terms."""
    factors = {}
    for name, terms in TERMS.items():
        costs = np.array([costs_of(run)[name] for run in runs])
        rows = np.array([[term(size_of(run)) for term in terms.values()] for run in runs])
        scale = rows.max(axis=0)  # numbers of one size, for the solver
        found, _ = nnls(rows / scale / costs[:, None], np.ones(len(costs)))
        factors[name] = (found / scale).tolist()
    return factors


def predict(factors: Factors, size: Size) -> dict[str, float]:
    """Every cost of a run of that size."""
    return {
        name: sum(factor * term(size) for factor, term in zip(factors[name], terms.values(), strict=True))
        for name, terms in TERMS.items()
    }


@dataclass(frozen=True)
class Network:
    """Bytes that cross the network between hosts, and the seconds that the busiest link is at it."""

    crossing: float
    seconds: float


def network(size: Size, hosts: float, shuffled: Mapping[str, float], link: float) -> dict[str, Network]:
    """By phase; `shuffled` are bytes a rating (a like, in the statistics), `link` the bytes a second of a host.

    Of a shuffle all but a host's own part crosses. A round passes the weights to every host, by a tree of hosts in
    which each sends and receives them once or twice, and adds up the workers' deltas in sqrt(W) groups, then on the
    driver.
    """
    away, weights = 1 - 1 / hosts, 4 * size.weights
    groups = math.ceil(math.sqrt(size.workers))
    gathered = {
        "data_integration": shuffled["data_integration"] * size.ratings,
        "statistical_analysis": shuffled["statistical_analysis"] * size.likes,
    }
    found = {name: Network(bytes_ * away, bytes_ * away / hosts / link) for name, bytes_ in gathered.items()}
    found[EPOCH] = Network(
        weights * (hosts + size.workers + groups), weights * (2 + size.workers / groups + groups) / link
    )
    found[EVALUATION] = Network(weights * hosts, 2 * weights / link)
    return found


def shuffled_bytes(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Bytes that were shuffled for every rating (in the statistics: like): the median of the runs."""
    by = {"data_integration": "ratings", "statistical_analysis": "likes"}
    return {
        phase: float(np.median([run["shuffled_bytes"].get(phase, 0) / run[per] for run in runs]))
        for phase, per in by.items()
    }


def told(factors: Factors, runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """The factors, and for every run and cost what was predicted and measured."""
    lines = ["seconds (memory: bytes) ="]
    for name, terms in TERMS.items():
        parts = [f"{factor:.3g} x {text}" for factor, text in zip(factors[name], terms, strict=True) if factor]
        lines.append(f"  {name:<24}" + " + ".join(parts))
    for kind, some in runs.items():
        for run in some:
            size, measured = size_of(run), costs_of(run)
            predicted = predict(factors, size)
            head = f"{kind}: {size.ratings:,.0f} ratings, width {size.width:.0f}, {size.workers:.0f} workers"
            lines += ["", f"{head:<60}{'measured':>12}{'predicted':>12}"]
            for name in TERMS:
                one, other = (value / (1e9 if name == MEMORY else 1) for value in (measured[name], predicted[name]))
                lines.append(f"  {name:<58}{one:>12.2f}{other:>12.2f}   {other / one - 1:+.0%}")
            pairs = [(sum(costs[name] for name in DATA_PHASES), costs) for costs in (measured, predicted)]
            (one, _), (other, _) = pairs
            lines.append(f"  {'all data phases':<58}{one:>12.2f}{other:>12.2f}   {other / one - 1:+.0%}")
    return lines


def large(hosts: int) -> Size:
    """A billion ratings in MovieLens' manner, of ml-25m's movies, on executors of one core."""
    return Size(1e9, 5e8, 6.5e6, 43_157, 62_423, 200, 5000, 10_000, 20_000, hosts, hosts)


def forecast(factors: Factors, shuffled: Mapping[str, float], hosts: int, link: float) -> list[str]:
    """What it says of a billion ratings on so many executors."""
    size = large(hosts)
    costs, crossing = predict(factors, size), network(size, hosts, shuffled, link)
    lines = [
        "",
        f"a billion ratings, {size.users:,.0f} users, {hosts} executors of one core, link {link * 8 / 1e9:g} Gbit/s",
    ]
    for name in (*DATA_PHASES, EPOCH, EVALUATION):
        over = crossing.get(name, Network(0, 0))
        crossed = f"{over.crossing / 1e9:>9.2f} GB over the network, {over.seconds:>6.2f} s"
        lines.append(f"  {name:<24}{costs[name]:>9.1f} s  {crossed}")
    moments = 8 * size.weights * size.workers
    lines.append(
        f"  a checkpoint            {moments / 1e9:>9.1f} GB of moments, through the driver: {moments / link:.0f} s"
    )
    return lines


def draw(factors: Factors, runs: Mapping[str, Sequence[Mapping[str, Any]]], shuffled: Mapping[str, float], link: float,
         path: Path) -> None:  # fmt: skip
    """Predictions beside measurements, and the forecast by executors."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5.2), layout="constrained")
    names = [name for name in TERMS if name != MEMORY]
    colours = dict(zip(names, plt.get_cmap("tab10").colors, strict=False))  # type: ignore[attr-defined]
    for kind, some in runs.items():
        for name in names:
            pairs = [(costs_of(run)[name], predict(factors, size_of(run))[name]) for run in some]
            face = colours[name] if kind == "checked" else "none"
            label = name if kind == "checked" else None
            left.scatter(*zip(*pairs, strict=True), s=34, facecolors=face, edgecolors=colours[name], label=label)
    ends = np.array(left.get_xlim())
    ends[0] = max(ends[0], 0.3)
    left.fill_between(ends, 0.8 * ends, 1.2 * ends, color="0.9", zorder=0)
    left.set(xscale="log", yscale="log", xlabel="measured, s", ylabel="predicted, s", xlim=ends)
    left.set_title("runs fitted to (hollow) and not (filled); grey: within 20 %")
    left.legend(fontsize=8)
    hosts = np.unique(np.geomspace(4, 1000, 40).astype(int))
    costs = [predict(factors, large(int(n))) for n in hosts]
    over = [network(large(int(n)), n, shuffled, link) for n in hosts]
    lines = {
        "data phases, computing": [sum(one[name] for name in DATA_PHASES) for one in costs],
        "data phases, network": [sum(one[name].seconds for name in DATA_PHASES if name in one) for one in over],
        "an epoch, computing": [one[EPOCH] for one in costs],
        "an epoch, network (one round)": [one[EPOCH].seconds for one in over],
        "evaluation": [one[EVALUATION] for one in costs],
        "a checkpoint, through the driver": [8 * large(int(n)).weights * n / link for n in hosts],
    }
    for label, seconds in lines.items():
        right.plot(hosts, seconds, "--" if "network" in label or "driver" in label else "-", label=label)
    right.set(xscale="log", yscale="log", xlabel="executors of one core", ylabel="s")
    right.set_title(f"forecast: a billion ratings, {link * 8 / 1e9:g} Gbit/s")
    right.legend(fontsize=8)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", type=Path, required=True, metavar="FILE", help="runs to fit to, of scaling.py --json")
    parser.add_argument("--check", type=Path, required=True, metavar="FILE", help="runs to hold the model against")
    parser.add_argument("--hosts", type=int, default=100, help="executors of the forecast")
    parser.add_argument("--link", type=float, default=10.0, help="of each of them, Gbit/s")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draws the picture there")
    options = parser.parse_args()
    runs = {kind: json.loads(path.read_text()) for kind, path in (("fitted", options.fit), ("checked", options.check))}
    factors, shuffled, link = fit(runs["fitted"]), shuffled_bytes(runs["fitted"]), options.link * 1e9 / 8
    print("\n".join(told(factors, runs)))
    print("\n".join(forecast(factors, shuffled, options.hosts, link)))
    if options.plot:
        draw(factors, runs, shuffled, link, options.plot)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
