"""What the pictures of a comparison show: equal axes, the end of every phase, failed runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from runs_to_compare import make_run

from monitor.compare import Comparison, GridRun, columns_of, compare_columns
from monitor.compare.grid_pictures import grid_figure, plot_grid
from monitor.compare.panels import panels_figure, plot_panels
from monitor.compare.pictures import plot_scaling, plot_speedups
from monitor.cost.phase_costs import TOTAL
from monitor.cost.run_files import read_run
from spark_jobs.comparison.columns import plot_loss_curves


def phases(seconds: float, cores: float, gigabytes: float) -> list[tuple[str, float, float, float]]:
    return [("load", 4.0, 0.5, 0.2), ("train", seconds, cores, gigabytes)]


@pytest.fixture
def six(tmp_path: Path) -> Comparison:
    """Three ranges of years with 1 and 8 workers; training takes 10 to 60 s and 1 to 6 GB."""
    runs = []
    for number, (year, workers) in enumerate((year, workers) for year in (1960, 1970, 1980) for workers in (1, 8)):
        made = phases(10.0 * (number + 1), 1.0, number + 1.0)
        settings = f"[data]\nyear_from = 1950\nyear_to = {year}"
        runs.append(make_run(tmp_path / str(number), made, workers, settings=settings, history=[(0.2, 0.3)]))
    return compare_columns(columns_of([read_run(path) for path in runs]))


def panels(figure: Any) -> tuple[list[Any], list[Any]]:
    """The axes of CPU and those of RAM."""
    shown = [axes for axes in figure.axes if axes.axison]
    return [axes for axes in shown if axes.get_title()], [axes for axes in shown if not axes.get_title()]


def test_panels_have_equal_axes(six: Comparison) -> None:
    cpu, ram = panels(panels_figure(six, "train"))
    assert len(cpu) == len(ram) == 6
    assert [axes.get_title() for axes in cpu][:3] == [
        "1W 1950–1960: 10.0 s",
        "8W 1950–1960: 20.0 s",
        "1W 1950–1970: 30.0 s",
    ]
    assert {axes.get_xlim() for axes in cpu} == {(0, 60 * 1.02)}
    assert {axes.get_ylim() for axes in cpu} == {(0, 104)}
    assert len({axes.get_ylim() for axes in ram}) == 1
    low, high = ram[0].get_ylim()
    assert low == 0 and high > 6.0
    # rows are ranges of years, columns are workers
    places = [axes.get_subplotspec().rowspan.start * 2 + axes.get_subplotspec().colspan.start for axes in cpu]
    assert places == [0, 1, 2, 3, 4, 5]


def test_panels_show_cpu_of_all_cores_and_memory_in_gigabytes(six: Comparison) -> None:
    cpu, ram = panels(panels_figure(six, "train"))
    (line,) = [one for one in cpu[1].lines if one.get_label() == "CPU"]
    assert max(line.get_ydata()) == pytest.approx(50)  # 1 of 2 cores
    assert max(line.get_xdata()) == pytest.approx(20)
    (line,) = [one for one in ram[1].lines if one.get_label() == "RAM"]
    assert max(line.get_ydata()) == pytest.approx(2.0)
    assert line.get_color() != cpu[1].lines[0].get_color()


def test_a_variant_with_fewer_columns_leaves_a_place_free(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / f"{seed}-{workers}", phases(5.0, 1.0, 1.0), workers, settings=f"seed = {seed}")
        for seed, workers in ((1, 1), (1, 2), (2, 1))
    ]
    cpu, _ = panels(panels_figure(compare_columns(columns_of([read_run(one) for one in runs])), "train"))
    assert [axes.get_title() for axes in cpu] == ["1W seed=1: 5.00 s", "2W seed=1: 5.00 s", "1W seed=2: 5.00 s"]


def test_pictures_are_written_and_described(six: Comparison, tmp_path: Path) -> None:
    picture = plot_panels(six, TOTAL, tmp_path / "total.png")
    assert picture is not None and picture.path.stat().st_size > 10_000
    assert "8W 1950–1960 24.0 s, CPU" in picture.text and "RAM at most 2.00 GB" in picture.text
    gains = plot_speedups(six, "1950–1960", tmp_path / "speedup.png")
    assert gains is not None and "8W 1950–1960 24.0 s (0.58 times as fast)" in gains.text  # 14 / 24
    assert plot_loss_curves(six, tmp_path / "losses.png") is not None
    assert plot_scaling(six, tmp_path / "scaling.png") is None  # two counts of workers only


def test_scaling_needs_three_counts_of_workers(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / str(w), phases(40.0 / w, 1.0, 1.0), w) for w in (1, 2, 4)]
    found = compare_columns(columns_of([read_run(one) for one in runs]))
    picture = plot_scaling(found, tmp_path / "scaling.png")
    assert picture is not None and "1W, 2W and 4W" in picture.text


def row(year: int, workers: int, status: str = "succeeded", **figures: float) -> GridRun:
    return GridRun(f"{year}-{workers}", {"data.year_to": year}, workers, 1, status, "", figures)


ROWS = [
    row(1980, 1, "stopped", wall_seconds=30.0, pss_peak_bytes=3e9, cost=3.0),
    row(1960, 1, wall_seconds=10.0, pss_peak_bytes=1e9, cost=1.0),
    row(1960, 2, wall_seconds=6.0, pss_peak_bytes=2e9, cost=1.2),
    row(1980, 2, status="failed"),
    row(1960, 1, status="does not fit", wall_seconds=2.0),
]


def grid_panels(rows: list[GridRun], keys: list[str], key: str) -> list[Any]:
    figure = grid_figure(rows, keys, key)
    assert figure is not None
    return list(figure.axes)


def test_a_grid_is_drawn_against_each_key_with_lines_by_the_others() -> None:
    time, memory, cost = grid_panels(ROWS, ["data.year_to", "workers"], "data.year_to")
    lines = {one.get_label(): one for one in time.containers}
    assert set(lines) == {"workers=1", "workers=2"}
    assert list(lines["workers=1"][0].get_xdata()) == [1960, 1980]
    assert list(lines["workers=1"][0].get_ydata()) == [10.0, 30.0]
    assert list(lines["workers=2"][0].get_ydata()) == [6.0]
    assert list(memory.containers[0][0].get_ydata()) == [1.0, 3.0]
    assert [axes.get_title() for axes in (time, memory, cost)] == ["wall time (s)", "peak memory (GB, PSS)", "cost"]
    crosses = [one for one in time.lines if one.get_marker() in ("x", "X") and len(one.get_xdata())]
    assert [(list(one.get_xdata()), one.get_marker()) for one in crosses] == [([1960], "X"), ([1980], "x")]
    colours = [lines[f"workers={workers}"][0].get_color() for workers in (1, 2)]
    assert [one.get_color() for one in crosses] == colours  # each has that of its line
    assert {"failed", "does not fit"} <= {one.get_label() for one in time.lines}


def test_words_stand_in_their_order_and_a_key_of_one_value_is_not_drawn(tmp_path: Path) -> None:
    rows = [
        GridRun(f"m{memory}", {"spark.executor.memory": memory}, 1, 1, "succeeded", "", {"wall_seconds": seconds})
        for memory, seconds in (("2g", 3.0), ("1g", 4.0))
    ]
    time = grid_panels(rows, ["spark.executor.memory", "workers"], "spark.executor.memory")[0]
    assert [text.get_text() for text in time.get_xticklabels()] == ["2g", "1g"]
    assert list(time.containers[0][0].get_ydata()) == [3.0, 4.0]
    pictures = plot_grid(rows, ["spark.executor.memory", "workers"], tmp_path)
    assert [one.path.name for one in pictures] == ["grid-spark.executor.memory.png"]
