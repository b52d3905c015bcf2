"""The archive of packages that goes to the workers: sources, and the same compiled."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from spark_jobs.launcher.package import PACKAGES, pack

ROOT = Path(__file__).resolve().parent.parent.parent

CODE = "import recsys.config; print(recsys.config.__file__)"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for package in PACKAGES:
        (tmp_path / package).symlink_to(ROOT / package)
    return pack(tmp_path, tmp_path / "cache")


def imported_from(archive: Path, folder: Path) -> str:
    command = [sys.executable, "-c", CODE]
    environment = {**os.environ, "PYTHONPATH": str(archive)}  # as Spark sets it
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


def test_modules_are_taken_compiled(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    assert imported_from(archive, folder) == f"{archive}/recsys/config/__init__.pyc"
    names = zipfile.ZipFile(archive).namelist()
    assert {"recsys/howdah_daemon.py", "monitor/__init__.pyc", "spark_jobs/train.py"} <= set(names)
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]  # nothing is left beside it


def test_a_python_of_another_version_takes_the_source(archive: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(archive) as packed, zipfile.ZipFile(other, "w") as changed:
        for name in packed.namelist():
            content = packed.read(name)
            changed.writestr(name, b"\0\0" + content[2:] if name.endswith(".pyc") else content)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    assert imported_from(other, folder) == f"{other}/recsys/config/__init__.py"
