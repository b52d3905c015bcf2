"""Least squares of many rows at once: the half-sweeps of ALS, as kernels of one thread.

For each row with entries e in columns j_e, given the columns' factors y, a row's x minimises

    sum_e w_e (t_e - x . y_e)^2 + w0 sum over the other columns (x . y_j)^2 + c |x|^2

so that A x = b with A = w0 G + sum_e v_e y_e y_e' + c I, G the sum of y y' over all columns, v = w - w0 and
b = sum_e w_e t_e y_e (Hu, Koren and Volinsky 2008, eq. 4). Factors are in the basis of G's eigenvectors, so that
w0 G is a diagonal d: then a row of few entries has a small system, whatever w0 is.

numba keeps what it compiled until the file of the kernel itself changes, not those of the kernels that it calls.

Arrays in common:
    indptr: int64 (rows + 1): where a row's entries begin.
    indices: int32 (entries): columns, ascending in each row.
    targets, weights: float32 (entries), or (1): the same for all.
    factors: float32 (columns, f), C-contiguous.
    offsets: float32 (columns): what is taken off targets, or (1): the same for all.
    first: the column of factors[0] and offsets[0], where they are a piece of all columns'.
    diagonal: float32 (f): d, at least 0.
    penalties: float32 (rows): c.
    out: float32 (rows, f): the solutions; where a kernel goes on from earlier ones, these.
    failed: bool (rows): set where a system is not positive definite to rounding.
"""

# numba infers the types of arguments
# mypy: allow-untyped-defs, no-check-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from recsys.compiled import kernel, lapack

LEAST_RIDGE = 1e-6  # of the mean diagonal, as in recsys.models.factorisation.scorer
CHUNK = 256  # entries whose factors are gathered at a time: they stay in the processor's cache
_LOWER, _PLAIN, _TRANSPOSED = (np.frombuffer(letter, np.uint8) for letter in (b"L", b"N", b"T"))

_ssyrk = lapack("cython_blas", "ssyrk", "cciiffiffi")
_spotrf = lapack("cython_lapack", "spotrf", "cifii")
_spotrs = lapack("cython_lapack", "spotrs", "ciififii")


@kernel
def add_products(a, factor, buffer, rows, transposed, numbers, scales):
    """a += factor * buffer' buffer, lower half in Fortran's order; `transposed`: a = buffer buffer'."""
    width = buffer.shape[1]
    numbers[0], numbers[1], numbers[2], numbers[3] = width, rows, width, a.shape[1]
    scales[0], scales[1] = factor, 1.0
    if transposed:
        numbers[0], numbers[1], scales[1] = rows, width, 0.0
    letter = _TRANSPOSED if transposed else _PLAIN
    _ssyrk(
        _LOWER.ctypes,
        letter.ctypes,
        numbers.ctypes,
        numbers[1:].ctypes,
        scales.ctypes,
        buffer.ctypes,
        numbers[2:].ctypes,
        scales[1:].ctypes,
        a.ctypes,
        numbers[3:].ctypes,
    )


@kernel
def solve_in_place(a, b, size, numbers):
    """b = a^-1 b for the lower half of a (leading `size`), which is written over; whether it was positive definite."""
    numbers[0], numbers[1], numbers[2], numbers[3] = size, a.shape[1], 0, 1
    _spotrf(_LOWER.ctypes, numbers.ctypes, a.ctypes, numbers[1:].ctypes, numbers[2:].ctypes)
    if numbers[2] != 0:
        return False
    _spotrs(
        _LOWER.ctypes,
        numbers.ctypes,
        numbers[3:].ctypes,
        a.ctypes,
        numbers[1:].ctypes,
        b.ctypes,
        numbers.ctypes,
        numbers[2:].ctypes,
    )
    return True


@kernel
def gather(start, end, indices, targets, weights, factors, offsets, unobserved, first, buffer, b):
    """Fills buffer with sqrt(v) y of entries start to end, and adds w t y to b.

    Returns whether some v is below 0: those have rows of 0.
    """
    width = factors.shape[1]
    below = False
    for entry in range(start, end):
        column = indices[entry] - first
        weight = weights[entry * (len(weights) > 1)]
        target = targets[entry * (len(targets) > 1)] - offsets[column * (len(offsets) > 1)]
        part = weight - unobserved
        below = below or part < 0
        root, right = np.sqrt(max(part, np.float32(0.0))), weight * target
        row, y = buffer[entry - start], factors[column]
        for place in range(width):
            row[place] = root * y[place]
            b[place] += right * y[place]
    return below


@kernel
def take_off(start, end, indices, weights, factors, unobserved, first, buffer):
    """Fills buffer with sqrt(-v) y of those entries whose v is below 0, 0 for the others."""
    for entry in range(start, end):
        root = np.sqrt(max(unobserved - weights[entry * (len(weights) > 1)], np.float32(0.0)))
        row, y = buffer[entry - start], factors[indices[entry] - first]
        for place in range(factors.shape[1]):
            row[place] = root * y[place]


