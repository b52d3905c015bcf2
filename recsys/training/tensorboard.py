"""The history as TensorBoard event files: `tensorboard --logdir RUN` draws the curves while a run goes on."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import tensorflow as tf

from recsys.training.history import Epoch


class Curves:
    """Writes each epoch's losses and seconds; `epochs` are those of an earlier part of the run, written anew."""

    def __init__(self, folder: Path, epochs: list[Epoch]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._writer = tf.summary.create_file_writer(str(folder))
        for epoch in epochs:
            self.write(epoch)

    def write(self, epoch: Epoch) -> None:
        """One more epoch, on disk when this returns."""
        figures = {"loss/train": epoch.train_loss, "loss/validation": epoch.validation_loss}
        figures |= {} if epoch.test_loss is None else {"loss/test": epoch.test_loss}
        figures |= {f"seconds/{name}": value for name, value in asdict(epoch.split).items()}
        with self._writer.as_default(step=epoch.epoch):
            for name, value in {**figures, "seconds/epoch": epoch.seconds}.items():
                tf.summary.scalar(name, value)
        self._writer.flush()

    def close(self) -> None:
        """Ends the file."""
        self._writer.close()
