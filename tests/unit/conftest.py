"""What the launcher's tests share: a Java that starts nothing, and a directory to call from."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_java import FakeJava


@pytest.fixture
def java(tmp_path: Path) -> FakeJava:
    return FakeJava(tmp_path / "fake")


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder
