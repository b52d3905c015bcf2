"""Grid files: what they say, what the command line changes, what is refused, and the figures of their tables."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from runs_to_compare import make_run

from monitor.compare import GridRun, Prices, grid_run, write_grid
from monitor.compare.grid import grid_table
from recsys.conf_folder import EXPERIMENTS, GRIDS
from recsys.errors import UserError
from spark_jobs.comparison.columns import FIELDS
from spark_jobs.comparison.grid import Planned, plan, varied_keys
from spark_jobs.comparison.grid_file import read_grid_file
from spark_jobs.launcher.arguments import parse_arguments

TEXT = """
title = "A table"
config = "ml-1m"
columns = ["wall_seconds", "epoch_seconds"]
[training]
epochs = 3
[vary]
data = [
    { name = "whole", data.dataset = "ml-1m" },
    { name = "paper's", config = "paper-1950-1960", data.year_to = 1955 },
]
machine.memory_gb = [1, 2.5]
workers = [1, 2]
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "table.toml").write_text(TEXT)
    return str(tmp_path / "table.toml")


def planned(*argv: str) -> list[Planned]:
    arguments = parse_arguments("compare", argv)
    return plan(arguments.options, arguments.config, EXPERIMENTS)


def test_a_file_is_its_settings_and_the_product_of_what_is_varied(file: str) -> None:
    runs = planned("--grid", file)
    assert len(runs) == 8
    first, last = runs[0], runs[-1]
    assert first.varied == {"data": "whole", "machine.memory_gb": 1, "workers": 1}
    assert first.name == "table-data=whole-memory_gb=1-1w-1"
    assert (first.config.data.dataset, first.config.training.epochs, first.config.training.batch_size) == (
        "ml-1m", 3, 64,
    )  # fmt: skip
    assert last.varied == {"data": "paper's", "machine.memory_gb": 2.5, "workers": 2}
    # an experiment of a value lies below the file's own settings
    assert (last.config.data.dataset, last.config.data.year_from, last.config.data.year_to) == ("ml-25m", 1950, 1955)
    assert (last.config.training.epochs, last.config.machine.memory_gb, last.workers) == (3, 2.5, 2)


