"""What programs add to reports and comparisons of their own runs, and that the monitor does without."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from made_run import phase, steady, write_run

import monitor
from monitor import Card, Extension, Section
from monitor.compare import (
    ComparedPart,
    Comparison,
    ComparisonFields,
    ComparisonSection,
    GridColumn,
    Prices,
    Table,
    columns_of,
    grid_run,
    make_comparison,
)
from monitor.compare.grid import grid_table
from monitor.extensions import EXTENSIONS, find_extensions, write_extensions
from monitor.plots import Picture, canvas
from monitor.report import RunFiles, make_report, read_run
from monitor.report.findings import Finding
from monitor.report.markup import Html, tag


def answer(run: RunFiles) -> Html:
    return tag("p", f"the answer of {run.name} is <42>")


def picture(run: RunFiles) -> Picture:
    figure = canvas.new_figure(2, 2)
    return Picture(canvas.save(figure, run.path / "report" / "mine.png"), "Mine", "A picture of nothing at all.")


def nothing(run: RunFiles) -> None:
    return None


def cards(run: RunFiles) -> list[Card]:
    return [Card("Rows", "7", "of 9")]


def findings(run: RunFiles) -> list[Finding]:
    return [Finding("two rows are odd.", warning=True)]


def tons(comparison: Comparison, folder: Path) -> ComparedPart:
    rows = tuple((column.label, "3") for column in comparison.columns)
    return ComparedPart(Table("Tons moved", ("run", "tons"), rows), None)


def variant(settings: Mapping[str, Any], differing: Sequence[str]) -> str | None:
    return f"truck {settings['truck']}" if list(differing) == ["truck"] else None


def moved(run: RunFiles) -> dict[str, float]:
    return {"tons": 3.0}


def columns(figures: Sequence[str]) -> list[GridColumn]:
    return [GridColumn("tons", "tons moved", 1), GridColumn("loading_seconds", "loading s", 2)]


FIELDS = ComparisonFields(
    workers_key="lorry.drivers",
    ignored=("name", "paint."),
    variant=variant,
    phase_seconds={"loading_seconds": "load"},
    figures=moved,
    grid_columns=columns,
    sections=(ComparisonSection("tons", "Tons", after="costs", render=tons),),
)
LORRY = Extension(
    "lorry",
    (
        Section("nothing", "Nothing", after="each", render=nothing),
        Section("answer", "The answer", after="nothing", render=answer),
        Section("mine", "Mine", after="no such section", render=picture),
    ),
    cards,
    findings,
    FIELDS,
)
BROKEN = Extension("broken", (Section("x", "X", after="each", render=lambda run: tag("p", 1 / 0)),))
NO_EXTENSION = 7
HERE = "test_extensions"


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No installed package adds anything, howdah itself neither."""
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [])


def made(folder: Path, *references: str, **files: Any) -> Path:
    run = write_run(folder, phase("load", 0, 4), [steady()], **files)
    write_extensions(run / "resources", references)
    return run


def headings(index: Path) -> list[str]:
    return re.findall(r"<h2[^>]*>(.*?)</h2>", index.read_text(encoding="utf-8"))


def test_sections_stand_where_they_were_put(tmp_path: Path) -> None:
    index = make_report(made(tmp_path / "run", f"{HERE}:LORRY"))
    assert headings(index) == [
        "What to notice", "What the phases cost", "The run over time", "Phase by phase", "The answer",
        "How it was measured", "Mine",
    ]  # fmt: skip
    page = index.read_text(encoding="utf-8")
    assert "the answer of run is &lt;42&gt;" in page
    assert "<dt>Rows</dt><dd>7<small>of 9</small></dd>" in page
    assert "<strong>Mind: </strong>two rows are odd." in page
    assert "A picture of nothing at all." in page
    assert "- **Mind:** two rows are odd." in (tmp_path / "run" / "report" / "phases.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("not_installed")
def test_a_report_is_whole_without_what_a_job_adds(tmp_path: Path) -> None:
    quality = {"ranking": {"model": {"recall@20": 0.5}}}
    index = make_report(made(tmp_path / "run", config_toml="name = 'x'\n", metrics_json=quality))
    assert headings(index) == [
        "What to notice", "What the phases cost", "The run over time", "Phase by phase", "How it was measured",
        "Settings",
    ]  # fmt: skip
    assert "recall" not in index.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("no_such_module:X", "no_such_module:X adds nothing here: ModuleNotFoundError: No module named"),
        (f"{HERE}:NO_EXTENSION", f"{HERE}:NO_EXTENSION adds nothing here: TypeError: is a int, not a monitor.Ext"),
        (f"{HERE}:MISSING", f"{HERE}:MISSING adds nothing here: AttributeError"),
        (f"{HERE}:BROKEN", "Not all that broken adds could be made: ZeroDivisionError: division by zero."),
    ],
)
def test_an_extension_that_fails_does_not_take_the_report_with_it(reference: str, said: str, tmp_path: Path) -> None:
    index = make_report(made(tmp_path / "run", reference))
    assert said in index.read_text(encoding="utf-8")
    assert "Phase by phase" in headings(index)


