"""A real standalone cluster of one master and two workers, whose processes know nothing of this project."""

from __future__ import annotations

import subprocess

import numpy as np
import pandas as pd
import pytest
from compare_data import make_small_ratings
from launching import check_sample_user, history, launch, phases, read_json, succeed, weights
from quick_java import ROOT, SPARK
from standalone import Cluster, quick_executors


def test_train_runs_on_a_cluster_that_has_only_what_is_shipped(on_cluster):
    for number, daemons in enumerate(on_cluster.daemons, 1):
        work = on_cluster.cluster.folder / f"worker-{number}" / "work"
        assert daemons, f"no Python on worker {number}"
        for daemon in daemons:
            assert daemon.cwd.is_relative_to(work)
            assert daemon.python == str(on_cluster.python)
            assert str(ROOT) not in daemon.python_path.replace(str(SPARK), "")
        assert list(work.glob("app-*/*/howdah-*.zip"))
    # without the archive there is no recsys to be imported, and each worker has fetched it
    for package in ("recsys", "monitor", "spark_jobs"):
        command = [str(on_cluster.python), "-c", f"import pyspark, {package}"]
        ended = subprocess.run(command, cwd="/", env={}, capture_output=True, check=False)
        assert f"No module named '{package}'".encode() in ended.stderr

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


def there(cluster: Cluster) -> tuple[str, ...]:
    """Options by which a job runs on the cluster."""
    return ("--master", cluster.url, "--", *quick_executors())


def test_the_other_jobs_run_there_too(on_cluster, trained, tmp_path):
    cluster, model = there(on_cluster.cluster), trained.path
    succeed("prepare", "--config", trained.settings, "--profile", "off", "--output", "prepared", *cluster, cwd=tmp_path)
    assert read_json(tmp_path / "prepared" / "statistics.json") == read_json(model / "statistics.json")

    given = ["--model", model, "--prepared", tmp_path / "prepared"]
    own = ["--set", "evaluation.recall_at=[5]", "--profile", "off"]
    succeed("evaluate", *given, *own, "--output", "evaluated", *cluster, cwd=tmp_path)
    figures = [read_json(run / "metrics.json")["ranking"]["model"] for run in (tmp_path / "evaluated", model)]
    assert set(figures[0]) == {"recall@5", "ndcg@100", "coverage@5"}
    assert figures[0]["ndcg@100"]["mean"] == pytest.approx(figures[1]["ndcg@100"]["mean"], rel=1e-4)

    succeed("recommend", "--all", *given, "--top", "5", "--output", "best", *cluster, cwd=tmp_path)
    check_sample_user(model, pd.read_parquet(tmp_path / "best"))


def test_what_its_hosts_have_no_memory_for_is_refused_before_the_work(on_cluster, trained, tmp_path):
    """By what the executors themselves say: the driver would have enough."""
    options = ["--config", trained.settings, "--set", "training.batch_size=100000000", "--profile", "off"]
    refused = launch("train", *options, "--output", "out", *there(on_cluster.cluster), cwd=tmp_path)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "GB more on " in refused.stdout and "(workers: 2, each " in refused.stdout
    assert "data_loading" not in refused.stdout


def test_workers_are_compared_there(on_cluster, tmp_path):
    cwd = make_small_ratings(tmp_path / "here")
    own = ["--config", "./small.toml", "--workers", "1", "2", "--output", "out"]
    succeed("compare", *own, *there(on_cluster.cluster), cwd=cwd, jobs=2)
    for workers in (1, 2):
        run = cwd / "out" / "runs" / f"small-{workers}w-1"
        assert read_json(run / "run.json")["status"] == "succeeded"
        properties = read_json(run / "environment.json")["spark"]
        assert (properties["spark.master"], properties["spark.cores.max"]) == (on_cluster.cluster.url, str(workers))
        hosts = read_json(run / "resources" / "hosts.json")["hosts"]
        assert any(one["role"] == "executor" for one in hosts)
    assert (cwd / "out" / "index.html").exists()