def test_the_command_line_lies_over_the_file(file: str, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[training]\nepochs = 9\nbatch_size = 7\n")
    runs = planned(
        "--grid", file, "--workers", "4", "--grid", "machine.memory_gb=3", "--grid", "seed=1,2",
        "--config", str(tmp_path / "own.toml"), "--set", "training.batch_size=5",
    )  # fmt: skip
    assert len(runs) == 4  # two of data, two seeds
    assert {(run.workers, run.config.machine.memory_gb) for run in runs} == {(4, 3.0)}
    assert {(run.config.training.epochs, run.config.training.batch_size) for run in runs} == {(9, 5)}
    options = parse_arguments("compare", ["--grid", file, "--grid", "seed=1,2"]).options
    assert varied_keys(options) == ["data", "machine.memory_gb", "workers", "seed"]


@pytest.mark.parametrize("name", sorted(path.stem for path in GRIDS.glob("*.toml")))
def test_shipped_grids_can_be_run(name: str) -> None:
    runs = planned("--grid", name)
    assert len(runs) > 3 and len({run.name for run in runs}) == len(runs)
    assert read_grid_file(name).title != name


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[vary]", "[various]", "has no table [vary]"),
        ("[1, 2.5]", "2", "machine.memory_gb: expected a list of values"),
        ("[1, 2]", '["two"]', "expected whole numbers from 1"),
        ("[1, 2]", "[2, 2]", "workers: 2 is given twice"),
        ('"epoch_seconds"', '"epoch_second"', "no figure epoch_second: did you mean epoch_seconds?"),
        ('name = "whole", ', "", "data: each value needs a name"),
        ("data.year_to", "data.yeer_to", "unknown key data.yeer_to: did you mean data.year_to?"),
        ("epochs = 3", "epoch = 3", "unknown key training.epoch: did you mean training.epochs?"),
        ('config = "ml-1m"', "config = 3", "config = 3: expected a list of texts"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(file: str, old: str, new: str, message: str) -> None:
    assert TEXT.count(old) == 1
    Path(file).write_text(TEXT.replace(old, new))
    with pytest.raises(UserError) as caught:
        parse_arguments("compare", ["--grid", file])
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_grid_and_two_of_them_are_refused(file: str) -> None:
    with pytest.raises(UserError, match=r"or a grid file: did you mean memory\?"):
        parse_arguments("compare", ["--grid", "memori"])
    with pytest.raises(UserError, match="only one grid file at a time"):
        parse_arguments("compare", ["--grid", file, "--grid", "memory"])


def run_of(tmp_path: Path, name: str, workers: int, settings: str = "", **varied: Any) -> GridRun:
    """Half an hour on one worker, a third of that on two; 4 GB at most."""
    phases = [("load", 600.0 / workers, 1.0, 1.0), ("model_training", 1200.0 / workers**2, 2.0, 4.0)]
    path = make_run(tmp_path / name, phases, workers, settings=settings, every=60.0)
    seconds = [30.0, 4.0, 9.0, 5.0]
    rows = [f"{number},0.5,0.6,{value},10,{workers}" for number, value in enumerate(seconds, 1)]
    (path / "history.csv").write_text("\n".join(["epoch,train_loss,validation_loss,seconds,rows,workers", *rows, ""]))
    return grid_run(path, varied, workers, 1, "succeeded", "", Prices(core_hour=0.1, gb_hour=0.01))


def test_the_machine_set_aside_is_what_costs(tmp_path: Path) -> None:
    row = run_of(tmp_path, "a", 1, "[machine]\ncores = 2\nmemory_gb = 8.0")
    hours = 0.5
    assert row.figures["core_hours"] == pytest.approx(2 * hours)
    assert row.figures["gb_hours"] == pytest.approx(8 * hours)
    assert row.figures["cost"] == pytest.approx(0.1 * 2 * hours + 0.01 * 8 * hours)


def test_speed_up_is_over_one_worker_on_the_same_and_the_first_epoch_stands_alone(tmp_path: Path) -> None:
    rows = [run_of(tmp_path, f"{size}-{workers}", workers, data=size) for size in ("all", "few") for workers in (1, 2)]
    lone = GridRun("x", {"data": "none"}, 2, 1, "succeeded", "", {"wall_seconds": 5.0})
    too_large = GridRun("y", {"data": "few"}, 4, 1, "does not fit", "memory limit", {"wall_seconds": 5.0})
    with write_grid([*rows, lone, too_large], ["data", "workers"], tmp_path).open(newline="") as found:
        written = {row["run"]: row for row in csv.DictReader(found)}
    one, two = written["few-1"], written["few-2"]
    # 1,800 s and 600 s; the training 1,200 s and 300 s
    assert [float(one[name]) for name in ("speedup", "training_speedup")] == [1.0, 1.0]
    assert [float(two[name]) for name in ("speedup", "training_speedup")] == [3.0, 4.0]
    # 30, 4, 9 and 5 s of 300
    names = ("first_epoch_seconds", "epoch_seconds", "outside_epochs_seconds")
    assert [float(two[name]) for name in names] == [30.0, 5.0, 252.0]
    assert written["x"]["speedup"] == written["y"]["speedup"] == ""  # alone; not whole


def test_a_table_shows_the_columns_that_were_asked_for(tmp_path: Path) -> None:
    rows = [run_of(tmp_path, "a", 1, data="all"), GridRun("b", {"data": "few"}, 1, 1, "does not fit", "2 of 1 MB", {})]
    table = grid_table(rows, ["data", "workers"], FIELDS, ["first_epoch_seconds", "epoch_seconds", "pss_peak_bytes"])
    assert table.columns == (
        "data", "workers", "first epoch s", "other epochs s (median)", "peak GB", "status",
    )  # fmt: skip
    assert table.rows == (
        ("all", "1", "30.00", "5.00", "4.00", "succeeded"),
        ("few", "1", "–", "–", "–", "does not fit: 2 of 1 MB"),
    )
    assert "Cost" not in table.about and "Peak is" in table.about
