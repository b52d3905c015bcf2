"""Executors on a real standalone cluster: one sidecar, whose samples come back, and what Spark says of them."""

from __future__ import annotations

import json
import platform
import statistics

import psutil
from launching import QUICK_JAVA, Started, phases, read_json

from monitor.eventlog import read_events
from monitor.records import read_samples


def test_executors_are_watched_and_their_samples_come_back(cluster, settings, tmp_path):
    cwd = tmp_path / "here"
    cwd.mkdir()
    options = ("--", "--conf", f"spark.executor.extraJavaOptions={QUICK_JAVA}")
    job = Started(
        "prepare", "--config", settings, "--master", cluster.url, cwd=cwd, run=tmp_path / "run", options=options
    )
    try:
        job.wait_for_phase("ratings_transformation")
        assert len(sidecars(str(cluster.temporary))) == 1
        assert len(list(cluster.temporary.glob("monitor-app-*"))) == 1
        said = job.end()
    finally:
        job.kill()
    assert job.launcher.returncode == 0, said

    resources = job.path / "resources"
    told = read_json(resources / "hosts.json")
    assert (told["without_data"], told["problems"]) == ([], [])
    driver, machine = told["hosts"]
    assert (driver["role"], driver["host"], machine["role"], machine["host"]) == (
        "driver", platform.node(), "executor", platform.node(),
    )  # fmt: skip
    # its clock is this machine's own: the estimate must allow for no offset at all
    assert abs(machine["clock_offset_seconds"]) <= machine["clock_error_seconds"] < 2

    samples = read_samples(resources / f"samples-{platform.node()}.jsonl")
    assert samples.end is not None and samples.end.why == "asked"
    assert samples.end.samples == len(samples.samples) == machine["samples"]
    # both executors in one tree; for a moment there are more, when one forks to start Python
    assert statistics.mode(one.roles["jvm"].processes for one in samples.samples if "jvm" in one.roles) == 2
    assert max(one.roles["worker"].processes for one in samples.samples if "worker" in one.roles) >= 2
    assert all(one.roles["sidecar"].processes == 1 for one in samples.samples)
    began, ended = (record["mono"] for record in (phases(job.path)[0], phases(job.path)[-1]))
    assert samples.samples[0].mono < began and ended < samples.samples[-1].mono
    assert sum(one.tree().cpu_seconds for one in samples.samples) > 1

    work = {
        name: [json.loads(line) for line in (resources / name).read_text().splitlines()]
        for name in ("jobs.jsonl", "stages.jsonl")
    }
    brackets = {one["name"] for one in phases(job.path)}
    assert {one["phase"] for one in work["jobs.jsonl"]} - {None} <= brackets
    assert {"data_loading", "data_integration", "ratings_arrays"} <= {one["phase"] for one in work["jobs.jsonl"]}
    assert "monitor" not in {one["job_group"] for one in (*work["jobs.jsonl"], *work["stages.jsonl"])}
    run = [one for one in work["stages.jsonl"] if one["status"] == "complete"]
    assert {one["status"] for one in work["stages.jsonl"]} == {"complete", "skipped"}
    assert sum(one["executor_cpu_seconds"] for one in run) > 0 and sum(one["shuffle_write_bytes"] for one in run) > 0
    groups = {
        one["Properties"].get("spark.jobGroup.id")
        for one in read_events(resources / "eventlog")
        if "Job ID" in one and "Properties" in one
    }
    assert "monitor" in groups  # Spark saw them, and they were taken out

    assert sidecars(str(cluster.temporary)) == []
    assert list(cluster.temporary.iterdir()) == []


def sidecars(folder):
    found = psutil.process_iter(["cmdline"])
    return [
        one
        for one in found
        if any(folder in word for word in one.info["cmdline"] or []) and "monitor.hostwatch" in one.info["cmdline"]
    ]
