"""Whether workers compute by compiled kernels. Importing this module imports no numba."""

from __future__ import annotations

import importlib.util
from importlib.metadata import version

from recsys.errors import UserError


def compiles(kernels: str) -> bool:
    """Whether training.kernels means numba here. UserError where it is asked for and is not installed."""
    there = importlib.util.find_spec("numba") is not None
    if kernels == "numba" and not there:
        raise UserError("training.kernels = 'numba', which is not installed: pip install numba, or set 'numpy'")
    return there and kernels != "numpy"


def described(kernels: str) -> str:
    """What is used, with its version, for environment.json."""
    name = "numba" if compiles(kernels) else "numpy"
    return f"{name} {version(name)}"
