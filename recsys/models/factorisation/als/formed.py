"""Systems that are formed, piece by piece, before they are solved; arguments as in
recsys.models.factorisation.als.kernels.
"""

# numba infers the types of arguments
# mypy: allow-untyped-defs, no-check-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from recsys.compiled import kernel
from recsys.models.factorisation.als.kernels import CHUNK, add_entries, add_ridge, solve_in_place

_MOST_PASSES, _SMALL = 1000, 1e-6  # over coordinates; of a step, against the largest factor


@kernel
def descend(system, b, x):
    """x >= 0 that minimises x'Ax / 2 - b'x, coordinate by coordinate (Franc et al. 2005), until no step is large."""
    x[:] = 0.0
    gradient = -b.astype(np.float64)
    for _ in range(_MOST_PASSES):
        step, size = 0.0, 0.0
        for place in range(len(x)):
            old = np.float64(x[place])
            new = max(0.0, old - gradient[place] / system[place, place])
            x[place] = new
            change = np.float64(x[place]) - old
            if change != 0.0:
                for other in range(len(x)):
                    gradient[other] += change * system[place, other]
            step, size = max(step, abs(change)), max(size, np.float64(x[place]))
        if step <= _SMALL * size:
            return


@kernel
def add_piece(indptr, indices, targets, weights, factors, offsets, unobserved, first, a, b):
    """a[row] += sum v y y' (lower half), b[row] += sum w t y over the entries in columns first to first + len(factors).

    a: float32 (rows, f, f); b: float32 (rows, f). Factors are in any basis.
    """
    buffer = np.empty((CHUNK, factors.shape[1]), np.float32)
    numbers, scales = np.empty(4, np.int32), np.empty(2, np.float32)
    for row in range(len(indptr) - 1):
        own = indices[indptr[row] : indptr[row + 1]]
        start = indptr[row] + np.searchsorted(own, first)
        end = indptr[row] + np.searchsorted(own, first + len(factors))
        add_entries(
            start,
            end,
            indices,
            targets,
            weights,
            factors,
            offsets,
            unobserved,
            first,
            a[row],
            b[row],
            buffer,
            numbers,
            scales,
        )


@kernel
def solve_systems(a, b, base, penalties, nonnegative, out, failed):
    """x of (a + base + c I) x = b for each row, or the x of no negative numbers that minimises x'Ax / 2 - b'x.

    a, b: as `add_piece` made them; written over. base: float32 (f, f), w0 G.
    """
    width = b.shape[1]
    nothing, numbers = np.zeros(width, np.float32), np.empty(4, np.int32)
    for row in range(len(b)):
        system = a[row]
        system += base
        add_ridge(system, nothing, penalties[row])
        if nonnegative:
            for i in range(width):
                for j in range(i):
                    system[i, j] = system[j, i]  # the lower half in Fortran's order is the upper one here
            descend(system, b[row], out[row])
        else:
            failed[row] = not solve_in_place(system, b[row], width, numbers)
            out[row] = b[row]
