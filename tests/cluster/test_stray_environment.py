"""A job in an environment made for other programs, in the locale C, from a directory that cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from compare_data import make_small_ratings
from launching import LIMIT_SECONDS, TINY, environment, read_json
from quick_java import ROOT

STRAY = {
    "LC_ALL": "C", "PYSPARK_DRIVER_PYTHON": "jupyter", "KERAS_BACKEND": "torch", "PYTHONOPTIMIZE": "2",
    "PYTHONIOENCODING": "ascii", "SPARK_HOME": "/absent", "HADOOP_CONF_DIR": "/absent", "TMPDIR": "/absent",
    "PYTHONSTARTUP": "/absent.py", "SPARK_REMOTE": "sc://absent", "SPARK_LOCAL_IP": "203.0.113.1",
}  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_it_trains_and_recommends(tmp_path: Path) -> None:
    here = make_small_ratings(tmp_path / "Daten für Jürgen")
    ratings = (here / "ratings.csv").rename(here / "Café.csv")
    (here / "tiny.toml").write_text(TINY.replace('dataset = "synthetic"\nscale = 0.002\n', f'ratings = "{ratings}"\n'))
    variables = {**environment(tmp_path / "home"), **STRAY}
    del variables["HOME"]
    output = here / "Läufe" / "1"
    words = ("train", "--config", here / "tiny.toml", "--output", output)
    command = [str(word) for word in (ROOT / "spark-submit.sh", *words)]
    ended = subprocess.run(
        command, cwd="/proc", env=variables, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_SECONDS
    )
    screen = ended.stdout.decode("ascii")
    assert ended.returncode == 0, screen + ended.stderr.decode()
    assert f"writing to {output}".encode("ascii", "replace").decode() in screen
    assert "writing to" in (output / "run.log").read_text(encoding="utf-8") and "Läufe" in os.listdir(here)
    assert sorted(path.name for path in here.iterdir() if path.is_dir()) == ["Läufe"]
    assert [path.name for path in (here / "Läufe").iterdir()] == ["1"]
    assert read_json(output / "run.json")["status"] == "succeeded"
    assert read_json(output / "environment.json")["directory"] == "/proc"
    assert not (output / "tmp").exists()
