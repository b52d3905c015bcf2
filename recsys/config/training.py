"""How it is trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from recsys.config.table import Complaint, Table, key


class TrainingConfig(Table):
    """How the model is trained across the workers."""

    strategy: Literal["local_sgd", "elephas", "gradient_sum"] = key(
        "local_sgd",
        "local_sgd: sparse batches, Adam's moments kept from round to round, deltas weighted by rows, an outer "
        "optimizer, and of mf and biased_mf stochastic steps on blocks of movies that go round; elephas: "
        "elephas.SparkModel as it is, the baseline; gradient_sum: mf and biased_mf, an epoch is one step by all "
        "workers' summed gradients, the same at any number of workers",
    )
    workers: int = key(
        1, "training partitions, each with one thread, and a core where there are as many", "workers", ge=1
    )
    epochs: int = key(50, "passes over the training users", "epochs", ge=1)
    batch_size: int = key(64, "rating arrays a step of one worker", "users", ge=1)
    learning_rate: float = key(0.001, "step size of Adam", gt=0)
    schedule: Literal["constant", "cosine"] = key(
        "constant", "local_sgd: of learning_rate. cosine: falls along a cosine, to 0 in the last step of all epochs"
    )
    syncs_per_epoch: int = key(
        1, "local_sgd: rounds an epoch, after each of which workers go on from one model", "rounds", ge=1
    )
    outer: Literal["mean", "nesterov", "slowmo"] = key(
        "nesterov",
        "local_sgd: what is done with the workers' mean delta. mean: added, as Elephas does; nesterov: DiLoCo's "
        "momentum; slowmo: plain momentum",
    )
    outer_learning_rate: float | None = key(
        None, "local_sgd: step size of the outer optimizer; by default by workers", gt=0
    )
    outer_momentum: float | None = key(
        None, "local_sgd: momentum of the outer optimizer; by default by workers", ge=0, lt=1
    )
    learning_rate_scale: float | None = key(
        None, "local_sgd: what learning_rate is multiplied by; by default by workers", gt=0
    )
    sampled_items: int = key(
        0,
        "local_sgd, multinomial: the softmax is summed over the batch's movies and this many others; 0 is exact",
        "movies",
        ge=0,
    )
    kernels: Literal["auto", "numpy", "numba"] = key(
        "auto",
        "local_sgd, autoencoders: what computes beside the matrix products, which are NumPy's. numba: kernels that a "
        "host compiles once; numpy: the reference, slower; auto: numba where it is installed. The factors of mf, "
        "biased_mf and als always need numba",
    )
    loss_rows: int = key(
        0,
        "local_sgd: the training loss, of epochs and in the evaluation, is measured on about so many rating arrays, "
        "evenly taken; 0 is all of them, which with a large catalogue takes as long as training",
        "users",
        ge=0,
    )
    checkpoint_seconds: float = key(
        60.0, "at most this often all that training can go on from is written down, for --resume", "s", ge=0
    )
    max_seconds: float = key(
        0.0,
        "training stops where the next epoch, or round, would probably end later than this; it leaves a checkpoint "
        "and a saved model, and train --resume goes on; 0 is no limit. Each call has it anew. It is of the phase "
        "model_training, but a step after the epochs is not foreseen, and a model solved in one step is not stopped",
        "s",
        ge=0,
    )
    test_loss: bool = key(
        False,
        "also measure the loss on the test part after every epoch: for the curve alone, nothing is chosen by it",
    )
    check_memory: bool = key(
        True, "refuse to begin where training would take more memory than is left, here or on a cluster's hosts"
    )
    patience: int = key(
        0, "stop after this many epochs without a better validation loss; 0 trains them all", "epochs", ge=0
    )
    keep: Literal["best", "last"] = key("best", "which epoch's weights are kept; best goes by validation loss")

    def complaints(self) -> Iterator[Complaint]:
        """The impossible combinations."""
        if self.schedule == "cosine" and self.patience:
            text = (
                "training.patience would end a training whose schedule is 'cosine' before its steps are small: drop one"
            )
            yield ("training.patience", "training.schedule"), text
        if self.strategy == "elephas":
            own = {
                "syncs_per_epoch",
                "outer",
                "outer_learning_rate",
                "outer_momentum",
                "learning_rate_scale",
                "sampled_items",
                "kernels",
                "loss_rows",
                "schedule",
            }
            for key in sorted(own & self.model_fields_set):
                if getattr(self, key) != type(self).model_fields[key].default:
                    text = (
                        f"training.{key} has no meaning with training.strategy = 'elephas': drop it, or use 'local_sgd'"
                    )
                    yield (f"training.{key}", "training.strategy"), text
