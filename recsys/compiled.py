"""Kernels: functions of one thread that numba compiles, and BLAS and LAPACK for them.

Importing this module imports numba. Only trainers and workers do, late: nobody who loads a model, or recommends to one
user.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def cache_folder() -> str:
    """A folder of this user alone: what numba finds in its cache it runs."""
    folder = Path(tempfile.gettempdir()) / f"howdah-numba-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
        return str(folder)
    return tempfile.mkdtemp(prefix="howdah-numba-")


if "NUMBA_CACHE_DIR" not in os.environ:
    # the package may lie in an archive or a folder that cannot be written to, beside which numba keeps nothing
    os.environ["NUMBA_CACHE_DIR"] = cache_folder()

import numba  # noqa: E402
from numba import types  # noqa: E402
from numba.extending import get_cython_function_address  # noqa: E402


def kernel(function: Callable[..., Any], fastmath: bool | set[str] = False, **options: Any) -> Any:
    """Compiles the function at its first call in a process, or takes what another process of this host compiled."""
    try:
        return numba.njit(cache=True, nogil=True, fastmath=fastmath, **options)(function)
    except RuntimeError:  # no place for a cache
        return numba.njit(nogil=True, fastmath=fastmath, **options)(function)


def fast_kernel(function: Callable[..., Any]) -> Any:
    """As `kernel`; sums may be taken in another order, and numbers that are none are not looked for."""
    return kernel(function, fastmath=True)


def vector_kernel(function: Callable[..., Any]) -> Any:
    """As `kernel`; sums may be taken in another order, a division by 0 is infinite, and what is no number stays so."""
    return kernel(function, fastmath={"reassoc", "contract", "arcp", "nsz"}, error_model="numpy")


def inlined(function: Callable[..., Any]) -> Any:
    """A part of kernels, compiled anew within each that calls it, as if it stood there.

    A kernel that others call is in the code of each of them, optimised in another way each time, and all of a process
    call the one that came first. As sums may be taken in any order, a process that has compiled its kernels then comes
    to other last digits than one that has found them in the cache.
    """
    return numba.njit(inline="always")(function)


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
