"""The graph of a job: which stages were skipped, which shuffles there are, and its picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread
from spark_events import job_end, job_start, metrics, stage_completed, stage_info, stage_submitted, task_end

from monitor.plots import plot_job
from monitor.spark.collect import work_of
from monitor.spark.graph import JobGraph, Step, job_graphs, read_job_graphs


def rdd(number: int, name: str, scope: int | None = None, kept: bool = False, title: str = "MapPartitionsRDD") -> Any:
    told = {} if scope is None else {"Scope": json.dumps({"id": str(scope), "name": name})}
    return {"RDD ID": number, "Name": name if scope is None else title, **told, "Storage Level": {"Use Memory": kept}}


READ = [rdd(1, "Scan text ", 5), rdd(0, "Scan text ", 5), rdd(2, "Exchange", 6)]
GATHER = [
    rdd(3, "Exchange", 7),
    rdd(4, "mapPartitionsInternal", 8),
    rdd(5, "mapPartitionsInternal", 9, kept=True, title="AdaptiveSparkPlan\n+- MapInArrow"),
    rdd(6, "PythonRDD"),
]


def stage(number: int, rdds: list[Any], *parents: int, name: str = "count at place.py:3") -> Any:
    return {**stage_info(number, 2), "RDD Info": rdds, "Parent IDs": list(parents), "Stage Name": name}


def ran(info: Any, at: int, **figures: int) -> list[Any]:
    return [
        stage_submitted(info, at),
        task_end(info["Stage ID"], metrics=metrics(1, 1, 0, 0, **figures)),
        stage_completed(info, at, at + 250),
    ]


FIRST, SECOND = stage(0, READ, name="first at /some place/pack.zip/recsys/load.py:53"), stage(1, GATHER, 0)
AGAIN, LAST = stage(2, READ), stage(3, [rdd(9, "ShuffledRDD")], 2)
EVENTS = [
    job_start(0, 1000, SECOND, FIRST, group="ratings_arrays"),
    *ran(FIRST, 1001, written=554_000),
    *ran(SECOND, 1300, local=554_000),
    job_end(0, 1600),
    job_start(1, 2000, AGAIN, LAST),
    *ran(LAST, 2001, local=554_000),
    job_end(1, 2300),
]


def graphs(events: list[Any]) -> tuple[JobGraph, ...]:
    return job_graphs(work_of(events), events)


def test_a_skipped_stage_tells_which_one_had_made_its_result() -> None:
    first, second = graphs(EVENTS)
    assert [(one.stage, one.status, one.ran_as, one.parents) for one in first.stages] == [
        (0, "complete", None, ()),
        (1, "complete", None, (0,)),
    ]
    assert [(one.stage, one.status, one.ran_as, one.parents) for one in second.stages] == [
        (2, "skipped", 0, ()),
        (3, "complete", None, (2,)),
    ]
    assert [one.stage for one in second.skipped] == [2]
    ((source, target),) = second.shuffles
    assert (source.shuffle_write_bytes, source.shuffle_read_bytes) == (554_000, None)
    assert (target.shuffle_read_bytes, target.wall_seconds) == (554_000, 0.25)


def test_steps_are_the_operations_in_order_and_names_hold_no_folders() -> None:
    stages = graphs(EVENTS)[0].stages
    assert stages[0].steps == (Step("Scan text"), Step("Exchange"))
    assert stages[1].steps == (Step("Exchange"), Step("cached table", kept=True), Step("PythonRDD"))
    assert [one.name for one in stages] == ["first at load.py:53", "count at place.py:3"]


def test_a_stage_that_a_later_job_names_again_is_skipped_there() -> None:
    events = [*EVENTS[:-3], job_start(1, 2000, FIRST, LAST), *ran(LAST, 2001), job_end(1, 2300)]
    shared = graphs(events)[1].stages[0]
    assert (shared.stage, shared.status, shared.ran_as, shared.shuffle_write_bytes) == (0, "skipped", 0, 554_000)


def test_a_job_that_was_cut_off_has_stages_that_never_began() -> None:
    (graph,) = graphs(EVENTS[:4])
    assert [(one.status, one.shuffle_write_bytes) for one in graph.stages] == [("complete", 554_000), ("pending", None)]


def test_the_graphs_of_a_log_on_disk_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "app-1").write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    assert read_job_graphs(tmp_path) == graphs(EVENTS)


def test_the_picture_says_what_was_skipped_and_how_much_was_moved(tmp_path: Path) -> None:
    picture = plot_job(graphs(EVENTS)[1], tmp_path / "dag.png")
    assert picture is not None
    assert picture.title == "Job 1: 2 stages, 1 skipped"
    assert picture.text == "Skipped: 2. Shuffles: stage 2 to stage 3 554 kB."
    assert plot_job(graphs([job_start(0, 1, stage(0, [])), job_end(0, 2)])[0], tmp_path / "bare.png") is not None
    assert plot_job(graphs([job_start(0, 1), job_end(0, 2)])[0], tmp_path / "none.png") is None
    assert not (tmp_path / "none.png").exists()


@pytest.mark.parametrize("wide", [2, 5])
def test_stages_that_are_parents_of_one_stand_above_each_other(wide: int, tmp_path: Path) -> None:
    leaves = [stage(number, READ) for number in range(wide)]
    joined = stage(wide, [rdd(number, f"step {number}") for number in range(30)], *range(wide))
    far = stage(wide + 1, [rdd(40, "union")], 0, wide)  # reads past a layer
    events = [job_start(0, 0, *leaves, joined, far), job_end(0, 9)]
    picture = plot_job(graphs(events)[0], tmp_path / "dag.png")
    assert picture is not None and picture.text.count(" to stage ") == wide + 2
    height, width = imread(picture.path).shape[:2]
    single = plot_job(graphs([job_start(0, 0, leaves[0]), job_end(0, 9)])[0], tmp_path / "single.png")
    assert single is not None
    small = imread(single.path).shape
    assert width > 2.5 * small[1]  # three layers
    assert height > wide * 0.5 * small[0]  # so many boxes
