"""What a profiled job asks of Spark: an event log, a group for each phase's jobs, and nothing that makes it fail."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from spark_events import job_end, job_start, stage_completed, stage_info, stage_submitted

from spark_jobs.run.profiling import Profile, gather


class FakeContext:
    """A Spark context that keeps the local properties of its thread."""

    master, uiWebUrl, applicationId = "local[2]", None, "local-17"

    def __init__(self, **settings: str) -> None:
        self.settings = {key.replace("_", "."): value for key, value in settings.items()}
        self.properties: dict[str, str | None] = {}

    def getConf(self) -> Any:
        return SimpleNamespace(get=lambda key, default=None: self.settings.get(key, default))

    def setLocalProperty(self, key: str, value: str | None) -> None:
        self.properties[key] = value

    @property
    def group(self) -> str | None:
        return self.properties.get("spark.jobGroup.id")


def begun(context: FakeContext, resources: Path) -> Profile:
    profile = Profile(resources, 0.5)
    profile.begin(SimpleNamespace(sparkContext=context))
    return profile


def start(name: str) -> dict[str, str]:
    return {"event": "start", "name": name}


def end(name: str, status: str = "done") -> dict[str, str]:
    return {"event": "end", "name": name, "status": status}


def write_log(path: Path) -> None:
    info = stage_info(0, 1)
    events = [
        job_start(0, 5000, info, group="data_loading"), stage_submitted(info, 5000), stage_completed(info, 5000, 6000),
        job_end(0, 6000),
    ]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(event) + "\n" for event in events))


def test_spark_writes_its_event_log_into_the_run_unless_the_user_has_said_otherwise(tmp_path: Path) -> None:
    resources = tmp_path / "a run" / "resources"
    settings = Profile(resources, 0.5).settings({"spark.master": "local[2]"})
    assert settings["spark.eventLog.enabled"] == "true"
    assert settings["spark.eventLog.dir"] == f"file://{str(resources).replace(' ', '%20')}/eventlog"
    assert (resources / "eventlog").is_dir()
    for said in ("true", "false"):
        assert Profile(tmp_path / "b", 0.5).settings({"spark.eventLog.enabled": said}) == {}
    assert Profile(tmp_path / "c", None).settings({}) == {}
    assert [path.name for path in tmp_path.iterdir()] == ["a run"]


def test_jobs_carry_the_innermost_phase_as_their_group(tmp_path: Path) -> None:
    context = FakeContext()
    profile = begun(context, tmp_path)
    heard = []
    for record in (start("outer"), start("inner"), end("inner"), end("outer"), start("last")):
        profile.hear(record)
        heard.append(context.group)
    assert heard == ["outer", "inner", "outer", None, "last"]


def test_after_a_failure_spark_is_left_alone(tmp_path: Path) -> None:
    context = FakeContext()
    profile = begun(context, tmp_path)
    profile.hear(start("data_loading"))
    profile.hear(end("data_loading", "failed"))
    assert context.group == "data_loading"  # the JVM may await the end of a call that was broken off
    profile.end()
    profile.hear(start("another"))
    assert context.group == "data_loading"


def test_a_session_that_cannot_be_asked_stops_nothing(tmp_path: Path) -> None:
    def broken(*_: Any) -> None:
        raise ConnectionError("the JVM has gone")

    context = FakeContext()
    profile = begun(context, tmp_path)
    context.setLocalProperty = broken  # type: ignore[method-assign, assignment]
    profile.hear(start("data_loading"))
    profile.end()
    profile.gather()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["local-17.zstd", "local-17", "local-17.inprogress"])
def test_the_log_that_the_user_asked_for_is_read_where_it_is(name: str, tmp_path: Path) -> None:
    context = FakeContext(spark_eventLog_enabled="true", spark_eventLog_dir=f"file:{tmp_path}/logs")
    write_log(tmp_path / "logs" / name)
    write_log(tmp_path / "logs" / "another")
    resources = tmp_path / "resources"
    resources.mkdir()
    profile = begun(context, resources)
    profile.hear(start("data_loading"))
    profile.end()
    profile.gather()
    (job,) = (json.loads(line) for line in (resources / "jobs.jsonl").read_text().splitlines())
    assert (job["job"], job["job_group"]) == (0, "data_loading")
    assert sorted(path.name for path in resources.iterdir()) == ["jobs.jsonl", "stages.jsonl"]


def test_what_a_killed_job_left_is_gathered_once(tmp_path: Path) -> None:
    write_log(tmp_path / "eventlog" / "local-3.inprogress")
    gather(tmp_path)
    assert len((tmp_path / "stages.jsonl").read_text().splitlines()) == 1
    write_log(tmp_path / "eventlog" / "local-4")
    (tmp_path / "jobs.jsonl").unlink()
    gather(tmp_path)
    assert not (tmp_path / "jobs.jsonl").exists()


def test_without_a_profile_nothing_is_done(tmp_path: Path) -> None:
    context = FakeContext(spark_eventLog_enabled="true", spark_eventLog_dir=str(tmp_path / "logs"))
    write_log(tmp_path / "logs" / "local-17")
    profile = Profile(tmp_path / "resources", None)
    profile.begin(SimpleNamespace(sparkContext=context))
    profile.hear(start("data_loading"))
    profile.end()
    profile.gather()
    assert context.properties == {}
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
