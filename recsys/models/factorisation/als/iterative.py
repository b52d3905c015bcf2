"""Half-sweeps that go on from the factors before; arguments as in recsys.models.factorisation.als.kernels."""

# numba infers the types of arguments
# mypy: allow-untyped-defs, no-check-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from recsys.compiled import kernel
from recsys.models.factorisation.als.kernels import CHUNK, add_entries, add_ridge, solve_in_place

_SMALL = 1e-6  # of the right-hand side: steps end where so little is left


@kernel
def times_system(start, end, indices, weights, factors, unobserved, ridge, x, result):
    """result = A x, of A = diag(ridge) + sum v y y'."""
    for place in range(len(x)):
        result[place] = ridge[place] * x[place]
    for entry in range(start, end):
        y = factors[indices[entry]]
        part = (weights[entry * (len(weights) > 1)] - unobserved) * np.dot(y, x)
        for place in range(len(x)):
            result[place] += part * y[place]


@kernel
def solve_by_cg(indptr, indices, targets, weights, factors, offsets, unobserved, diagonal, penalties, steps, out):
    """Goes on from `out` by so many steps of conjugate gradients (Takacs, Pilaszy and Tikk 2011), preconditioned by
    the system's own diagonal."""
    width = factors.shape[1]
    ridge, whole, r = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    p, product, x = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    for row in range(len(indptr) - 1):
        start, end = indptr[row], indptr[row + 1]
        if start == end:
            out[row] = 0.0
            continue
        x[:] = out[row]
        ridge[:] = diagonal + penalties[row]
        whole[:] = ridge
        r[:] = 0.0
        for entry in range(start, end):
            y, weight = factors[indices[entry]], weights[entry * (len(weights) > 1)]
            right = weight * (targets[entry * (len(targets) > 1)] - offsets[indices[entry] * (len(offsets) > 1)])
            for place in range(width):
                r[place] += right * y[place]
                whole[place] += (weight - unobserved) * y[place] * y[place]
        enough = np.float32(_SMALL) ** 2 * np.dot(r, r)
        times_system(start, end, indices, weights, factors, unobserved, ridge, x, product)
        r -= product
        p[:] = r / whole
        slope = np.dot(r, p)
        for _ in range(steps):
            if np.dot(r, r) <= enough:
                break
            times_system(start, end, indices, weights, factors, unobserved, ridge, p, product)
            step = slope / np.dot(p, product)
            x += step * p
            r -= step * product
            before, slope = slope, np.dot(r, r / whole)
            p *= slope / before
            p += r / whole
        out[row] = x


@kernel
def solve_by_blocks(
    indptr, indices, targets, weights, factors, offsets, unobserved, diagonal, penalties, block, out, failed
):
    """Goes on from `out` by one exact solution for each block of factors, the others held (iALS++, Rendle et al. 2021,
    arXiv 2110.14044, algorithm 2)."""
    width = factors.shape[1]
    numbers, scales = np.empty(4, np.int32), np.empty(2, np.float32)
    buffer = np.empty((CHUNK, block), np.float32)
    a, g, unused = np.empty((block, block), np.float32), np.empty(block, np.float32), np.empty(block, np.float32)
    for begin in range(0, width, block):
        stop = min(begin + block, width)
        part = np.ascontiguousarray(factors[:, begin:stop])  # so that a block's factors lie together
        size = stop - begin
        if size < block:
            buffer, a = np.empty((CHUNK, size), np.float32), np.empty((size, size), np.float32)
            g, unused = np.empty(size, np.float32), np.empty(size, np.float32)
        for row in range(len(indptr) - 1):
            start, end = indptr[row], indptr[row + 1]
            x = out[row]
            if start == end:
                x[:] = 0.0
                continue
            a[:] = 0.0
            for place in range(size):
                g[place] = (diagonal[begin + place] + penalties[row]) * x[begin + place]
            for entry in range(start, end):
                weight, column = weights[entry * (len(weights) > 1)], indices[entry]
                target = targets[entry * (len(targets) > 1)] - offsets[column * (len(offsets) > 1)]
                wrong = (weight - unobserved) * np.dot(factors[column], x) - weight * target
                y = part[column]
                for place in range(size):
                    g[place] += wrong * y[place]
            add_entries(
                start, end, indices, targets, weights, part, offsets, unobserved, 0, a, unused, buffer, numbers, scales
            )
            add_ridge(a, diagonal[begin:stop], penalties[row])
            if solve_in_place(a, g, size, numbers):
                x[begin:stop] -= g
            else:
                failed[row] = True
