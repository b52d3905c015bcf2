"""A small training by local SGD, and what its rounds come to without Spark."""

import numpy as np
from parts import part_of
from small_ratings import block_of

from recsys.config.load import build_config
from recsys.data.examples import Examples
from recsys.data.preprocessing import Preprocessing
from recsys.data.split import TRAIN, VALIDATION
from recsys.models.autoencoder.families import DenoisingAutoencoder
from recsys.models.autoencoder.kernels.engine import plan_for
from recsys.models.autoencoder.start import first_weights
from recsys.training.base import TrainingData
from recsys.training.local_sgd.worker import Delta, Task, train_round
from recsys.training.loop import train
from recsys.training.outer import outer_for
from recsys.training.state import Moments

COLUMNS, USERS, WORKERS, DENSITY = 11, 23, 4, 0.4
PREPROCESSING = Preprocessing(0.5, 5.0)


def config_of(**training):
    settings = {"workers": WORKERS, "batch_size": 4, "learning_rate": 0.01, "epochs": 4, "keep": "last", **training}
    model = {"hidden": [5], "activation": "tanh", "loss": "masked_mse", "dropout": 0.2, "input_dropout": 0.3}
    return build_config({"seed": 3, "data": {"dataset": "ml-1m"}, "model": model, "training": settings})


def drawn_part(spark, users, workers, seed=0):
    """Users with ratings that are drawn."""
    generator = np.random.default_rng(seed)
    dense = generator.integers(1, 11, (users, COLUMNS)) / 2 * (generator.random((users, COLUMNS)) < DENSITY)
    return part_of(spark, block_of(dense, np.arange(users)), workers)


def examples_of(config):
    return Examples.of(config, COLUMNS, PREPROCESSING)


def parts_of(spark, workers=WORKERS):
    return {TRAIN: drawn_part(spark, USERS, workers), VALIDATION: drawn_part(spark, 6, workers, seed=1)}


def one_after_the_other(config, parts, start, epochs):
    """What the workers' rounds come to without Spark: (weights, moments by worker)."""
    settings, examples = config.training, examples_of(config)
    architecture = DenoisingAutoencoder.architecture
    plan = plan_for(architecture, config.model, COLUMNS, DENSITY, settings.batch_size, 0)
    outer, rate = outer_for(settings)
    weights, kept = plan.layout.from_keras(start), dict[int, Moments]()
    blocks = parts[TRAIN].blocks.glom().collect()
    for epoch in range(1, epochs + 1):
        for number in range(settings.syncs_per_epoch):
            syncs, size = settings.syncs_per_epoch, settings.batch_size
            task = Task(plan, examples, "plain", 3, epoch, settings.epochs, number, syncs, size, rate)
            deltas = []
            for worker, own in enumerate(blocks):
                moments, delta = train_round(task, weights, worker, [*([kept[worker]] if worker in kept else []), *own])
                assert isinstance(moments, Moments) and isinstance(delta, Delta)
                kept[worker] = moments
                deltas.append(delta)
            rows = sum(one.rows for one in deltas)
            moved = [one.value * np.float32(one.rows / rows) for one in deltas if one.rows]
            weights = outer.step(weights, sum(moved, np.zeros_like(weights)))
    return weights, kept, plan


def start_of(config):
    """The weights that training starts from, as Keras has them."""
    return first_weights(DenoisingAutoencoder.architecture, config.model, COLUMNS, config.seed)


def data_of(config, parts):
    return TrainingData(config, examples_of(config), parts, DENSITY)


def train_in(folder, config, parts):
    data, epochs, told = data_of(config, parts), list[int](), list[str]()
    folder.mkdir(exist_ok=True)
    trained = train(
        DenoisingAutoencoder.trainer(data), data, folder,
        on_epoch=lambda progress: epochs.append(progress.epoch.epoch), say=told.append,
    )  # fmt: skip
    model = trained.model
    assert isinstance(model, DenoisingAutoencoder)
    return model.weights, epochs, told
