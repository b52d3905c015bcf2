"""What kernels need beside sums, in float32, and as many at a time as the processor's registers hold: the exponential
function, and numbers in an order that greatest ones are found by.
"""

# numba infers the types of arguments
# mypy: allow-untyped-defs, no-check-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

_PER_LN2, _LN2_HIGH, _LN2_LOW = np.float32(1.44269504), np.float32(0.693359375), np.float32(-2.12194440e-4)
_LOWEST = np.float32(-60.0)  # products with its exponential are still of the numbers that processors are fast with
_HALF, _ONE = np.float32(0.5), np.float32(1.0)
_ALL_BUT_SIGN = np.int32(2**31 - 1)
_A, _B, _C, _D, _E, _F = (
    np.float32(one)
    for one in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
)


@intrinsic
def _as_float(context, bits):
    """The float32 whose bits are those of an int32."""
    from llvmlite import ir

    def generate(_context, builder, _signature, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@intrinsic
def _as_bits(context, number):
    """The bits of a float32 as an int32."""
    from llvmlite import ir

    def generate(_context, builder, _signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), generate


@njit(inline="always")
def rank32(x):
    """An int32 that is greater where the float32 x is: the greatest of many is found several times as fast by it."""
    bits = _as_bits(x)
    return bits ^ ((bits >> np.int32(31)) & _ALL_BUT_SIGN)


@njit(inline="always")
def of_rank32(rank):
    """The float32 of that rank."""
    return _as_float(rank ^ ((rank >> np.int32(31)) & _ALL_BUT_SIGN))


@njit(inline="always", fastmath={"contract", "nsz"}, error_model="numpy")
def exp32(x):
    """exp(x) of a float32 of at most 88, within 2 units in the last place; below -60 that of -60, 9e-27.

    exp(x) = 2^n exp(r) with |r| <= ln(2) / 2, whose polynomial is that of Moshier's Cephes library (expf). Nothing is
    said of what is no number: callers look for those themselves.
    """
    x = max(x, _LOWEST)
    n = np.floor(x * _PER_LN2 + _HALF)
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    y = ((((_A * r + _B) * r + _C) * r + _D) * r + _E) * r + _F
    y = y * (r * r) + r + _ONE
    return y * _as_float(np.int32((np.int32(n) + np.int32(127)) << np.int32(23)))