@kernel
def add_entries(
    start, end, indices, targets, weights, factors, offsets, unobserved, first, a, b, buffer, numbers, scales
):
    """a += sum v y y' (lower half), b += sum w t y over entries start to end."""
    part_b = np.empty_like(b)
    for begin in range(start, end, CHUNK):
        stop = min(begin + CHUNK, end)
        part_b[:] = 0.0  # sums of sums: a movie may have 100,000 ratings
        below = gather(begin, stop, indices, targets, weights, factors, offsets, unobserved, first, buffer, part_b)
        b += part_b
        add_products(a, 1.0, buffer, stop - begin, False, numbers, scales)
        if below:
            take_off(begin, stop, indices, weights, factors, unobserved, first, buffer)
            add_products(a, -1.0, buffer, stop - begin, False, numbers, scales)


@kernel
def add_ridge(a, diagonal, penalty):
    """a += d + c I; c is not less than what makes the system solvable."""
    trace = diagonal.sum()
    for place in range(len(a)):
        trace += a[place, place]
    penalty = max(penalty, np.float32(LEAST_RIDGE) * trace / len(a))
    for place in range(len(a)):
        a[place, place] += diagonal[place] + penalty


@kernel
def longest(factors):
    """The greatest |y|^2."""
    most = np.float32(0.0)
    for column in range(len(factors)):
        most = max(most, np.dot(factors[column], factors[column]))
    return most


@kernel
def solve_exactly(indptr, indices, targets, weights, factors, offsets, unobserved, diagonal, penalties, out, failed):
    """Each row's solution by a Cholesky factorisation, of the smaller of two systems.

    A row of n < f entries has x = D^-1 B' (I + B D^-1 B')^-1 z, where D = d + c I, B has the rows sqrt(v) y, and
    z = w t / sqrt(v) (the matrix inversion lemma).
    """
    width = factors.shape[1]
    a, b = np.empty((width, width), np.float32), np.empty(width, np.float32)
    buffer = np.empty((max(CHUNK, width), width), np.float32)
    small, z = np.empty((width, width), np.float32), np.empty(width, np.float32)
    numbers, scales = np.empty(4, np.int32), np.empty(2, np.float32)
    scale, shared, most = np.empty(width, np.float32), diagonal.sum(), longest(factors)
    for row in range(len(indptr) - 1):
        start, end = indptr[row], indptr[row + 1]
        if start == end:
            out[row] = 0.0
            continue
        if end - start < 0.8 * width and penalties[row] > 0:
            total, good = np.float32(0.0), True
            for place in range(width):
                scale[place] = 1 / np.sqrt(diagonal[place] + penalties[row])
            for entry in range(start, end):
                weight = weights[entry * (len(weights) > 1)]
                column = indices[entry]
                part = weight - unobserved
                good = good and part > np.float32(1e-3) * weight
                root = np.sqrt(max(part, np.float32(1e-30)))
                z[entry - start] = (
                    weight * (targets[entry * (len(targets) > 1)] - offsets[column * (len(offsets) > 1)]) / root
                )
                into, y = buffer[entry - start], factors[column]
                total += part * most
                for place in range(width):
                    into[place] = root * y[place] * scale[place]
            if good and penalties[row] > np.float32(LEAST_RIDGE) * (shared + total) / width:
                entries = end - start
                add_products(small, 1.0, buffer, entries, True, numbers, scales)
                for entry in range(entries):
                    small[entry, entry] += 1.0
                if solve_in_place(small, z, entries, numbers):
                    b[:] = 0.0
                    for entry in range(entries):
                        for place in range(width):
                            b[place] += buffer[entry, place] * z[entry]
                    for place in range(width):
                        out[row, place] = b[place] * scale[place]
                    continue
        a[:] = 0.0
        b[:] = 0.0
        add_entries(
            start, end, indices, targets, weights, factors, offsets, unobserved, 0, a, b, buffer, numbers, scales
        )
        add_ridge(a, diagonal, penalties[row])
        failed[row] = not solve_in_place(a, b, width, numbers)
        out[row] = b


@kernel
def squared_errors(indptr, indices, targets, factors, offsets, first, solved, all_entries):
    """Sum over the entries in columns first to first + len(factors) of (t - offset - x . y)^2, in float64; where all
    columns count, not the entries alone, of that less (x . y)^2.

    solved: float32 (rows, f), x.
    """
    total = 0.0
    for row in range(len(indptr) - 1):
        x = solved[row]
        own = indices[indptr[row] : indptr[row + 1]]
        start = indptr[row] + np.searchsorted(own, first)
        end = indptr[row] + np.searchsorted(own, first + len(factors))
        for entry in range(start, end):
            column = indices[entry] - first
            target = targets[entry * (len(targets) > 1)] - offsets[column * (len(offsets) > 1)]
            value = np.dot(factors[column], x)
            total += np.float64(target - value) ** 2
            if all_entries:
                total -= np.float64(value) ** 2
    return total


@kernel
def take_off_products(indptr, indices, factors, first, drawn_to, targets):
    """targets -= z . y of the entries in columns first to first + len(factors); drawn_to: float32 (rows, f), z."""
    for row in range(len(indptr) - 1):
        own = indices[indptr[row] : indptr[row + 1]]
        start = indptr[row] + np.searchsorted(own, first)
        end = indptr[row] + np.searchsorted(own, first + len(factors))
        for entry in range(start, end):
            targets[entry] -= np.dot(factors[indices[entry] - first], drawn_to[row])
