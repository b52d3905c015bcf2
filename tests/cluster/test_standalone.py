"""A real standalone cluster of one master and two workers, whose processes know nothing of this project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from launching import ROOT, history, phases, read_json
from standalone import SPARK

from recsys.quiet import quiet_keras


def weights(run: Path) -> list[np.ndarray]:
    return quiet_keras().models.load_model(run / "model" / "model.keras").get_weights()


def test_train_runs_on_a_cluster_that_has_only_what_is_shipped(on_cluster):
    for number, daemons in enumerate(on_cluster.daemons, 1):
        work = on_cluster.cluster.folder / f"worker-{number}" / "work"
        assert daemons, f"no Python on worker {number}"
        for daemon in daemons:
            assert daemon.cwd.is_relative_to(work)
            assert str(ROOT) not in daemon.python_path.replace(str(SPARK), "")
        assert list(work.glob("app-*/*/howdah-*.zip"))
    # without the archive there is no recsys to be imported, and each worker has fetched it
    bare = subprocess.run([sys.executable, "-c", "import recsys"], cwd="/", env={}, capture_output=True, check=False)
    assert b"No module named 'recsys'" in bare.stderr

    assert read_json(on_cluster.path / "run.json")["status"] == "succeeded"
    assert read_json(on_cluster.path / "environment.json")["spark"]["spark.cores.max"] == "2"
    assert list(on_cluster.cwd.iterdir()) == []


def test_workers_are_forks_of_a_daemon_that_has_what_they_need_and_no_tensorflow(on_cluster):
    for number, daemons in enumerate(on_cluster.daemons, 1):
        assert len(daemons) >= 2, f"no daemon with a worker on worker {number}"
        assert all("scipy.sparse" in one.preload for one in daemons)
        assert not any(one.has_tensorflow for one in daemons)


def test_a_cluster_gives_the_very_same_as_one_machine(on_cluster, trained):
    """So that the seeds reach all that is random."""
    ours, theirs = on_cluster.path, trained.path
    assert [one["name"] for one in phases(ours)] == [one["name"] for one in phases(theirs)]
    figures = [
        [{key: value for key, value in row.items() if not key.endswith("seconds")} for row in history(run)]
        for run in (ours, theirs)
    ]
    assert figures[0] == figures[1]
    for one, other in zip(weights(ours), weights(theirs), strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("statistics.json", "metrics.json", "recommendations.json"):
        assert read_json(ours / name) == read_json(theirs / name), name
