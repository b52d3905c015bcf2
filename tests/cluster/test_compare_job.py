"""The job compare as a user starts it, each run in a JVM of its own; and fetch, which it calls for shared data."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from compare_data import make_small_ratings
from launching import launch, read_json, succeed

from spark_jobs.launcher.arguments import cores

COLUMNS = ("phase", "workers", "wall_seconds", "cpu_seconds", "pss_peak_bytes")


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    return make_small_ratings(tmp_path / "here")


def test_one_worker_and_two(compared):
    out, cwd = compared.path, compared.path.parent
    assert {path.name for path in (out / "runs").iterdir()} == {"small-1w-1", "small-2w-1"}
    for name, workers in (("small-1w-1", 1), ("small-2w-1", 2)):
        assert read_json(out / "runs" / name / "run.json")["status"] == "succeeded"
        assert (
            read_json(out / "runs" / name / "environment.json")["spark"]["spark.master"]
            == f"local[{min(workers, cores())}]"
        )
    assert [rate["processes"] for rate in read_json(out / "capability.json")["rates"]] == [1, 2]
    with (out / "compare.csv").open(newline="") as file:
        rows = {(row["phase"], row["workers"]): row for row in csv.DictReader(file)}
    one, two = rows["model_training", "1"], rows["model_training", "2"]
    # both were sampled, and the speed-up is that of their own figures
    assert all(float(row[name]) > 0 for row in (one, two) for name in COLUMNS[2:])
    assert float(two["speedup"]) == pytest.approx(float(one["wall_seconds"]) / float(two["wall_seconds"]), abs=1e-5)
    assert float(two["efficiency"]) == pytest.approx(float(two["speedup"]) / 2, abs=1e-5)
    assert {"index.html", "compare.md", "losses.png", "speedup.png", "grid.csv"} <= {one.name for one in out.iterdir()}
    assert "[run 2/2] small-2w-1: about " in compared.ended.stdout
    assert sorted(path.name for path in cwd.iterdir()) == ["out", "ratings.csv", "small.toml"]
    again = launch(*compared.arguments, cwd=cwd)
    assert again.returncode == 0 and again.stdout.count("succeeded before, kept") == 2


def test_a_run_that_does_not_fit_is_a_row_of_the_grid(cwd):
    ended = succeed(
        "compare", "--config", "./small.toml", "--workers", "1", "--grid", "machine.memory_gb=0.5,8", "--output", "out",
        cwd=cwd, jobs=2,
    )  # fmt: skip
    out = cwd / "out"
    with (out / "grid.csv").open(newline="") as file:
        small, large = csv.DictReader(file)
    assert (small["status"], large["status"]) == ("does not fit", "succeeded")
    assert small["reason"].startswith("memory limit of 500 MB")
    assert "small-memory_gb=0.5-1w-1 does not fit: memory limit of 500 MB" in ended.stderr
    assert read_json(out / "runs" / "small-memory_gb=0.5-1w-1" / "run.json")["does_not_fit"] is True
    heap = read_json(out / "runs" / "small-memory_gb=8-1w-1" / "environment.json")["spark"]["spark.driver.memory"]
    assert heap == "2048m" and float(large["gb_hours"]) == pytest.approx(8 * float(large["core_hours"]))
    assert "does not fit: memory limit of 500 MB" in (out / "index.html").read_text()


def test_fetched_data_are_there_for_later_runs(cwd):
    wanted = ("--set", "data.dataset=synthetic", "--set", "data.scale=0.001", "--set", "data.data_dir=kept")
    succeed("fetch", *wanted, "--output", "run", cwd=cwd)
    (folder,) = (cwd / "kept").iterdir()
    assert folder.name == "synthetic-scale0.001-seed1"
    assert any((folder / "ratings.csv").glob("part-*"))
    refused = launch("fetch", "--config", "./small.toml", "--output", "other", cwd=cwd)
    assert refused.returncode == 2
    assert "data.ratings names files that are there already" in refused.stdout + refused.stderr
