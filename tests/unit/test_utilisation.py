"""What all runs used over time: averages between moments, whose memory, and which runs are beside each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from runs_to_compare import make_run

from monitor.compare import ComparisonFields, columns_of, compare_columns
from monitor.compare.utilisation import busy_cores, plot_utilisation
from monitor.cost.run_files import read_run
from spark_jobs.comparison.columns import FIELDS


def test_busy_cores_are_averages_between_moments(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "a", [("load", 4.0, 1.0, 1.0), ("train", 2.0, 0.5, 2.0)]))
    assert busy_cores(run.timeline, [0.0, 2.0, 4.0, 6.0])["worker"] == pytest.approx([1.0, 1.0, 0.5])
    # moments between samples, half a second of each kind, and an end before the run's
    assert busy_cores(run.timeline, [3.25, 4.75])["worker"] == pytest.approx([(0.75 * 1.0 + 0.75 * 0.5) / 1.5])
    assert busy_cores(run.timeline, [0.0, 6.0])["jvm"] == [0.0]


def test_one_picture_has_every_run_and_says_what_does_not_fit(tmp_path: Path) -> None:
    runs = []
    for workers in (1, 2):
        settings = f"[machine]\nmemory_gb = 3.0\ncores = {workers}\n"
        phases = [("load", 4.0, 1.0, 1.0), ("train", 6.0 / workers, 1.0, 2.0)]
        runs.append(make_run(tmp_path / f"{workers}w", phases, workers, settings=settings))
    runs.append(
        make_run(tmp_path / "more", [("load", 5.0, 1.0, 1.0)], 2, settings="[data]\nscale = 1.0", samples=False)
    )
    picture = plot_utilisation(compare_columns(columns_of(list(map(read_run, runs)))), tmp_path / "use.png", FIELDS)
    assert picture is not None and picture.path.is_file()
    assert picture.text.startswith("Busy cores and memory of 2 runs over time")  # the third has no samples


def test_without_samples_there_is_no_picture(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "a", [("load", 4.0, 1.0, 1.0)], samples=False))
    fields = ComparisonFields()
    assert plot_utilisation(compare_columns(columns_of([run])), tmp_path / "use.png", fields) is None
