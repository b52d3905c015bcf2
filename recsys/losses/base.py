"""What a loss is, and what losses share: a definition, a gradient, and how an output layer is trained by it.

A loss is a mean: a sum over a weight. Training minimises the mean over a batch. The losses in history.csv are the sums
of all batches over the weights of all batches, so that no batch size or partition counts more than its part.

h (rows x width) is the last hidden layer. A dense output layer is a kernel (width x columns) with a bias, as in Keras.
An output layer by rows is one matrix (columns x (width + 1)), whose last column is the bias, so that the outputs of a
few columns need nothing of the others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
from scipy.sparse import csr_matrix

from recsys.activations import activate

if TYPE_CHECKING:
    from recsys.data.preprocessing import Preprocessing

Sums = tuple[float, float]
Gradients = list[np.ndarray]
OutputBlock: TypeAlias = tuple[int, np.ndarray]  # the first column of a block, outputs float32 (rows, its columns)
DENSE, ROWS, GRAMIAN = "dense", "rows", "gramian"  # how the output layer is laid out, and which columns a step computes
_SPARSE = 16  # times fewer entries than outputs: then each entry's output is computed by itself


@dataclass(frozen=True)
class Targets:
    """What a batch is held against; see recsys.models.autoencoder.kernels.batches."""

    size: int  # rows
    rows: np.ndarray  # int32 (entries), ascending
    starts: np.ndarray  # int32 (rows + 1): where the entries of each row begin
    slots: np.ndarray  # int32 (entries): a column's place in `columns`
    values: np.ndarray  # float32 (entries)
    columns: np.ndarray  # int32 (distinct columns)
    offsets: np.ndarray  # float32 (rows): added to the outputs
    log_weights: np.ndarray  # float32 (distinct columns): of each in the softmax' sum, 0 but for sampled ones

    def places(self, width: int) -> np.ndarray:
        """int64 (entries): where each entry stands in a dense (rows x width) array laid out flat."""
        return self.rows.astype(np.int64) * width + self.columns[self.slots]

    def counts(self) -> np.ndarray:
        """float32 (rows): entries of each row."""
        return np.diff(self.starts).astype(np.float32)

    def totals(self) -> np.ndarray:
        """float32 (rows): the sum of each row's values."""
        return np.bincount(self.rows, self.values, self.size).astype(np.float32)

    def sparse(self, values: np.ndarray, columns: int | None = None) -> csr_matrix:
        """These values at the entries: (rows x distinct columns), or with all `columns`."""
        indices = self.slots if columns is None else self.columns[self.slots]
        return csr_matrix(
            (values, indices, self.starts), shape=(self.size, len(self.columns) if columns is None else columns)
        )


class Work:
    """Arrays of the outputs' size, used again from batch to batch: memory that was just freed costs page faults."""

    def __init__(self) -> None:
        self._kept: dict[str, np.ndarray] = {}

    def array(self, name: str, *shape: int) -> np.ndarray:
        """A float32 array of that shape, whatever it holds; of the same name it is the same memory."""
        size = int(np.prod(shape))
        if name not in self._kept or self._kept[name].size < size:
            self._kept[name] = np.empty(size, np.float32)
        return self._kept[name][:size].reshape(shape)


@dataclass(frozen=True)
class LossResult:
    """A loss of a batch. Call one of the two, once: they write to the same memory."""

    sums: Callable[[], Sums]  # (sum, weight); the loss is their quotient
    back: Callable[[Gradients], np.ndarray]  # the loss' gradient of h; that of the decoder is written into the arrays


@dataclass(frozen=True)
class OutputLayer:
    """How the output layer is trained."""

    layout: str  # DENSE, ROWS or GRAMIAN, as `Loss.layout` said
    activation: str
    shifted: bool  # whether each row's offset is added to its outputs
    compiled: bool = False  # whether a loss that has compiled kernels computes by them


