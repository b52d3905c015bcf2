"""Keras by itself on a prepared data set, as benchmarks/training.py calls it: `fit` on dense batches, one process.

    python benchmarks/_keras_alone.py PREPARED EXPERIMENT.toml EPOCHS THREADS [BATCHES] [KEY=VALUE ...]

Prints one line of JSON: seconds of each epoch, training losses as Keras tells them, rows, and the share of an epoch's
batches that was trained (all of them unless BATCHES says fewer, for data whose dense form takes too long).
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def main(argv: list[str]) -> None:
    prepared, experiment, epochs, threads = argv[0], argv[1], int(argv[2]), int(argv[3])
    most = int(argv[4]) if len(argv) > 4 else 0
    os.environ.update(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3", OMP_NUM_THREADS=str(threads))
    import keras
    import numpy as np
    import pyarrow.parquet as pq
    import tensorflow as tf

    from recsys import load_config
    from recsys.data.blocks import block_from_row
    from recsys.data.examples import Examples
    from recsys.data.partition import concatenate
    from recsys.data.preprocessing import Preprocessing
    from recsys.data.split import TRAIN
    from recsys.models.autoencoder.families import Autoencoder
    from recsys.registries import FAMILIES, loss_named

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    config = load_config([experiment], argv[5:])
    described = json.loads((Path(prepared) / "prepared.json").read_text(encoding="utf-8"))
    movies = pq.read_table(Path(prepared) / "items.parquet").num_rows
    scale = Preprocessing.of(described).without_weights()
    examples = Examples.of(config, movies, scale)
    blocks = [block_from_row(row) for row in pq.read_table(Path(prepared) / "blocks").to_pylist()]
    whole = concatenate([block.take(examples.rows(block, TRAIN)) for block in blocks])
    matrix = scale.scale(examples.arrays(whole, TRAIN)[0])
    size = config.training.batch_size

    # dense a batch at a time, in a new order every epoch
    class Batches(keras.utils.PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.generator = np.random.default_rng(config.seed)
            self.on_epoch_end()

        def __len__(self) -> int:
            batches = -(-matrix.shape[0] // size)
            return min(most, batches) if most else batches

        def __getitem__(self, number: int) -> Any:
            dense = matrix[self.order[number * size : (number + 1) * size]].toarray()
            return dense, dense

        def on_epoch_end(self) -> None:
            self.order = self.generator.permutation(matrix.shape[0])

    family = FAMILIES.get(config.model.kind)
    assert issubclass(family, Autoencoder)
    model = family.architecture.build(movies, config.model, config.seed)
    model.compile(
        optimizer=keras.optimizers.Adam(config.training.learning_rate),
        loss=loss_named(config.model.loss_name).keras_loss(),
    )
    seconds, losses = [], []
    data = Batches()
    for _ in range(epochs):
        started = time.perf_counter()
        losses.append(model.fit(data, epochs=1, verbose=0).history["loss"][0])
        seconds.append(time.perf_counter() - started)
        data.on_epoch_end()
    share = len(data) / -(-matrix.shape[0] // size)
    print(json.dumps({"seconds": seconds, "losses": losses, "rows": matrix.shape[0], "share": share}))


if __name__ == "__main__":
    main(sys.argv[1:])
