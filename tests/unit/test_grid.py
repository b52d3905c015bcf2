"""Grids: which runs they are, what is refused, what a row says."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from runs_to_compare import make_run

from monitor.compare import GridRun, Prices, grid_run, write_grid
from recsys.conf_folder import EXPERIMENTS
from recsys.errors import UserError
from spark_jobs.comparison.grid import Planned, parse_grid, plan, varied_keys
from spark_jobs.launcher.arguments import parse_arguments


def planned(*argv: str) -> list[Planned]:
    arguments = parse_arguments("compare", argv)
    return plan(arguments.options, arguments.config, EXPERIMENTS)


def refused(*argv: str) -> str:
    with pytest.raises(UserError) as caught:
        parse_arguments("compare", argv)
    return str(caught.value)


def test_workers_and_repeats_come_in_turn() -> None:
    runs = planned("--config", "paper-1950-1960", "--workers", "1", "8", "--repeat", "2")
    assert [one.name for one in runs] == [
        "paper-1950-1960-1w-1", "paper-1950-1960-8w-1", "paper-1950-1960-1w-2", "paper-1950-1960-8w-2",
    ]  # fmt: skip
    assert [(one.workers, one.repeat) for one in runs] == [(1, 1), (8, 1), (1, 2), (8, 2)]
    # nothing but the workers differs
    first, second = (one.config.model_dump() for one in runs[:2])
    assert first.pop("training") == {**second.pop("training"), "workers": 1}
    assert first == second


def test_without_workers_one_is_compared_with_the_settings() -> None:
    assert [one.workers for one in planned("--config", "paper-1950-1960")] == [1, 8]
    assert [one.workers for one in planned("--set", "training.workers=1")] == [1]
    assert [one.workers for one in planned("--grid", "seed=1,2")] == [2, 2]  # quickstart's own


def test_a_grid_is_the_product_of_its_keys() -> None:
    runs = planned(
        "--grid", "data.year_to=1960,1970", "--grid", "workers=1,4", "--grid", "spark.executor.memory=1g,2g"
    )  # fmt: skip
    assert len(runs) == 8
    assert runs[1].varied == {"data.year_to": 1960, "workers": 1, "spark.executor.memory": "2g"}
    assert runs[1].config.spark == {"spark.executor.memory": "2g"}
    assert (runs[-1].config.data.year_to, runs[-1].workers) == (1970, 4)
    assert runs[1].name == "quickstart-year_to=1960-executor.memory=2g-1w-1"
    options = parse_arguments("compare", ["--grid", "data.year_to=1960,1970"]).options
    assert varied_keys(options) == ["data.year_to", "workers"]


def test_the_papers_six_columns() -> None:
    runs = planned(
        "--config", "paper-1950-1960", "--workers", "1", "8", "--grid", "data.year_to=1960,1970,1980"
    )  # fmt: skip
    assert [(one.config.data.year_to, one.workers) for one in runs] == [
        (1960, 1), (1960, 8), (1970, 1), (1970, 8), (1980, 1), (1980, 8),
    ]  # fmt: skip


def test_whole_experiments_can_be_varied() -> None:
    runs = planned("--grid", "config=paper-1950-1970,ml-1m", "--set", "training.epochs=3", "--workers", "1")
    assert [one.name for one in runs] == ["paper-1950-1970-1w-1", "ml-1m-1w-1"]
    assert [(one.config.data.dataset, one.config.data.year_to, one.config.training.epochs) for one in runs] == [
        ("ml-25m", 1970, 3), ("ml-1m", None, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("data.year_to=1960,1970", "data.year_to", [1960, 1970]),
        ("model.hidden=[100],[200, 50]", "model.hidden", [[100], [200, 50]]),
        ("spark.executor.memory = 1g, 2g", "spark.executor.memory", ["1g", "2g"]),
        ("training.workers=1,2", "workers", [1, 2]),
        ("name='a,b',c", "name", ["a,b", "c"]),
    ],
)
def test_values_are_read_as_settings(text: str, key: str, values: list[object]) -> None:
    assert parse_grid(text) == (key, values)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--grid", "data.yeer_to=1,2"], "unknown key data.yeer_to: did you mean data.year_to?"),
        (["--grid", "worker=1,2"], "unknown key worker: "),
        (["--grid", "training.epochs=1,many"], "training.epochs = 'many': "),
        (["--grid", "data.year_to"], "--grid 'data.year_to': expected key=value,value"),
        (["--grid", "data.year_to=1960,,1970"], "--grid 'data.year_to=1960,,1970': expected key=value,value"),
        (["--grid", "workers=0,1"], "--grid 'workers=0,1': expected whole numbers from 1"),
        (["--grid", "seed=1,1"], "--grid seed: 1 is given twice: --repeat N"),
        (["--grid", "seed=1", "--grid", "seed=2"], "--grid: seed is given twice"),
        (["--workers", "2", "2"], "--workers: 2 is given twice: --repeat N"),
        (["--workers", "2", "--grid", "workers=1,2"], "--workers and --grid workers=... set the same"),
        (["--grid", "config=paper-1950-1961"], "no experiment 'paper-1950-1961': did you mean paper-1950-1960?"),
        (["--workers", "0"], "argument --workers: '0': expected a whole number from 1"),
        (["--repeats", "2"], "unknown option --repeats: did you mean --repeat?"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(argv: list[str], message: str) -> None:
    found = refused(*argv)
    assert found.startswith(message)
    assert "\n" not in found


def test_a_row_of_a_run(tmp_path: Path) -> None:
    # half an hour on both of two cores, 4 GB at most
    phases = [("load", 600.0, 1.0, 1.0), ("model_training", 1200.0, 2.0, 4.0)]
    path = make_run(tmp_path / "a", phases, 8, losses=(0.1, 0.2), every=60.0)
    row = grid_run(path, {"seed": 3}, 8, 1, "succeeded", "", Prices(core_hour=0.1, gb_hour=0.01))
    assert row.figures == pytest.approx(
        {
            "wall_seconds": 1800.0,
            "training_seconds": 1200.0,
            "pss_peak_bytes": 4e9,
            "cpu_seconds": 3000.0,
            "train_loss": 0.1,
            "test_loss": 0.2,
            "divergence": 1.0,
            "rmse": 0.9,
            "mae": 0.7,
            "ndcg@100": 0.4,
            "coverage@20": 0.5,
            "core_hours": 1.0,  # eight workers had two cores
            "gb_hours": 2.0,
            "cost": 0.12,  # 1 x 0.1 + 2 x 0.01
        }
    )


def test_a_failed_run_is_a_row_with_its_reason(tmp_path: Path) -> None:
    good = grid_run(
        make_run(tmp_path / "g", [("x", 3600.0, 1.0, 1.0)], 1, samples=False),
        {"seed": 1},
        1,
        1,
        "succeeded",
        "",
        Prices(1, 1),
    )
    bad = grid_run(tmp_path / "none", {"seed": 2}, 1, 1, "failed", "java heap\nspace", Prices(1, 1))
    assert bad == GridRun("none", {"seed": 2}, 1, 1, "failed", "java heap space", {})
    path = write_grid([good, bad], ["seed", "workers"], tmp_path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["run", "seed", "workers", "repeat", "status", "reason", "wall_seconds", "core_hours"]
    assert rows[0]["wall_seconds"] == "3600.0" and rows[0]["core_hours"] == "1.0"
    assert (rows[1]["seed"], rows[1]["status"], rows[1]["reason"], rows[1]["wall_seconds"]) == (
        "2", "failed", "java heap space", "",
    )  # fmt: skip