class Loss(ABC):
    """One loss, registered by name in recsys.registries or by an entry point of the group `howdah.losses`.

    A new loss gives a name, `sums` and `gradient`; what is below these has defaults that are right for any loss. Losses
    have no state: two of one class are equal.
    """

    name: ClassVar[str]
    predicts_ratings: ClassVar[bool]  # whether outputs stand for ratings, not for an order alone
    default_activation: ClassVar[str] = "linear"  # of the output layer
    activations: ClassVar[tuple[str, ...] | None] = None  # that the output layer may have; None: any
    orientations: ClassVar[tuple[str, ...]] = ("user",)  # whose rating arrays it is for
    learns_likes: ClassVar[bool] = True  # whether it learns where all ratings are 1
    uses_weights: ClassVar[bool] = False  # whether it has a form in which counts weigh (`weighted`)
    samples_items: ClassVar[bool] = False  # whether training.sampled_items has a meaning
    in_blocks: ClassVar[bool] = False  # whether it has `sums_in_blocks`

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self).__qualname__)

    @abstractmethod
    def sums(self, target: csr_matrix, output: np.ndarray) -> Sums:
        """The definition: (sum, weight); the loss is their quotient.

        Args:
            target: rating arrays, rows x columns; what is rated is stored, and above 0.
            output: outputs float32, rows x columns, C-contiguous; may be written over.
        """

    def sums_in_blocks(self, target: csr_matrix, outputs: Iterable[OutputBlock], compiled: bool) -> Sums:
        """The same of outputs that come some columns at a time, in the order of the columns: less memory to read.

        Args:
            target: as of `sums`.
            outputs: C-contiguous, may be written over.
            compiled: asks for a kernel; where there can be none NumPy does it.
        """
        raise NotImplementedError

    @abstractmethod
    def gradient(self, target: csr_matrix, output: np.ndarray) -> np.ndarray:
        """The slope of sum / weight by each output: float32, rows x columns. `output` may be written over."""

    def weighted(self) -> Loss:
        """The same loss where the values of the targets are the weights of counts. A loss that `uses_weights` gives it,
        unless it reads the values anyway."""
        return self

    def of(self, preprocessing: Preprocessing) -> Loss:
        """The loss of arrays that were made so: the weighted one where they hold weights."""
        return self.weighted() if preprocessing.weighted else self

    def keras_sums(self, target: Any, output: Any) -> tuple[Any, Any]:
        """The definition in Keras' operations, of dense tensors: what Elephas trains with.

        Raises:
            NotImplementedError: the loss has none; then only training.strategy = 'local_sgd' trains with it.
        """
        raise NotImplementedError

    def keras_loss(self) -> Any:
        """What `keras.Model.compile` takes: the mean over a batch."""

        def mean(target: Any, output: Any) -> Any:
            total, weight = self.keras_sums(target, output)
            return total / weight

        mean.__name__ = self.name
        return mean

    @classmethod
    def trains_in_keras(cls) -> bool:
        """Whether the loss is written for Keras, too."""
        return cls.keras_sums is not Loss.keras_sums

    def layout(self, activation: str, width: int, batch_size: int, sampled_items: int) -> str:
        """DENSE, ROWS or GRAMIAN: the cheapest exact way to train an output layer behind `width` hidden units."""
        return DENSE

    def result(self, layer: OutputLayer, h: np.ndarray, decoder: Gradients, targets: Targets, work: Work) -> LossResult:
        """The loss of a batch.

        Args:
            layer: how the output layer is laid out and what is done with its sums.
            h: last hidden layer, rows x width.
            decoder: the output layer's weights: kernel and bias, or by rows the rows of `targets.columns`.
            targets: what the batch is held against.
            work: memory to work in.
        """
        kernel, bias = decoder
        value, through = activate(layer.activation, dense_outputs(h, kernel, bias, work))
        output = value + targets.offsets[:, None]
        target = targets.sparse(targets.values, len(bias)).sorted_indices()

        def back(into: Gradients) -> np.ndarray:
            return through_decoder(h, kernel, through(self.gradient(target, output)), 1.0, into)

        return LossResult(lambda: self.sums(target, output), back)

    def exact_sums(self, layer: OutputLayer, h: np.ndarray, decoder: Gradients, targets: Targets, work: Work) -> Sums:
        """(sum, weight) of a batch with all columns counted; `decoder` has all rows."""
        if layer.layout == ROWS:
            decoder = [decoder[0][targets.columns]]
        return self.result(layer, h, decoder, targets, work).sums()


def flat_positions(target: csr_matrix) -> np.ndarray:
    """int64 (entries): where each entry stands in a dense array of the matrix' shape laid out flat."""
    rows, columns = target.shape
    starts = np.arange(rows, dtype=np.int64) * columns
    positions: np.ndarray = np.repeat(starts, np.diff(target.indptr)) + target.indices
    return positions


def noting(blocks: Iterable[OutputBlock], entries: csr_matrix, values: np.ndarray) -> Iterator[OutputBlock]:
    """The blocks as they come; the outputs at the stored entries of a matrix are written to `values` (entries)."""
    rows = rows_of(entries)
    for start, outputs in blocks:
        here = np.flatnonzero((entries.indices >= start) & (entries.indices < start + outputs.shape[1]))
        values[here] = outputs[rows[here], entries.indices[here] - start]
        yield start, outputs


def rows_of(entries: csr_matrix) -> np.ndarray:
    """The row of each stored entry."""
    return np.repeat(np.arange(entries.shape[0]), np.diff(entries.indptr))


def dense_outputs(h: np.ndarray, kernel: np.ndarray, bias: np.ndarray, work: Work) -> np.ndarray:
    output = np.matmul(h, kernel, out=work.array("outputs", len(h), len(bias)))
    output += bias
    return output


def through_decoder(
    h: np.ndarray, kernel: np.ndarray, gradient: np.ndarray, scale: float, into: Gradients, summed: bool = False
) -> np.ndarray:
    """From the gradient of the outputs, to be scaled, to that of h; the decoder's is written down.

    `summed`: its sums over the rows are in `into[1]` already.
    """
    factor = np.float32(scale)
    np.matmul((h * factor).T, gradient, out=into[0])
    if not summed:
        np.sum(gradient, axis=0, out=into[1])
    into[1] *= factor
    return (gradient @ kernel.T) * factor


def rated_outputs(inputs: np.ndarray, decoder: np.ndarray, targets: Targets, work: Work) -> np.ndarray:
    """float32 (entries): the products of each entry's row of inputs and row of the decoder (distinct columns)."""
    if len(targets.values) * _SPARSE < targets.size * len(decoder):
        return np.einsum("ij,ij->i", inputs[targets.rows], decoder[targets.slots])
    outputs = np.matmul(inputs, decoder.T, out=work.array("rated", targets.size, len(decoder)))
    chosen: np.ndarray = outputs.ravel()[targets.rows.astype(np.int64) * len(decoder) + targets.slots]
    return chosen


def sum_of_squares(values: np.ndarray) -> float:
    flat = values.ravel()
    return float(np.dot(flat, flat))


def with_one(h: np.ndarray) -> Any:
    return np.concatenate([h, np.ones((len(h), 1), np.float32)], axis=1)
