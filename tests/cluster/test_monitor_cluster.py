"""Executors on a real standalone cluster: one sidecar, whose samples come back, and what Spark says of them."""

from __future__ import annotations

import json
import platform
import statistics

from launching import phases, read_json
from standalone import sidecars_of

from monitor.records import read_samples
from monitor.spark.eventlog import read_events


def test_executors_are_watched_and_their_samples_come_back(on_cluster):
    assert (on_cluster.sidecars, on_cluster.folders_of_sidecars) == (1, 1)
    run = on_cluster.path
    resources = run / "resources"
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
    began, ended = (record["mono"] for record in (phases(run)[0], phases(run)[-1]))
    assert samples.samples[0].mono < began and ended < samples.samples[-1].mono
    assert sum(one.tree().cpu_seconds for one in samples.samples) > 1

    work = {
        name: [json.loads(line) for line in (resources / name).read_text().splitlines()]
        for name in ("jobs.jsonl", "stages.jsonl")
    }
    brackets = {one["name"] for one in phases(run)}
    assert {one["phase"] for one in work["jobs.jsonl"]} - {None} <= brackets
    assert {"data_loading", "data_integration", "ratings_arrays"} <= {one["phase"] for one in work["jobs.jsonl"]}
    assert "monitor" not in {one["job_group"] for one in (*work["jobs.jsonl"], *work["stages.jsonl"])}
    done = [one for one in work["stages.jsonl"] if one["status"] == "complete"]
    assert {one["status"] for one in work["stages.jsonl"]} == {"complete", "skipped"}
    assert sum(one["executor_cpu_seconds"] for one in done) > 0 and sum(one["shuffle_write_bytes"] for one in done) > 0
    groups = {
        one["Properties"].get("spark.jobGroup.id")
        for one in read_events(resources / "eventlog")
        if "Job ID" in one and "Properties" in one
    }
    assert "monitor" in groups  # Spark saw them, and they were taken out

    assert sidecars_of(on_cluster.cluster) == []
    assert list(on_cluster.cluster.temporary.glob("monitor*")) == []  # TensorFlow leaves some of its own
