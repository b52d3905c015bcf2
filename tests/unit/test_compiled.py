"""Where kernels are kept on disk."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("numba")

from recsys.compiled import cache_folder


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder as it is called in a temporary directory of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"howdah-numba-{os.getuid()}"


def test_it_is_the_users_alone_and_the_same_the_next_time(own: Path) -> None:
    assert cache_folder() == str(own) == cache_folder()
    assert stat.S_IMODE(own.stat().st_mode) == 0o700


@pytest.mark.parametrize("what", ["file", "link", "writable"])
def test_another_one_is_made_where_somebody_else_could_have_written(own: Path, what: str, tmp_path: Path) -> None:
    if what == "file":
        own.write_text("")
    elif what == "link":
        (tmp_path / "there").mkdir()
        own.symlink_to(tmp_path / "there")
    else:
        own.mkdir()
        own.chmod(0o777)
    found = Path(cache_folder())
    assert found != own and found.is_dir() and stat.S_IMODE(found.stat().st_mode) == 0o700