@pytest.mark.usefixtures("not_installed")
@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', "[1, null]"])
def test_a_broken_list_of_extensions_names_none(text: str, tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    (run / "resources" / EXTENSIONS).write_text(text)
    assert find_extensions(run / "resources") == ((), ())


def test_installed_packages_are_asked_and_a_name_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "installed" / "lorry-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: lorry\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(f"[howdah.monitor_sections]\nlorry = {HERE}:LORRY\n")
    monkeypatch.syspath_prepend(str(package.parent))
    run = made(tmp_path / "run", f"{HERE}:LORRY")
    assert [found.name for found in find_extensions(run / "resources").extensions].count("lorry") == 1
    # what the run names comes first: it knows best what its settings mean
    write_extensions(run / "resources", [f"{HERE}:BROKEN"])
    found = [extension.name for extension in find_extensions(run / "resources").extensions]
    assert found[0] == "broken" and "lorry" in found
    (run / "resources" / EXTENSIONS).unlink()
    assert "The answer" in headings(make_report(run))


def test_record_names_what_a_report_shows(tmp_path: Path) -> None:
    with monitor.record(tmp_path, interval=None, extensions=[f"{HERE}:LORRY"]), monitor.phase("load"):
        pass
    assert json.loads((tmp_path / "resources" / EXTENSIONS).read_text()) == [f"{HERE}:LORRY"]
    assert "The answer" in headings(make_report(tmp_path))


def lorry(folder: Path, truck: str, drivers: int, paint: str = "red") -> Path:
    settings = f"truck = '{truck}'\n[lorry]\ndrivers = {drivers}\n[paint]\ncolour = '{paint}'\n"
    return made(folder, f"{HERE}:LORRY", config_toml=settings)


def test_a_program_says_what_its_settings_mean(tmp_path: Path) -> None:
    runs = [lorry(tmp_path / f"{truck}{drivers}", truck, drivers, truck) for truck in "ab" for drivers in (1, 3)]
    columns = columns_of([read_run(run) for run in runs])
    assert [column.label for column in columns] == ["1W truck a", "3W truck a", "1W truck b", "3W truck b"]
    # another paint makes no other run
    same = columns_of([read_run(lorry(tmp_path / paint, "a", 1, paint)) for paint in ("red", "blue")])
    assert [(column.label, len(column.runs)) for column in same] == [("1W", 2)]


def test_without_it_settings_are_compared_as_they_are(tmp_path: Path) -> None:
    runs = [made(tmp_path / str(number), config_toml=f"[lorry]\ndrivers = {number}\n") for number in (1, 3)]
    columns = columns_of([read_run(run) for run in runs])
    assert [(column.label, column.workers) for column in columns] == [("drivers=1", None), ("drivers=3", None)]


def test_a_comparison_has_the_programs_sections(tmp_path: Path) -> None:
    runs = [lorry(tmp_path / str(drivers), "a", drivers) for drivers in (1, 3)]
    index = make_comparison(runs, tmp_path / "out")
    titles = headings(index)
    assert titles[titles.index("Cost by phase") + 1] == "Tons" and "Losses" not in titles
    assert "## Tons moved" in (tmp_path / "out" / "compare.md").read_text(encoding="utf-8")


def test_a_grid_has_the_programs_figures(tmp_path: Path) -> None:
    row = grid_run(lorry(tmp_path / "a", "a", 2), {"truck": "a"}, 2, 1, "succeeded", "", Prices(1.0, 0.0))
    assert (row.figures["loading_seconds"], row.figures["tons"], row.figures["wall_seconds"]) == (4.0, 3.0, 10.0)
    table = grid_table([row], ["truck", "workers"], FIELDS)
    assert table.columns == (
        "truck", "workers", "wall s", "loading s", "CPU s", "peak GB", "tons moved", "cost", "status"
    )  # fmt: skip
    assert table.rows == (("a", "2", "10.0", "4.00", "10.0", "0.40", "3.0", "0.005556", "succeeded"),)
    plain = grid_table([row], ["truck", "workers"])
    assert plain.columns == ("truck", "workers", "wall s", "CPU s", "peak GB", "cost", "status")
