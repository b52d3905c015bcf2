"""Where kernels are kept on disk."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
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


LOSSES = """
import numpy as np
from recsys.losses import kernels

generator = np.random.default_rng(1)
z, added = generator.normal(size=(9, 301)).astype(np.float32), generator.normal(size=301).astype(np.float32)
starts, columns = np.arange(0, 40, 4, dtype=np.int32), (np.arange(36, dtype=np.int32) * 7) % 301
values, of_columns = np.ones(36, np.float32), np.zeros(301, np.float32)
one, other = z.copy(), z.copy()
kernels.log_likelihood_gradient(one, added, starts, columns, values, False, of_columns)
total = kernels.log_likelihood(other, added, starts, columns, values, False)
print(one.tobytes().hex(), of_columns.tobytes().hex(), total)
"""


def test_kernels_that_were_compiled_and_those_from_the_cache_come_to_the_same(tmp_path: Path) -> None:
    """Bit for bit: a worker that compiles them stands beside others that find them."""
    variables = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", LOSSES]
    found = [subprocess.run(command, env=variables, capture_output=True, check=True).stdout for _ in range(2)]
    assert list(tmp_path.rglob("*.nbc"))
    assert found[0] == found[1] != b""
