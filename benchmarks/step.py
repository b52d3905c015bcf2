"""A worker's step and loss by compiled kernels beside NumPy's, in one process and without Spark.

    .venv/bin/python benchmarks/step.py
    .venv/bin/python benchmarks/step.py --only paper recvae

Rating arrays are drawn: popular movies are rated more often. Both ways train the same batches from the same weights,
turn by turn. Times are CPU time of one thread, the best of several turns, so that other work on the machine matters
little. Nothing is asserted; ratios are of this run.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one worker, one thread

import numpy as np
from scipy.sparse import csr_matrix

from recsys.data.arrays import Arrays
from recsys.models.autoencoder.config import AutoencoderConfig, DaeConfig, RecVaeConfig
from recsys.models.autoencoder.kernels.architecture import Architecture
from recsys.models.autoencoder.kernels.engine import Engine, plan_for
from recsys.models.autoencoder.kernels.hidden_layers import DenseLayers
from recsys.models.autoencoder.kernels.recvae import RecVaeLayers

TURNS, STEPS = 5, 20


@dataclass(frozen=True)
class Case:
    """A model and the shape of its batches."""

    name: str
    architecture: Architecture
    model: AutoencoderConfig
    batch: int  # rows
    columns: int
    ratings: float  # of a row, on average
    sampled_items: int = 0


PAPER: dict[str, Any] = {"hidden": (150, 25, 150), "activation": "relu"}
CASES = {
    "paper": Case("paper, softmax, 1950-1960", DenseLayers(), DaeConfig(**PAPER, loss="mse"), 64, 2821, 7.3),
    "masked": Case(
        "paper, masked_mse, 1950-1980", DenseLayers(), DaeConfig(**PAPER, loss="masked_mse"), 64, 10691, 20
    ),
    "multinomial": Case(
        "Mult-DAE, ml-1m", DenseLayers(),
        DaeConfig(hidden=(200,), activation="tanh", loss="multinomial", input_normalisation="l2"), 100, 3500, 90,
    ),
    "sampled": Case(
        "sampled softmax, 32,000 movies", DenseLayers(),
        DaeConfig(hidden=(200,), activation="tanh", loss="multinomial"), 256, 32_000, 70, 2000,
    ),
    "recvae": Case(
        "RecVAE, ml-1m", RecVaeLayers(),
        RecVaeConfig(hidden=(400, 400, 400), latent=200, activation="silu", input_dropout=0.5), 128, 3500, 90,
    ),
}  # fmt: skip


def drawn(rows: int, columns: int, ratings: float) -> csr_matrix:
    """Rating arrays, the same at every call."""
    draw = np.random.default_rng(0)
    popularity = 1 / np.arange(1, columns + 1) ** 0.8
    popularity /= popularity.sum()
    own = [np.unique(draw.choice(columns, max(1, draw.poisson(ratings)), p=popularity)) for _ in range(rows)]
    starts = np.cumsum([0, *map(len, own)]).astype(np.int32)
    values = draw.integers(1, 11, starts[-1]).astype(np.float32) / 10
    return csr_matrix((values, np.concatenate(own).astype(np.int32), starts), shape=(rows, columns))


def measured(case: Case) -> dict[bool, tuple[float, float]]:
    """CPU seconds of a step and of the loss of 1,000 rows, by whether kernels are compiled."""
    matrix = drawn(case.batch * STEPS, case.columns, case.ratings)
    arrays, rows = Arrays(matrix, matrix), np.arange(matrix.shape[0])
    density = matrix.nnz / np.prod(matrix.shape)
    engines = {}
    for compiled in (False, True):
        plan = plan_for(
            case.architecture, case.model, case.columns, density, case.batch, case.sampled_items, compiled=compiled
        )
        engines[compiled] = engine = Engine(plan)
        weights = (np.random.default_rng(1).normal(size=plan.layout.size) * 0.05).astype(np.float32)
        engine.load(weights, None, 0)
        engine.train(arrays, rows[: case.batch], case.batch, [(0.001, 0.0)], np.random.default_rng(0))  # compiles
        engine.measure(arrays, 1)
        engine.load(weights, None, 0)
    best = dict.fromkeys(engines, (np.inf, np.inf))
    for turn in range(TURNS):
        for compiled, engine in engines.items():
            clock = time.process_time()
            engine.train(arrays, rows, case.batch, [(0.001, 0.0)] * STEPS, np.random.default_rng(turn))
            trained = time.process_time()
            engine.measure(arrays)
            step, loss = (trained - clock) / STEPS, (time.process_time() - trained) / len(rows) * 1000
            best[compiled] = min(best[compiled][0], step), min(best[compiled][1], loss)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    options = parser.parse_args()
    print(f"{'CPU ms':<34}{'step, NumPy':>14}{'compiled':>10}{'ratio':>7}{'loss of 1,000 rows':>22}{'compiled':>10}"
          f"{'ratio':>7}")  # fmt: skip
    for name in options.only:
        found = measured(CASES[name])
        cells = ""
        for which, wide in ((0, 14), (1, 22)):
            slow, fast = found[False][which] * 1e3, found[True][which] * 1e3
            cells += f"{slow:{wide}.2f}{fast:10.2f}{slow / fast:7.2f}"
        print(f"{CASES[name].name:<34}{cells}", flush=True)


if __name__ == "__main__":
    main()
