"""What Spark ran, from event logs and answers made by hand, and the phases that it belongs to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from spark_events import job_end, job_start, metrics, stage_completed, stage_info, stage_submitted, task_end

from monitor.errors import MonitorError
from monitor.records import PhaseRecord
from monitor.spark.collect import (
    SparkJob,
    SparkStage,
    SparkWork,
    collect_event_log,
    join_to_phases,
    read_rest,
    read_spark_work,
    work_of,
    write_spark_work,
)

FIRST, SECOND = stage_info(0, 2), stage_info(1, 3)
EVENTS = [
    {"Event": "SparkListenerLogStart", "Spark Version": "4.0.0"},
    job_start(0, 10_000, SECOND, FIRST, group="data_loading"),
    stage_submitted(FIRST, 10_010),
    task_end(0, metrics=metrics(1500, 700_000_000, 20, 4096, input=100, written=11)),
    task_end(0, metrics=metrics(500, 300_000_000, 5, 1024, input=50, written=22, memory_spill=7, disk_spill=3)),
    stage_completed(FIRST, 10_010, 12_000),
    stage_submitted(SECOND, 12_001),
    task_end(1, reason="ExceptionFailure", metrics=metrics(250, 0, 0, 0)),
    task_end(1, reason="TaskKilled"),
    task_end(1, metrics=metrics(1000, 1, 1, 8, remote=30, local=3, output=9)),
    stage_completed(SECOND, 12_001, 13_500),
    job_end(0, 13_501),
]


def test_a_stage_is_the_sum_of_its_tasks_and_the_largest_peak_of_one() -> None:
    work = work_of(EVENTS)
    assert work.jobs == (SparkJob(0, "stage 1", "data_loading", None, 10.0, 13.501, "succeeded", (0, 1)),)
    assert work.stages == (
        SparkStage(
            0, 0, "stage 0", "data_loading", None, "complete", 10.01, 12.0, 2, 0,
            executor_run_seconds=2.0, executor_cpu_seconds=1.0, gc_seconds=0.025, shuffle_write_bytes=33,
            memory_spill_bytes=7, disk_spill_bytes=3, peak_execution_memory_bytes=4096, input_bytes=150,
        ),
        SparkStage(
            1, 0, "stage 1", "data_loading", None, "complete", 12.001, 13.5, 3, 1,
            executor_run_seconds=1.25, executor_cpu_seconds=1e-9, gc_seconds=0.001, shuffle_read_bytes=33,
            peak_execution_memory_bytes=8, output_bytes=9,
        ),
    )  # fmt: skip


def test_every_attempt_of_a_stage_stands_for_itself() -> None:
    again = stage_info(0, 1, attempt=1)
    work = work_of(
        [
            job_start(4, 0, FIRST),
            stage_submitted(FIRST, 1),
            task_end(0, reason="FetchFailed"),
            stage_completed(FIRST, 1, 2, **{"Failure Reason": "lost"}),
            stage_submitted(again, 3),
            task_end(0, attempt=1, metrics=metrics(8, 0, 0, 0)),
            task_end(0, metrics=metrics(16, 0, 0, 0)),  # of the first attempt, after its end
            stage_completed(again, 3, 4),
            job_end(4, 5, "JobFailed"),
        ]
    )
    told = [(one.attempt, one.status, one.tasks, one.failed_tasks, one.executor_run_seconds) for one in work.stages]
    assert told == [(0, "failed", 2, 1, 0.016), (1, "complete", 1, 0, 0.008)]
    assert work.jobs[0].status == "failed"


def test_what_was_there_already_is_skipped_and_what_had_not_ended_is_so() -> None:
    work = work_of([*EVENTS, job_start(1, 14_000, FIRST, stage_info(2, 1)), job_start(2, 15_000, stage_info(3, 5))])
    assert [one.status for one in work.stages] == ["complete", "complete", "pending", "pending"]
    more = [job_start(1, 14_000, stage_info(2, 1), stage_info(3, 1)), stage_submitted(stage_info(3, 1), 14_001)]
    work = work_of([*EVENTS, *more])
    assert [(one.stage, one.status, one.submitted) for one in work.stages[2:]] == [
        (2, "pending", None),
        (3, "active", 14.001),
    ]
    assert (work.jobs[1].status, work.jobs[1].completed) == ("running", None)
    work = work_of([*EVENTS, *more, stage_completed(stage_info(3, 1), 14_001, 15_000), job_end(1, 15_000)])
    assert [(one.stage, one.status, one.completed) for one in work.stages[2:]] == [
        (2, "skipped", None),
        (3, "complete", 15.0),
    ]


def test_events_that_are_unknown_or_lack_something_change_nothing() -> None:
    strange: list[dict[str, Any]] = [
        {"Event": "SparkListenerJobStart"},
        {"Event": "SparkListenerJobEnd", "Job ID": 99, "Completion Time": 1, "Job Result": {"Result": "JobSucceeded"}},
        {"Event": "SparkListenerStageCompleted", "Stage Info": None},
        {"Event": "SparkListenerTaskEnd", "Stage ID": 99, "Stage Attempt ID": 0},
        {"Event": "org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionEnd", "executionId": 0},
    ]
    mixed = [one for event in EVENTS for one in (*strange, event)]
    assert work_of(mixed) == work_of(EVENTS)


def at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")


def bracket(name: str, start: float, end: float | None) -> list[PhaseRecord]:
    begun: PhaseRecord = {"event": "start", "name": name, "start": at(start), "pid": 1}
    return [begun] + ([{**begun, "event": "end", "end": at(end), "status": "done"}] if end else [])


PHASES = [
    *bracket("load", 100, 110),
    *bracket("outer", 120, 140),
    *bracket("inner", 125, 130),
    *bracket("last", 150, None),
]


def job(number: int, submitted: float, group: str | None = None, stages: tuple[int, ...] = ()) -> SparkJob:
    return SparkJob(number, "", group, None, submitted, submitted + 1, "succeeded", stages)


@pytest.mark.parametrize(
    ("submitted", "group", "phase"),
    [
        (105, None, "load"),
        (100, None, "load"),
        (105, "inner", "inner"),  # what it was started for counts more than when
        (105, "broadcast 7", "load"),
        (115, None, None),
        (115, "load", "load"),
        (121, None, "outer"),
        (127, None, "inner"),
        (135, None, "outer"),
        (145, None, None),
        (999, None, "last"),  # a phase that was cut off goes on
        (99, None, None),
    ],
)
def test_a_job_belongs_to_its_groups_phase_or_to_the_one_it_was_submitted_in(submitted, group, phase) -> None:
    joined = join_to_phases(SparkWork((job(0, submitted, group),)), PHASES)
    assert joined.jobs[0].phase == phase


def test_a_stage_belongs_to_the_first_job_that_names_it() -> None:
    stages = tuple(SparkStage(n, 0, "", None, None, "complete", 1.0, 2.0, 1) for n in (4, 5, 6))
    work = SparkWork((job(0, 105, stages=(4,)), job(1, 127, stages=(4, 5))), stages)
    assert [one.phase for one in join_to_phases(work, PHASES).stages] == ["load", "inner", None]


def test_without_phases_there_are_none() -> None:
    joined = join_to_phases(work_of(EVENTS), [])
    assert {one.phase for one in joined.jobs} == {one.phase for one in joined.stages} == {None}


def test_the_files_hold_all_of_it(tmp_path: Path) -> None:
    assert read_spark_work(tmp_path) is None
    (tmp_path / "eventlog").mkdir()
    (tmp_path / "eventlog" / "app-1").write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    (tmp_path / "phases.jsonl").write_text("".join(json.dumps(one) + "\n" for one in bracket("data_loading", 9, 14)))
    work = collect_event_log(tmp_path)
    assert read_spark_work(tmp_path) == work
    first, second = (json.loads(line) for line in (tmp_path / "stages.jsonl").read_text().splitlines())
    assert (first["phase"], first["shuffle_write_bytes"], second["failed_tasks"]) == ("data_loading", 33, 1)
    (only,) = (json.loads(line) for line in (tmp_path / "jobs.jsonl").read_text().splitlines())
    assert only == {
        "job": 0, "name": "stage 1", "job_group": "data_loading", "phase": "data_loading", "submitted": 10.0,
        "completed": 13.501, "status": "succeeded", "stages": [0, 1],
    }  # fmt: skip
    write_spark_work(tmp_path, SparkWork())
    assert read_spark_work(tmp_path) == SparkWork()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "eventlog",
        "jobs.jsonl",
        "phases.jsonl",
        "stages.jsonl",
    ]


STAGE = {
    "stageId": 1, "attemptId": 0, "name": "stage 1", "status": "COMPLETE", "numTasks": 3, "numFailedTasks": 1,
    "submissionTime": "1970-01-01T00:00:12.001GMT", "completionTime": "1970-01-01T00:00:13.500GMT",
    "executorRunTime": 1250, "executorCpuTime": 1, "jvmGcTime": 1, "shuffleReadBytes": 33, "shuffleWriteBytes": 0,
    "memoryBytesSpilled": 0, "diskBytesSpilled": 0, "peakExecutionMemory": 12, "inputBytes": 0, "outputBytes": 9,
}  # fmt: skip
ANSWERS: dict[str, Any] = {
    "": [{"id": "app 1"}],
    "/app 1/jobs": [
        {
            "jobId": 0, "name": "stage 1", "jobGroup": "data_loading", "status": "SUCCEEDED", "stageIds": [1, 0],
            "submissionTime": "1970-01-01T00:00:10.000GMT", "completionTime": "1970-01-01T00:00:13.501GMT",
        }
    ],
    "/app 1/stages": [
        STAGE,
        {
            **STAGE, "stageId": 0, "name": "stage 0", "numTasks": 2, "numFailedTasks": 0, "executorRunTime": 2000,
            "submissionTime": "1970-01-01T00:00:10.010GMT", "completionTime": "1970-01-01T00:00:12.000GMT",
            "executorCpuTime": 10**9, "jvmGcTime": 25, "shuffleReadBytes": 0, "shuffleWriteBytes": 33,
            "memoryBytesSpilled": 7, "diskBytesSpilled": 3, "peakExecutionMemory": 5120, "inputBytes": 150,
            "outputBytes": 0,
        },
    ],
    "/app 1/stages/0/0/taskSummary?quantiles=1.0": {"peakExecutionMemory": [4096.0]},
    "/app 1/stages/1/0/taskSummary?quantiles=1.0": {"peakExecutionMemory": [8.0]},
}  # fmt: skip


class _Status(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        answer = ANSWERS.get(self.path.removeprefix("/api/v1/applications").replace("%20", " "))
        self.send_response(200 if answer is not None else 404)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def status_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Status)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_the_status_pages_tell_the_same_as_the_event_log(status_url: str) -> None:
    assert read_rest(status_url) == work_of(EVENTS)
    assert read_rest(status_url, "app 1") == work_of(EVENTS)


def test_an_application_that_does_not_answer_is_named(status_url: str) -> None:
    with pytest.raises(MonitorError, match=r"no answer .*spark.ui.enabled"):
        read_rest(status_url, "another")
    with pytest.raises(MonitorError, match=r"http://127\.0\.0\.1:1/api.*no answer"):
        read_rest("http://127.0.0.1:1")
