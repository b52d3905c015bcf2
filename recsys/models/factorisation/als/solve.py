"""A half-sweep of ALS on one worker: plain NumPy arrays and kernels, no Spark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from recsys.models.factorisation.als import formed, iterative, kernels

CHUNK_BYTES = 64_000_000  # of the systems of rows that are solved together where they are formed at all
NOTHING = np.zeros(1, np.float32)


@dataclass(frozen=True)
class Entries:
    """What rows are solved for from: the ratings of some users, or of some movies.

    Attributes:
        indptr: int64 (rows + 1).
        indices: int32 (entries): columns, ascending in each row.
        targets: float32 (entries), or (1): the same for all.
        weights: float32 (entries), or (1).
    """

    indptr: np.ndarray
    indices: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    @property
    def rows(self) -> int:
        """How many users or movies."""
        return len(self.indptr) - 1

    def slice(self, start: int, stop: int) -> Entries:
        """Some consecutive rows."""
        first, last = self.indptr[start], self.indptr[stop]
        targets, weights = (one[first:last] if len(one) > 1 else one for one in (self.targets, self.weights))
        return Entries(self.indptr[start : stop + 1] - first, self.indices[first:last], targets, weights)


@dataclass(frozen=True)
class Piece:
    """The factors of some consecutive columns as they are sent: float32 (columns, f), with the bias last."""

    first: int
    factors: np.ndarray


@dataclass(frozen=True)
class Basis:
    """The eigenvectors of w0 G: float32 (f, f), and its eigenvalues: float32 (f)."""

    vectors: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, gramian: np.ndarray, unobserved: float) -> Basis:
        """That of w0 times a Gramian, float64 (f, f)."""
        values, vectors = np.linalg.eigh(unobserved * gramian)
        return cls(np.ascontiguousarray(vectors, np.float32), np.maximum(values, 0.0).astype(np.float32))


@dataclass(frozen=True)
class Problem:
    """What is minimised for each row, given the columns' factors, and how.

    Attributes:
        columns: how many there are.
        l2, power, unobserved: as recsys.models.factorisation.scorer.Ridge.
        biases: whether a row's last number is its bias.
        mean: of all ratings, where there are biases.
        basis: of the columns' Gramian, where unobserved is above 0.
        solver, cg_steps, block_size, nonnegative: as the settings.
        bias_unit: what biases are counted in, of rows and of columns.
    """

    columns: int
    l2: float
    power: float = 0.0
    unobserved: float = 0.0
    biases: bool = False
    mean: float = 0.0
    basis: Basis | None = None
    solver: str = "cholesky"
    cg_steps: int = 3
    block_size: int = 64
    nonnegative: bool = False
    bias_unit: float = 1.0

    def penalties(self, indptr: np.ndarray) -> np.ndarray:
        """c of each row, float32."""
        counts = np.diff(indptr) + self.unobserved * self.columns
        return np.asarray(self.l2 * np.maximum(counts, 1.0) ** self.power, np.float32)

    def features(self, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(what rows' numbers are multiplied by, what is taken off targets) of columns' factors and biases."""
        if not self.biases:
            return factors, NOTHING
        features = factors.copy()
        features[:, -1] = self.bias_unit
        return features, factors[:, -1] * np.float32(self.bias_unit) + np.float32(self.mean)


