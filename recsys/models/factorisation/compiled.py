"""Kernels: functions of one thread that numba compiles, and BLAS and LAPACK for them.

Importing this module imports numba. Only trainers and workers do, late: nobody who loads or recommends.
"""

from __future__ import annotations

import getpass
import os
import tempfile
from collections.abc import Callable
from typing import Any

if "NUMBA_CACHE_DIR" not in os.environ:  # beside its source numba cannot write where the package is a zip or read-only
    try:
        _user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        _user = str(os.getuid())
    os.environ["NUMBA_CACHE_DIR"] = os.path.join(tempfile.gettempdir(), f"howdah-numba-{_user}")

import numba
from numba import types
from numba.extending import get_cython_function_address


def kernel(function: Callable[..., Any]) -> Any:
    """The function, compiled on its first call and kept on disk for the next process."""
    return numba.njit(cache=True, nogil=True)(function)


def lapack(module: str, name: str, signature: str) -> Any:
    """A routine of SciPy's BLAS or LAPACK that kernels can call; every argument is a pointer, as in Fortran.

    Kernels refer to it by name, not by address, so that they can be kept on disk.

    Args:
        module: "cython_blas" or "cython_lapack".
        name: of the routine, such as "ssyrk".
        signature: a letter an argument: c (a character), i (int32), f (float32) or d (float64).
    """
    import llvmlite.binding as llvm

    symbol = f"howdah_{name}"
    llvm.add_symbol(symbol, get_cython_function_address(f"scipy.linalg.{module}", name))
    kinds: dict[str, Any] = {"c": types.uint8, "i": types.int32, "f": types.float32, "d": types.float64}
    pointer: Any = types.CPointer
    return types.ExternalFunction(symbol, types.void(*(pointer(kinds[letter]) for letter in signature)))
