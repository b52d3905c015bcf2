"""The losses' arithmetic on a batch of outputs, compiled: each row is read while it is in the processor's cache.

Arrays in common:
    z: float32 (rows, columns), C-contiguous: logits, before `added`; written over.
    added: float32 (columns): the output layer's bias, or the log weights of sampled columns.
    starts: int32 (rows + 1): where the entries of each row begin.
    columns: int32 (entries): their columns of z.
    values: float32 (entries): their targets.
    of_columns: float32 (columns): gets the sum of the gradient over the rows.

A row with a logit that is no finite number becomes NaN as a whole, as it would in NumPy.
"""

# numba infers the types of arguments
# mypy: allow-untyped-defs, no-check-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from recsys.compiled import vector_kernel, vector_piece
from recsys.exponential import exp32, of_rank32, rank32

_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)
_LOW = np.int32(-(2**31))


@vector_piece
def exponentials(row, added):
    """Writes exp(row + added - their maximum) over the row; (maximum, sum of exponentials, sum of their squares)."""
    highest, check = _LOW, _ZERO
    for j in range(row.size):
        x = row[j] + added[j]
        row[j] = x
        highest = max(highest, rank32(x))
        check += x
    top = of_rank32(highest)
    if not np.isfinite(check):
        row[:] = np.float32(np.nan)
        return np.float32(np.nan), np.float32(np.nan), np.float32(np.nan)
    total, squares = _ZERO, _ZERO
    for j in range(row.size):
        e = exp32(row[j] - top)
        row[j] = e
        total += e
        squares += e * e
    return top, total, squares


@vector_kernel
def add_exponentials(z, highest, totals):
    """Takes some more columns into each row's sum of exponentials; z stays as it is.

    highest: float32 (rows): the greatest logit so far, -inf at first. totals: float64 (rows): the sum of
    exp(logit - highest) so far.
    """
    for i in range(z.shape[0]):
        row = z[i]
        rank, check = _LOW, _ZERO
        for j in range(row.size):
            rank = max(rank, rank32(row[j]))
            check += row[j]
        if not np.isfinite(check):
            totals[i] = np.nan
            continue
        top = of_rank32(rank)
        if top > highest[i]:
            totals[i] *= np.exp(np.float64(highest[i]) - np.float64(top))
            highest[i] = top
        top, total = highest[i], _ZERO
        for j in range(row.size):
            total += exp32(row[j] - top)
        totals[i] += total


@vector_kernel
def softmax_squares(z, added, starts, columns, values):
    """The sum over all entries of (softmax(z + added) - target)^2, float64."""
    total = 0.0
    for i in range(z.shape[0]):
        row = z[i]
        _, normaliser, squares = exponentials(row, added)
        scale = _ONE / normaliser
        rated = _ZERO
        for k in range(starts[i], starts[i + 1]):
            rated += values[k] * (values[k] - _TWO * row[columns[k]] * scale)
        total += squares * scale * scale + rated
    return total


@vector_kernel
def softmax_squares_gradient(z, added, starts, columns, values, of_columns, kept):
    """Half the gradient of that sum by z, over z: p (p - t - <p - t, p>), where p is the softmax and t the targets.

    `kept` is float32, of as many numbers as the longest row has entries: memory to work in.
    """
    of_columns[:] = _ZERO
    for i in range(z.shape[0]):
        row = z[i]
        _, normaliser, squares = exponentials(row, added)
        scale = _ONE / normaliser
        first, last = starts[i], starts[i + 1]
        rated = _ZERO
        for k in range(first, last):
            kept[k - first] = values[k] * row[columns[k]] * scale
            rated += kept[k - first]
        within = squares * scale * scale - rated
        for j in range(row.size):
            p = row[j] * scale
            x = p * (p - within)
            row[j] = x
            of_columns[j] += x
        for k in range(first, last):
            row[columns[k]] -= kept[k - first]
            of_columns[columns[k]] -= kept[k - first]


@vector_kernel
def log_likelihood(z, added, starts, columns, values, by_value):
    """Minus the sum over entries of log softmax(z + added), each times its value if `by_value`; float64."""
    total = 0.0
    for i in range(z.shape[0]):
        row = z[i]
        first, last = starts[i], starts[i + 1]
        rated, count = 0.0, 0.0
        for k in range(first, last):
            weight = values[k] if by_value else _ONE
            rated += weight * (row[columns[k]] + added[columns[k]])
            count += weight
        top, normaliser, _ = exponentials(row, added)
        total += count * (np.log(np.float64(normaliser)) + top) - rated
    return total


@vector_kernel
def log_likelihood_gradient(z, added, starts, columns, values, by_value, of_columns):
    """The gradient of that by z, over z: the row's count times its softmax, less 1 (or the value) at each entry."""
    of_columns[:] = _ZERO
    for i in range(z.shape[0]):
        row = z[i]
        first, last = starts[i], starts[i + 1]
        count = np.float32(last - first)
        if by_value:
            count = _ZERO
            for k in range(first, last):
                count += values[k]
        _, normaliser, _ = exponentials(row, added)
        scale = count / normaliser
        for j in range(row.size):
            x = row[j] * scale
            row[j] = x
            of_columns[j] += x
        for k in range(first, last):
            weight = values[k] if by_value else _ONE
            row[columns[k]] -= weight
            of_columns[columns[k]] -= weight


@vector_kernel
def rated_errors(h, decoder, starts, slots, values, offsets, errors):
    """Of a linear output layer, at each entry: output - target, into `errors`; their sum of squares, float64.

    h is (rows, width), the decoder's rows are (distinct columns, width + 1), the last of which is the bias; `slots`
    are the entries' rows of it, `offsets` (rows) are added to outputs.
    """
    width = h.shape[1]
    total = 0.0
    for i in range(h.shape[0]):
        vector = h[i]
        for k in range(starts[i], starts[i + 1]):
            weights = decoder[slots[k]]
            x = _ZERO
            for a in range(width):
                x += vector[a] * weights[a]
            x += weights[width] + offsets[i] - values[k]
            errors[k] = x
            total += np.float64(x) * x
    return total


@vector_kernel
def rated_gradients(h, decoder, starts, slots, errors, scale, of_decoder, of_h):
    """From those errors, each times `scale`: the gradients of the decoder's rows and of h."""
    width = h.shape[1]
    of_decoder[:] = _ZERO
    for i in range(h.shape[0]):
        vector, out = h[i], of_h[i]
        out[:] = _ZERO
        for k in range(starts[i], starts[i + 1]):
            weights, gradient = decoder[slots[k]], of_decoder[slots[k]]
            x = errors[k] * scale
            for a in range(width):
                gradient[a] += x * vector[a]
                out[a] += x * weights[a]
            gradient[width] += x