class HalfSweep:
    """Solves for rows given all columns' factors, which come in pieces of which one is in memory at a time.

    Where there is one piece alone it is kept. Otherwise the rows' systems are formed piece by piece, and solved
    exactly, whatever the solver.

    Args:
        problem: what is minimised.
        pieces: each gives a piece, as often as it is called; by ascending columns.
    """

    def __init__(self, problem: Problem, pieces: Sequence[Callable[[], Piece]]) -> None:
        self.problem, self._pieces = problem, pieces

    def solve(
        self, entries: Entries, before: np.ndarray | None = None, drawn_to: np.ndarray | None = None
    ) -> np.ndarray:
        """The rows' factors (and biases), float32 (rows, f); zero where a row has no entries.

        Args:
            entries: of the rows.
            before: the rows' factors so far, which cg and block go on from; None: zero.
            drawn_to: z of each row (rows, f), where the penalty is c |x - z|^2; None: zero.
        """
        if drawn_to is not None:
            rest = self.solve(self._less(entries, drawn_to), None if before is None else before - drawn_to)
            return rest + drawn_to
        if len(self._pieces) == 1 and not self.problem.nonnegative:
            return self._solve_at_once(entries, before)
        f = self._whole[0].shape[1] if len(self._pieces) == 1 else self._pieces[0]().factors.shape[1]
        rows = max(1, CHUNK_BYTES // (4 * f * f))
        starts = range(0, entries.rows, rows)
        solved = [self._solve_formed(entries.slice(one, min(one + rows, entries.rows)), f) for one in starts]
        return np.concatenate(solved) if solved else np.zeros((0, f), np.float32)

    def squared_errors(self, entries: Entries, solved: np.ndarray, all_columns: bool) -> float:
        """The sum over entries of (target - prediction)^2; where all columns count, of that less prediction^2."""
        total = 0.0
        for piece in self._pieces:
            factors, offsets, first = self._opened(piece)
            total += kernels.squared_errors(
                entries.indptr, entries.indices, entries.targets, factors, offsets, first, solved, all_columns
            )
        return total

    def _less(self, entries: Entries, drawn_to: np.ndarray) -> Entries:
        """The entries, their targets less what z alone predicts."""
        targets = np.array(np.broadcast_to(entries.targets, len(entries.indices)), np.float32)
        for piece in self._pieces:
            factors, _, first = self._opened(piece)
            kernels.take_off_products(entries.indptr, entries.indices, factors, first, drawn_to, targets)
        return replace(entries, targets=targets)

    def _opened(self, piece: Callable[[], Piece]) -> tuple[np.ndarray, np.ndarray, int]:
        if len(self._pieces) == 1:
            return *self._whole, 0
        opened = piece()
        return *self.problem.features(opened.factors), opened.first

    @cached_property
    def _whole(self) -> tuple[np.ndarray, np.ndarray]:
        return self.problem.features(np.ascontiguousarray(self._pieces[0]().factors))

    @cached_property
    def _turned(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The only piece's factors in the basis in which w0 G is a diagonal, offsets, and that diagonal."""
        factors, offsets = self._whole
        basis = self.problem.basis
        if basis is None:
            return factors, offsets, np.zeros(factors.shape[1], np.float32)
        return factors @ basis.vectors, offsets, basis.values

    def _solve_at_once(self, entries: Entries, before: np.ndarray | None) -> np.ndarray:
        problem, (factors, offsets, diagonal) = self.problem, self._turned
        turn = problem.basis.vectors if problem.basis else None
        out, failed = np.zeros((entries.rows, factors.shape[1]), np.float32), np.zeros(entries.rows, bool)
        if before is not None and problem.solver != "cholesky":
            out[...] = before if turn is None else before @ turn
        unobserved, penalties = np.float32(problem.unobserved), problem.penalties(entries.indptr)
        given = (
            entries.indptr,
            entries.indices,
            entries.targets,
            entries.weights,
            factors,
            offsets,
            unobserved,
            diagonal,
            penalties,
        )
        if problem.solver == "cholesky":
            kernels.solve_exactly(*given, out, failed)
        elif problem.solver == "cg":
            iterative.solve_by_cg(*given, problem.cg_steps, out)
        else:
            iterative.solve_by_blocks(*given, min(problem.block_size, factors.shape[1]), out, failed)
        for row in np.flatnonzero(failed):
            out[row] = _in_double(entries.slice(row, row + 1), factors, offsets, problem, diagonal, penalties[row])
        return out if turn is None else out @ turn.T

    def _solve_formed(self, entries: Entries, f: int) -> np.ndarray:
        problem = self.problem
        a, b = np.zeros((entries.rows, f, f), np.float32), np.zeros((entries.rows, f), np.float32)
        arrays = (entries.indptr, entries.indices, entries.targets, entries.weights)
        for piece in self._pieces:
            factors, offsets, first = self._opened(piece)
            formed.add_piece(*arrays, factors, offsets, np.float32(problem.unobserved), first, a, b)
        base = np.zeros((f, f), np.float32)
        if problem.basis:
            base += (problem.basis.vectors * problem.basis.values) @ problem.basis.vectors.T
        out, failed = np.zeros((entries.rows, f), np.float32), np.zeros(entries.rows, bool)
        penalties = problem.penalties(entries.indptr)
        formed.solve_systems(a, b, base, penalties, problem.nonnegative, out, failed)
        if failed.any():
            raise np.linalg.LinAlgError("the normal equations are not positive definite: raise model.l2")
        out[np.diff(entries.indptr) == 0] = 0.0
        return out


def gramian_of(factors: np.ndarray) -> np.ndarray:
    """The sum of x x', float64, of factors float32 (rows, f): summed in float64 from blocks in float32."""
    total = np.zeros((factors.shape[1],) * 2)
    for start in range(0, len(factors), 4096):
        block = factors[start : start + 4096]
        total += block.T @ block
    return total


def compile_kernels(solver: str, nonnegative: bool, drawn: bool) -> None:
    """Compiles what a model is trained with, so that processes that start later find it in the cache on disk.

    Args:
        solver, nonnegative: as the settings; `cholesky` is compiled as well, by which users are folded in.
        drawn: whether rows are drawn to other factors than 0.
    """
    one = np.ones(1, np.float32)
    entries = Entries(np.array([0, 1, 3]), np.array([1, 0, 1], np.int32), one, one)
    for name in {solver, "cholesky"}:
        problem = Problem(2, 1.0, solver=name, nonnegative=nonnegative)
        sweep = HalfSweep(problem, [lambda: Piece(0, np.eye(2, dtype=np.float32))])
        solved = sweep.solve(entries, drawn_to=np.ones((2, 2), np.float32) if drawn else None)
        sweep.squared_errors(entries, solved, False)


def _in_double(
    entry: Entries, factors: np.ndarray, offsets: np.ndarray, problem: Problem, diagonal: np.ndarray, penalty: float
) -> np.ndarray:
    """One row whose system is not positive definite in float32, solved in float64."""
    y = factors[entry.indices].astype(np.float64)
    rest = entry.targets - (offsets[entry.indices] if len(offsets) > 1 else offsets).astype(np.float64)
    weights = np.broadcast_to(entry.weights.astype(np.float64), len(y))
    system = (y.T * (weights - problem.unobserved)) @ y + np.diag(diagonal.astype(np.float64))
    system[np.diag_indices_from(system)] += max(float(penalty), kernels.LEAST_RIDGE * np.trace(system) / len(system))
    solution: np.ndarray = np.linalg.solve(system, (weights * np.broadcast_to(rest, len(y))) @ y)
    return solution
