"""Where kernels are kept on disk."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import zipfile
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


DOUBLED = """
from recsys.compiled import kernel

@kernel
def doubled(x):
    return 2 * x
"""
ASK_ARCHIVE = """
import sys
sys.path.insert(0, sys.argv[1])
from shipped import doubled
print(doubled(3), sum(doubled.stats.cache_hits.values()), sum(doubled.stats.cache_misses.values()))
"""
STEP = """
import numpy as np
from recsys.losses.kernels import softmax_squares
from recsys.models.factorisation.sgd.kernels import batched_epoch
draw = np.random.default_rng(0)
z, columns = draw.standard_normal((3, 999)).astype(np.float32), np.zeros(3, np.int32)
starts, stars = np.arange(4, dtype=np.int32), np.full(3, 4, np.float32)
P, Q = (draw.standard_normal((rows, 33)).astype(np.float32) for rows in (3, 5))
more_P, more_Q = ([np.zeros(shape, np.float32) for shape in 2 * [(rows, 33), (rows, 1)]] for rows in (3, 5))
f = np.float32
batched_epoch(np.arange(3), np.arange(4), columns, stars, f(3), P, np.zeros(3, f), Q, np.zeros(5, f), tuple(more_P),
              tuple(more_Q), True, f(0.1), f(0.1), f(0.1), 2, 2, f(0.9), 0)
print(repr(softmax_squares(z, np.zeros(999, f), starts, columns, stars)), P.tobytes().hex(), Q.tobytes().hex())
"""


def ask(program: str, folder: Path, *arguments: str) -> str:
    """What a program of its own process prints that keeps kernels in that folder."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_kernels_of_an_archive_are_kept_wherever_it_lies(tmp_path: Path) -> None:
    """Jobs are shipped in one, to another folder in each run."""
    found = []
    for name, source in (("one/a.zip", DOUBLED), ("two/a.zip", DOUBLED), ("two/b.zip", DOUBLED.replace("2 *", "3 *"))):
        archive = tmp_path / name
        archive.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("shipped.py", source)
        found.append(ask(ASK_ARCHIVE, tmp_path / "kept", str(archive)))
    assert found == ["6 0 1", "6 1 0", "9 0 1"]


def test_what_was_kept_computes_the_same_to_the_last_bit(tmp_path: Path) -> None:
    assert ask(STEP, tmp_path) == ask(STEP, tmp_path)
