"""Kernels: functions of one thread that numba compiles, and BLAS and LAPACK for them.

Importing this module imports numba. Only trainers and workers do, late: nobody who loads a model, or recommends to one
user.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import zipimport
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


def give_file(function: Callable[..., Any]) -> None:
    """Has a function of an archive, such as jobs are shipped in, come from a file beside the cache.

    numba keeps nothing for a function without a file. The archive is named by all that it holds, so that what was
    compiled holds as long as every kernel that it calls is the same.
    """
    loader = function.__globals__.get("__loader__")
    if not isinstance(loader, zipimport.zipimporter):
        return
    path = Path(os.environ["NUMBA_CACHE_DIR"]) / Path(loader.archive).stem / f"{function.__module__}.py"
    with contextlib.suppress(OSError):  # no place for it: then every process compiles
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{os.getpid()}")
            part.write_text(str(loader.get_source(function.__module__)), encoding="utf-8")
            part.replace(path)
        function.__code__ = function.__code__.replace(co_filename=str(path))


VECTOR = {"reassoc", "contract", "arcp", "nsz"}  # what of fastmath


def kernel(function: Callable[..., Any], fastmath: bool | set[str] = False, **options: Any) -> Any:
    """Compiles the function at its first call in a process, or takes what another process of this host compiled."""
    give_file(function)
    try:
        return numba.njit(cache=True, nogil=True, fastmath=fastmath, **options)(function)
    except RuntimeError:  # no place for a cache
        return numba.njit(nogil=True, fastmath=fastmath, **options)(function)


def fast_kernel(function: Callable[..., Any]) -> Any:
    """As `kernel`; sums may be taken in another order, and numbers that are none are not looked for."""
    return kernel(function, fastmath=True)


def vector_kernel(function: Callable[..., Any]) -> Any:
    """As `kernel`; sums may be taken in another order, a division by 0 is infinite, and what is no number stays so."""
    return kernel(function, fastmath=VECTOR, error_model="numpy")


def fast_piece(function: Callable[..., Any]) -> Any:
    """As `fast_kernel`, for what such kernels call: it is compiled into each of them.

    Otherwise a kernel would call this one's code where the process has compiled it, and a copy of its own where it was
    found on disk: sums would be taken in another order in the first run than in all others.
    """
    return kernel(function, fastmath=True, inline="always")


def vector_piece(function: Callable[..., Any]) -> Any:
    """As `vector_kernel`, for what such kernels call, as `fast_piece`."""
    return kernel(function, fastmath=VECTOR, error_model="numpy", inline="always")


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
