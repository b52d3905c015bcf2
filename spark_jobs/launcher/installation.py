"""What is installed and where: the packages, the jobs, the settings that come along, and the folder for caches."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from recsys.errors import UserError

JOBS_FOLDER = Path(__file__).resolve().parents[1]
ROOT = JOBS_FOLDER.parent  # holds recsys, monitor and spark_jobs: a clone, or the folder that pip installs into
DEFAULT_JOB, DEFAULT_EXPERIMENT = "train", "quickstart"
PROGRAM = os.environ.get("HOWDAH_COMMAND", "howdah")  # how messages name the command

SETTINGS = ("pydantic", "tomli_w")  # modules that reading settings takes
TUNING = ("optuna", "cmaes", "sklearn")
SPARK = ("elephas", "pandas", "pyarrow", "pyspark", "scipy", "tensorflow")


def jobs(folder: Path = JOBS_FOLDER) -> dict[str, str]:
    """The jobs and what they do: name -> first line of the file's docstring."""
    lines = {}
    for path in sorted(folder.glob("[!_]*.py")):
        if path.stem == "common":  # used by all jobs
            continue
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        lines[path.stem] = text.partition("\n")[0]
    return lines


def state_folder() -> Path:
    """The folder below which `cache` and `java` lie: the virtual environment where it can be written to, otherwise
    $XDG_CACHE_HOME/howdah (~/.cache/howdah)."""
    if sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK):
        return Path(sys.prefix)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "howdah"
    except RuntimeError:  # a user id without a name, as in containers
        raise UserError("no folder for caches: set HOME or XDG_CACHE_HOME to one that can be written") from None


def spark_home() -> str | None:
    """The folder of the package pyspark; None where it is not installed."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        return None
    return str(Path(spec.origin).resolve().parent)  # the same class path by whatever links a checkout is reached


def check_installed(modules: Iterable[str], extra: str = "train") -> None:
    """UserError, in one line with the remedy, where one of the modules, which come with `extra`, is not installed."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise UserError(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed: pip install 'howdah[{extra}]'"
        )
