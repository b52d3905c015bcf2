"""The directory that Spark is started in: the current one, or a temporary one where that cannot be written."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from recsys.config.load import as_tree, build_config
from spark_jobs.launcher.arguments import Arguments
from spark_jobs.run.resume import DATA_PATHS, SCHEME

_FOLDER = "artifacts"  # Spark 4.0 makes it in its current directory and leaves it (SPARK-52396)
_FILE = ".py:"  # in a setting: folder/file.py:name


@contextlib.contextmanager
def working_directory(scratch: Path) -> Iterator[Path]:
    """The directory to start Spark in. What Spark leaves there is removed at the end.

    Args:
        scratch: The folder that is taken where the current directory cannot be written.
    """
    here = Path.cwd()
    artifacts = here / _FOLDER
    foreign = artifacts.exists() and not list(artifacts.glob("spark-*"))  # not another job's either
    if not _takes_folders(artifacts):
        (scratch / "cwd").mkdir()
        yield scratch / "cwd"
        return
    try:
        yield here
    finally:
        if not foreign:  # with empty folders in it where the JVM was killed
            for folder in (*sorted(artifacts.glob("spark-*/**/"), reverse=True), artifacts):
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _takes_folders(folder: Path) -> bool:
    """Whether folders can be made in `folder`, which is made where it is missing. The superuser's rights say little."""
    try:
        folder.mkdir(exist_ok=True)
        Path(tempfile.mkdtemp(prefix="spark-", dir=folder)).rmdir()
    except OSError:
        return False
    return True


def with_absolute_paths(arguments: Arguments) -> Arguments:
    """The arguments with the settings' relative paths made absolute, so that they hold in any directory."""
    tree = as_tree(arguments.config)
    tree["data"] = {key: _absolute(value) if key in DATA_PATHS else value for key, value in tree["data"].items()}
    tree["model"] = {
        key: _absolute(value) if isinstance(value, str) and _FILE in value else value
        for key, value in tree["model"].items()
    }
    return replace(arguments, config=build_config(tree))


def _absolute(value: Any) -> Any:
    return str(Path.cwd() / value) if isinstance(value, str) and value and not SCHEME.match(value) else value
