"""A disk that is full in the middle of training: it is said, what was finished is kept, and the run can go on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from launching import Started, history, read_json, succeed

EPOCHS = 12


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 60 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_full_while_training(small_disk, prepared, settings, tmp_path):
    own = ["--config", settings, "--prepared", prepared, "--set", f"training.epochs={EPOCHS}"]
    here, run = tmp_path / "here", small_disk / "run"
    here.mkdir()
    job = Started("train", *own, "--set", "training.checkpoint_seconds=0", cwd=here, run=run)
    try:
        job.wait_until(lambda: len(history(run)) >= 3)
        filler = small_disk / "somebody else's"
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
                    file.flush()
            except OSError:
                pass
        said = job.end()
    finally:
        job.kill()
    assert job.launcher.returncode not in (0, 2), said
    assert "Traceback" not in said and "is full: free some of it and go on with train --resume" in said
    finished = len(history(run))
    assert 3 <= finished < EPOCHS
    filler.unlink()
    succeed("train", "--resume", run, "--set", f"training.epochs={EPOCHS}", cwd=here)
    whole = tmp_path / "whole"
    succeed("train", *own, "--set", "training.checkpoint_seconds=0", "--output", whole, cwd=here)
    losses = [[(row["epoch"], row["train_loss"]) for row in history(one)] for one in (run, whole)]
    assert losses[0] == losses[1] and len(losses[0]) == EPOCHS
    assert read_json(run / "metrics.json") == read_json(whole / "metrics.json")
