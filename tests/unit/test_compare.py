"""Comparisons of runs made by hand: every figure below is worked out beside it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from runs_to_compare import make_run

from monitor.cli import main
from monitor.compare import Comparison, columns_of, compare_columns, find_runs, make_comparison, serial_fraction, spread
from monitor.compare.capability import Capability, Rates, write_capability
from monitor.compare.notes import highlights, warnings
from monitor.compare.tables import compare_csv, markdown
from monitor.cost.phase_costs import TOTAL
from monitor.cost.run_files import read_run
from monitor.errors import MonitorError
from spark_jobs.comparison.columns import loss_table

# name, wall seconds, busy cores, PSS in GB
ONE = [("load", 10.0, 1.0, 1.0), ("train", 40.0, 1.0, 2.0)]
FOUR = [("load", 10.0, 1.0, 1.5), ("train", 16.0, 2.0, 3.0)]
# four workers multiply matrices twice as fast as one, and copy memory 1.5 times as fast
MACHINE = Capability("box", 2, (Rates(1, 100.0, 8.0), Rates(4, 200.0, 12.0)), 0.1)


def compared(*paths: Path, capability: Capability | None = MACHINE) -> Comparison:
    return compare_columns(columns_of([read_run(path) for path in paths]), capability)


def test_speed_up_efficiency_and_serial_fraction(tmp_path: Path) -> None:
    found = compared(make_run(tmp_path / "a", ONE, 1, seconds=60.0), make_run(tmp_path / "b", FOUR, 4, seconds=40.0))
    assert [column.label for column in found.columns] == ["1W", "4W"]
    assert found.phases == ("load", "train")
    base, many = found.row("train", 0), found.row("train", 1)
    assert base.wall_seconds is not None and base.wall_seconds.middle == 40.0
    assert (base.speedup, base.efficiency, base.serial_fraction) == (None, None, None)
    assert base.cpu_seconds is not None and base.cpu_seconds.middle == pytest.approx(40.0)
    assert many.cpu_seconds is not None and many.cpu_seconds.middle == pytest.approx(32.0)  # 16 s of 2 cores
    assert many.pss_peak_bytes is not None and many.pss_peak_bytes.middle == 3e9
    assert many.speedup == 2.5  # 40 / 16
    assert many.efficiency == 0.625  # 2.5 / 4
    assert many.serial_fraction == pytest.approx(0.2)  # (4 / 2.5 - 1) / 3
    assert many.machine_speedup == 2.0
    assert many.of_machine == 1.25
    assert many.machine_serial_fraction is None  # faster than the machine's 2
    assert many.note == "of the machine's: faster than 2 times, which Amdahl's law has no fraction for"
    flat = found.row("load", 1)
    assert (flat.speedup, flat.serial_fraction, flat.machine_serial_fraction) == (1.0, 1.0, 1.0)
    total = found.row(TOTAL, 1)  # what the jobs say: start and end of Spark are in it
    assert total.speedup == 1.5
    assert total.serial_fraction == pytest.approx((4 / 1.5 - 1) / 3)
    assert total.machine_serial_fraction == pytest.approx((2 / 1.5 - 1) / 1)


@pytest.mark.parametrize(
    ("speedup", "workers", "fraction"),
    [(1.0, 8, 1.0), (8.0, 8, 0.0), (4.0, 8, 1 / 7), (0.99, 8, None), (8.1, 8, None), (1.0, 1, None)],
)
def test_the_serial_fraction_is_undone_by_amdahls_law(speedup: float, workers: int, fraction: float | None) -> None:
    found, why = serial_fraction(speedup, workers)
    assert found == (None if fraction is None else pytest.approx(fraction))
    assert bool(why) == (fraction is None)
    if found is not None:
        assert 1 / (found + (1 - found) / workers) == pytest.approx(speedup)


def test_repeats_give_a_spread(tmp_path: Path) -> None:
    walls = {1: (30.0, 36.0, 33.0), 4: (20.0, 10.0, 15.0)}
    runs = [
        make_run(tmp_path / f"{workers}-{number}", [("train", wall, 1.0, 1.0)], workers)
        for workers, several in walls.items()
        for number, wall in enumerate(several)
    ]
    found = compared(*runs)
    assert [len(column.runs) for column in found.columns] == [3, 3]
    one, four = found.row("train", 0).wall_seconds, found.row("train", 1).wall_seconds
    assert one is not None and (one.middle, one.low, one.high, one.deviation) == (33.0, 30.0, 36.0, 3.0)
    assert four is not None and (four.middle, four.low, four.high, four.deviation) == (15.0, 10.0, 20.0, 5.0)
    row = found.row("train", 1)
    assert (row.speedup, row.speedup_low, row.speedup_high) == (2.2, 1.5, 3.6)  # 33/15, 30/20, 36/10
    assert found.columns[1].middle.name == "4-2"
    assert "2.20× (1.50–3.60)" in markdown(found)
    assert spread([None, None]) is None
    single = spread([7.0, None])
    assert single is not None and (single.middle, single.deviation, single.count) == (7.0, None, 1)


def test_the_papers_second_table(tmp_path: Path) -> None:
    paper = [(1, 1960, 0.000345, 0.000471), (8, 1960, 0.001241, 0.001254), (1, 1980, 0.000479, 0.000559)]
    runs = [
        make_run(
            tmp_path / f"{w}-{year}",
            ONE,
            w,
            settings=f"[data]\nyear_from = 1950\nyear_to = {year}",
            losses=(train, test),
        )
        for w, year, train, test in paper
    ]
    found = compared(*runs)
    assert [column.label for column in found.columns] == ["1W 1950–1960", "8W 1950–1960", "1W 1950–1980"]
    table = loss_table(found)
    assert table is not None
    assert table.rows == (
        ("1W 1950–1960", "0.000345", "0.000471", "36.52 %"),  # the paper says 36.83 from unrounded losses
        ("8W 1950–1960", "0.001241", "0.001254", "1.05 %"),
        ("1W 1950–1980", "0.000479", "0.000559", "16.70 %"),
    )
    assert any("No speed-up of 1W 1950–1980" in one for one in warnings(found))


def test_columns_are_named_by_what_differs(tmp_path: Path) -> None:
    def labels(*settings: str, **more: str) -> list[str]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        runs = [make_run(folder / str(number), ONE, 2, settings=text) for number, text in enumerate(settings)]
        return [column.label for column in columns_of([read_run(path) for path in runs])]

    assert labels("seed = 1", "seed = 2") == ["2W seed=1", "2W seed=2"]
    assert labels("seed = 1", "seed = 1") == ["2W"]
    assert labels("[spark]\n'spark.executor.memory' = '1g'", "") == ["2W executor.memory=1g", "2W no executor.memory"]
    # neither a price nor the place of the data makes another run
    assert labels("[cost]\ncore_hour = 1.0", "[data]\ndata_dir = '/x'") == ["2W"]


def test_runs_of_two_commits_are_two_columns_and_those_without_settings_too(tmp_path: Path) -> None:
    old, new = (make_run(tmp_path / commit, ONE, 1, commit=commit) for commit in ("old", "new"))
    found = compared(old, new)
    assert [column.label for column in found.columns] == ["1W old", "1W new"]
    assert found.row("train", 1).speedup is None  # not another count of workers
    plain = compared(make_run(tmp_path / "x", ONE, None), make_run(tmp_path / "y", FOUR, None))
    assert [(column.label, column.workers) for column in plain.columns] == [("x", None), ("y", None)]


def test_without_samples_wall_times_and_losses_are_compared(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", ONE, 1, samples=False, losses=(0.2, 0.3))
    four = make_run(tmp_path / "four", FOUR, 4, samples=False, losses=(0.2, 0.25))
    found = compared(one, four, capability=None)
    row = found.row("train", 1)
    assert (row.speedup, row.cpu_seconds, row.pss_peak_bytes) == (2.5, None, None)
    assert (row.machine_speedup, row.of_machine) == (None, None)
    index = make_comparison([one, four], tmp_path / "out")
    assert not list((tmp_path / "out").glob("phase-*.png"))
    page = index.read_text()
    assert "No samples of one and four" in page and "25.00 %" in page


def test_a_phase_that_failed_counts_for_nothing(tmp_path: Path) -> None:
    good = make_run(tmp_path / "good", ONE, 1)
    bad = make_run(tmp_path / "bad", [("load", 5.0, 1.0, 1.0), ("train", 1.0, 1.0, 1.0)], 4, failed="out\nof memory")
    found = compared(good, bad)
    assert found.row("load", 1).speedup == 2.0
    assert found.row("train", 1).wall_seconds is None and found.row("train", 1).speedup is None
    assert found.row(TOTAL, 1).speedup is None
    assert any("bad failed (out of memory)" in one for one in warnings(found))


def test_a_run_that_was_stopped_counts_and_the_reader_is_told(tmp_path: Path) -> None:
    why = "training.max_seconds = 30: after epoch 3 of 9"
    found = compared(make_run(tmp_path / "whole", ONE, 1), make_run(tmp_path / "short", FOUR, 4, stopped=why))
    total = found.row(TOTAL, 1)
    assert total.wall_seconds is not None and total.wall_seconds.middle == 26.0
    assert any(one.startswith(f"short was stopped ({why}): its times are not those") for one in warnings(found))
    page = make_comparison([tmp_path / "whole", tmp_path / "short"], tmp_path / "out", "stopped").read_text()
    assert "<td>stopped</td>" in page and f"<td>{why}</td>" in page


def test_the_csv_has_a_row_a_phase_and_column(tmp_path: Path) -> None:
    found = compared(make_run(tmp_path / "a", ONE, 1), make_run(tmp_path / "b", FOUR, 4))
    rows = list(csv.DictReader(io.StringIO(compare_csv(found))))
    assert [(row["phase"], row["workers"]) for row in rows] == [
        ("load", "1"), ("load", "4"), ("train", "1"), ("train", "4"), ("total", "1"), ("total", "4"),
    ]  # fmt: skip
    train = rows[3]
    assert (train["wall_seconds"], train["speedup"], train["efficiency"], train["serial_fraction"]) == (
        "16.0", "2.5", "0.625", "0.2",
    )  # fmt: skip
    assert (train["wall_seconds_stdev"], rows[2]["speedup"]) == ("", "")


def test_what_a_reader_should_notice(tmp_path: Path) -> None:
    found = compared(make_run(tmp_path / "a", ONE, 1), make_run(tmp_path / "b", FOUR, 4))
    assert highlights(found) == [
        "4W: the whole run is 1.92 times as fast, 96 % of the 2.00 that the machine gives; most in train (2.50), "
        "least in load (1.00)."
    ]
    assert warnings(found) == [
        "4 workers shared 2 cores: they cannot be 4 times as fast; the machine gives 2.00 times."
    ]
    elsewhere = Capability("other", 2, MACHINE.rates, 0.1)
    told = warnings(compare_columns(found.columns, elsewhere))
    assert told == ["What the machine gives was measured on other, the runs were on box."]
    busy = Capability("box", 8, MACHINE.rates, 4.5)
    assert "The machine was busy (load 4.5 on 8 cores)" in warnings(compare_columns(found.columns, busy))[0]


def test_the_command_writes_everything_and_finds_the_runs_of_a_comparison(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, phases, workers in (("a-1w-1", ONE, 1), ("a-4w-1", FOUR, 4)):
        make_run(
            tmp_path / "made" / "runs" / name, phases, workers, losses=(0.1, 0.2), history=[(0.3, 0.4), (0.1, 0.2)]
        )
    write_capability(MACHINE, tmp_path / "made")
    out = tmp_path / "out"
    assert main(["compare", str(tmp_path / "made"), "--output", str(out)]) == 0
    assert capsys.readouterr().out.rstrip().endswith(str(out / "index.html"))
    assert {path.name for path in out.iterdir()} == {
        "compare.csv", "compare.md", "index.html", "losses.png", "speedup.png", "utilisation.png",
        "phase-01-load.png", "phase-02-train.png", "phase-03-total.png",
    }  # fmt: skip
    page = (out / "index.html").read_text()
    assert page.count("data:image/png;base64,") == 6
    assert "://" not in page  # nothing is fetched
    assert "of the 2.00 that the machine gives" in page
    assert "100.00 %" in (out / "compare.md").read_text()


def test_what_cannot_be_compared_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path / "absent"), "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("monitor: ") and "absent: no such directory" in said and said.count("\n") == 1
    (tmp_path / "empty" / "runs").mkdir(parents=True)
    with pytest.raises(MonitorError, match="no run to compare"):
        find_runs([tmp_path / "empty"])
