"""What computes a training's own arithmetic: compiled kernels or NumPy. Importing this module imports no numba."""

from __future__ import annotations

import importlib.util
from importlib.metadata import version

from recsys.config.run import Config
from recsys.errors import UserError
from recsys.registries import FAMILIES

NONE = "none"  # in environment.json: libraries do it all


def compiles(kernels: str) -> bool:
    """Whether training.kernels means numba here. UserError where it is asked for and is not installed."""
    there = importlib.util.find_spec("numba") is not None
    if kernels == "numba" and not there:
        raise UserError("training.kernels = 'numba', which is not installed: pip install numba, or set 'numpy'")
    return there and kernels != "numpy"


def check_kernels(config: Config) -> None:
    """UserError where the model is trained by numba, which is not installed."""
    possible = _possible(config)
    if possible == ("numba",) and not compiles("auto"):
        raise UserError(
            f"model.kind = {config.model.kind!r} is trained by numba, which is not installed: pip install numba"
        )
    if possible:
        compiles(config.training.kernels)


def described(config: Config) -> str:
    """What is used, with its version, for environment.json."""
    possible = _possible(config)
    if not possible:
        return NONE
    name = "numba" if possible == ("numba",) or compiles(config.training.kernels) else "numpy"
    return f"{name} {version(name)}"


def _possible(config: Config) -> tuple[str, ...]:
    supports = FAMILIES.get(config.model.kind).supports_with(config.model)
    return () if config.training.strategy == "elephas" and not supports.closed_form else supports.kernels
