"""A real standalone cluster of one master and two workers, whose processes know nothing of this project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
from launching import QUICK_JAVA, ROOT, Started, history, phases, read_json
from standalone import SPARK

from recsys.evaluation import quiet_keras


def is_python_daemon(process: psutil.Process) -> bool:
    return process.status() != psutil.STATUS_ZOMBIE and "pyspark.daemon" in process.cmdline()


def weights(run: Path) -> list[np.ndarray]:
    return quiet_keras().models.load_model(run / "model" / "model.keras").get_weights()


def test_train_runs_on_a_cluster_that_has_only_what_is_shipped(cluster, trained, tmp_path):
    """And gives the very same as on one machine, so that the seeds reach all that is random."""
    cwd = tmp_path / "here"
    cwd.mkdir()
    options = ("--", "--conf", f"spark.executor.extraJavaOptions={QUICK_JAVA}")
    job = Started(
        "train", "--config", trained.settings, "--master", cluster.url, cwd=cwd, run=tmp_path / "run", options=options
    )
    try:
        job.wait_for_epoch()
        executors = [psutil.Process(one.pid).children(recursive=True) for one in cluster.processes[1:]]
        for number, processes in enumerate(executors, 1):
            daemons = [process for process in processes if is_python_daemon(process)]
            assert daemons, f"no Python on worker {number}"
            for process in daemons:
                assert Path(process.cwd()).is_relative_to(cluster.folder / f"worker-{number}" / "work")
                assert str(ROOT) not in (process.environ().get("PYTHONPATH") or "").replace(str(SPARK), "")
        said = job.end()
    finally:
        job.kill()
    assert job.launcher.returncode == 0, said

    # without the archive there is no recsys to be imported, and each worker has fetched it
    bare = subprocess.run([sys.executable, "-c", "import recsys"], cwd="/", env={}, capture_output=True, check=False)
    assert b"No module named 'recsys'" in bare.stderr
    for number in (1, 2):
        assert list((cluster.folder / f"worker-{number}" / "work").glob("app-*/*/howdah-*.zip"))

    assert read_json(job.path / "run.json")["status"] == "succeeded"
    assert read_json(job.path / "environment.json")["spark"]["spark.cores.max"] == "2"
    assert [one["name"] for one in phases(job.path)] == [one["name"] for one in phases(trained.path)]
    assert list(cwd.iterdir()) == []

    assert [{**row, "seconds": ""} for row in history(job.path)] == [
        {**row, "seconds": ""} for row in history(trained.path)
    ]
    for ours, theirs in zip(weights(job.path), weights(trained.path), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for name in ("statistics.json", "metrics.json", "recommendations.json"):
        assert read_json(job.path / name) == read_json(trained.path / name), name
