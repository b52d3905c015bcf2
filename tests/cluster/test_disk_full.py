"""A disk that is full in the middle of training: it is said, what was finished is kept, and the run can go on."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from launching import EPOCHS, Started, check_same, history, launch, read_json, succeed

from recsys.checksums import write_array


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


def fill(disk: Path, leave: int = 0) -> Path:
    """Takes what is free but for `leave` bytes; the file that does."""
    filler = disk / "somebody else's"
    with filler.open("wb") as file:
        try:
            while leave < shutil.disk_usage(disk).free or not leave:
                file.write(bytes(1 << 16))
                file.flush()
        except OSError:
            pass
    return filler


def test_an_array_of_which_a_part_finds_room_fails_with_the_reason(small_disk):
    """NumPy alone says how many numbers it has written, and nothing of the disk."""
    with pytest.raises(OSError, match="No space left on device"):
        write_array(small_disk / "array.npy", np.zeros(9_000_000))


@pytest.mark.parametrize("format", ["parquet", "tfrecord"])
def test_a_disk_that_is_full_while_spark_writes(small_disk, settings, tmp_path, format):
    """The blocks, as Parquet, or the ratings by TensorFlow's writer."""
    filler = fill(small_disk, leave=1 << 18)
    output = small_disk / "prepared"
    refused = launch("prepare", "--config", settings, "--set", "spark.spark.local.dir=/tmp", "--output", output,
                     "--format", format, cwd=tmp_path)  # fmt: skip
    said = refused.stdout + refused.stderr
    assert refused.returncode == 1, said
    assert "Traceback" not in said and "is full: free some space and call it again, into a new directory" in said
    assert list(output.glob(".run.json*")) == list(output.glob("tfrecord*")) == []
    if (output / "run.json").exists():  # where there was room for that
        told = read_json(output / "run.json")
        assert told["status"] == "failed" and "is full" in told["error"]
    filler.unlink()
    shutil.rmtree(output)
    succeed("prepare", "--config", settings, "--profile", "off", "--output", output, "--format", format, cwd=tmp_path)


def test_a_disk_that_is_full_while_training(small_disk, prepared, settings, undisturbed, tmp_path):
    own = ["--config", settings, "--prepared", prepared, "--set", f"training.epochs={EPOCHS}"]
    here, run = tmp_path / "here", small_disk / "run"
    here.mkdir()
    job = Started("train", *own, "--set", "training.checkpoint_seconds=0", cwd=here, run=run)
    try:
        job.wait_until(lambda: len(history(run)) >= 3)
        filler = fill(small_disk)
        said = job.end()
    finally:
        job.kill()
    assert job.launcher.returncode not in (0, 2), said
    assert "Traceback" not in said and "is full: free some space and continue with train --resume" in said
    finished = len(history(run))
    assert 3 <= finished < EPOCHS
    filler.unlink()
    succeed("train", "--resume", run, "--set", f"training.epochs={EPOCHS}", "--profile", "off", cwd=here)
    check_same(run, undisturbed)
