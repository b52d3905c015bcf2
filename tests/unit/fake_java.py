"""A Java that starts nothing and writes down what spark-submit's script wanted of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
EXIT_CODE = 7  # what the fake answers, and so spark-submit

_SCRIPT = """#!/bin/sh
for argument in "$@"; do printf '%s\\0' "$argument"; done > "$RECORD"
env > "$RECORD.environment"
while [ $# -gt 1 ]; do
    if [ "$1" = --properties-file ]; then cp -p "$2" "$RECORD.properties"; fi
    shift
done
printf '\\0\\n'
exit 7
"""


class FakeJava:
    """JAVA_HOME of some version, and the record of what it was called with."""

    def __init__(self, folder: Path, version: str = "17.0.15") -> None:
        self.home = folder / "java"
        self._record = folder / "record"
        (self.home / "bin").mkdir(parents=True)
        (self.home / "release").write_text(f'JAVA_VERSION="{version}"\n')
        (self.home / "bin" / "java").write_text(_SCRIPT)
        (self.home / "bin" / "java").chmod(0o755)

    def launch(self, *arguments: str, cwd: Path, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
        """./spark-submit.sh with this Java."""
        environment = {**os.environ, "JAVA_HOME": str(self.home), "RECORD": str(self._record)}
        return run(root / "spark-submit.sh", *arguments, cwd=cwd, environment=environment)

    @property
    def started(self) -> bool:
        return self._record.exists()

    @property
    def submitted(self) -> list[str]:
        """What stood behind spark-submit."""
        words = self._record.read_text().rstrip("\0").split("\0")
        return words[words.index("org.apache.spark.deploy.SparkSubmit") + 1 :]

    @property
    def properties(self) -> Path:
        """A copy of the properties file, as it was then."""
        return self._record.with_suffix(".properties")

    @property
    def environment(self) -> dict[str, str]:
        lines = self._record.with_suffix(".environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)


def run(*command: str | Path, cwd: Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A command without a terminal, to its end."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def value_of(words: list[str], option: str) -> str:
    """The word behind an option."""
    return words[words.index(option) + 1]


def path_without_java(folder: Path) -> str:
    """A PATH with what the scripts need and no java."""
    tools = folder / "tools"
    tools.mkdir()
    for name in ("bash", "cmp", "dirname", "env", "readlink", "sed"):
        found = shutil.which(name)
        assert found, name
        (tools / name).symlink_to(found)
    return str(tools)


def copy_checkout(target: Path, own_cache: bool = False) -> Path:
    """What is needed of the checkout to run it, at another place, with the same .venv, or all of that but its cache."""
    target.mkdir(parents=True)
    for name in ("recsys", "monitor", "spark_jobs", "conf"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
    for name in ("spark-submit.sh", "pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copy2(ROOT / name, target / name)
    venv = target / ".venv"
    if own_cache:
        venv.mkdir()
        for path in (ROOT / ".venv").iterdir():
            if path.name != "cache":
                (venv / path.name).symlink_to(path)
    else:
        venv.symlink_to(ROOT / ".venv")
    return target
