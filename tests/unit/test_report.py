"""The report of a run: its files, its page in a parser and, where there is one, in a real browser."""

from __future__ import annotations

import base64
import csv
import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, check_layout, find_browser
from html_page import Page
from made_run import HOST, MB, WALL, ended, of_host, phase, role, sample, started, steady, write_run

from monitor import MonitorError
from monitor.cli import main
from monitor.cost.phase_costs import COLUMNS
from monitor.report import make_report

ROOT = Path(__file__).parents[2]
HOSTILE = '<script>alert(1)</script> & "it\'s" $1^2$ | 5 <b'


def job(name: str | None, at: float) -> dict[str, Any]:
    return {"phase": name, "submitted": WALL + at, "completed": WALL + at + 0.5}


def stage(number: int, name: str) -> dict[str, Any]:
    told = {"stage": number, "name": name, "phase": "load", "status": "COMPLETE", "submitted": WALL + 1, "tasks": 8}
    return told | {"executor_run_seconds": 3.5, "gc_seconds": 0.25, "disk_spill_bytes": 5 * MB}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every file, hostile texts in all of them, and two hosts; its report is made."""
    four = (40.0,) * 4
    worker = {"worker": role(1.0, 50)}
    far = [sample(at, at and 2, worker, host="far", wall_ahead=9, percents=four) for at in (0, 2, 4)]
    recall = {"recall@20": {"mean": 0.25, "standard_error": 0.0125, "count": 69}}
    movie = {"rank": 1, "movie_id": 5.0, "title": HOSTILE, "year": 1999, "score": 3.25}
    run = write_run(
        tmp_path_factory.mktemp("report") / "a run <i>",
        [*phase("load", 0, 4), *phase(HOSTILE, 4, 5), *phase("train $x$", 5, 10)],
        [steady(), of_host(far, "far", cores=4)],
        jobs=[job("load", 1), job(None, 10.5)],
        stages=[stage(1, HOSTILE)],
        hosts_json={"hosts": [{"host": "far", "clock_offset_seconds": 9.0, "clock_error_seconds": 0.01}]},
        history_csv="epoch,train_loss,validation_loss,seconds\n1,0.5,0.75,1\n2,0.25,0.5,1\n3,0.2,0.625,1\n4,0.1",
        metrics_json={"epoch": 2, "ranking": {"protocol": HOSTILE, "users": 69, "model": recall, "popularity": recall}},
        statistics_json={
            "users": 7, "density": 0.03125, "ratings_by_value": {"4": 10, "4.5": 2},
            "ratings_per_user": {"mean": 1.5, "min": 1.0}, "ratings_per_movie": {"mean": 2.5, "min": 2.0},
            "rows_read": 100,
            "rejected": {"bad <rating>": {"count": 3, "examples": [{"file": "r.csv", "row": 7, "text": HOSTILE}]}},
        },
        recommendations_json={"user": 12, "rated": [{**movie, "rating": 4.5}] * 25, "recommended": [movie]},
        environment_json={"python": "3.11", "spark": {"spark.app.name": HOSTILE}},
        config_toml=f"name = '{HOSTILE}'\n[data]\nseed = 1\n",
        run_json={"status": "succeeded", "seconds": 10.5},
    )  # fmt: skip
    make_report(run)
    return run


@pytest.fixture(scope="module")
def page(full: Path) -> Page:
    return Page(full / "report" / "index.html")


def test_all_files_are_made(full: Path) -> None:
    names = {path.name for path in (full / "report").iterdir()}
    assert {"index.html", "phases.csv", "phases.md"} <= names
    assert {"run.png", "memory.png", "cores.png", "cores-1.png", "hosts.png", "loss.png"} <= names
    assert {"phase-01-load.png", "phase-03-train-x-.png"} <= names
    assert not [name for name in names if name.startswith((".", "phase-02"))]  # no sample fell into the second


def test_pictures_are_whole_and_of_use_in_print(full: Path) -> None:
    for path in (full / "report").glob("*.png"):
        data = path.read_bytes()
        width, height = struct.unpack(">II", data[16:24])
        assert data.endswith(b"IEND\xaeB`\x82") and width >= 900 and height >= 250, path.name


def test_the_csv_has_a_row_a_phase_and_a_total(full: Path) -> None:
    with (full / "report" / "phases.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["phase"] for row in rows] == ["load", HOSTILE, "train $x$", "total"]
    assert (rows[0]["wall_seconds"], rows[0]["samples"], rows[0]["gc_seconds"]) == ("4.0", "4", "0.25")
    assert (rows[1]["pss_peak_bytes"], rows[1]["cpu_percent_peak"]) == ("", "")


def test_the_markdown_table_holds_together(full: Path) -> None:
    lines = (full / "report" / "phases.md").read_text(encoding="utf-8").splitlines()
    cells = [re.split(r"(?<!\\)\|", line) for line in lines if line.startswith("|")]
    assert len(cells) == 2 + 4 and {len(one) for one in cells} == {len(COLUMNS) + 2}
    assert [one.strip() for one in cells[0][1:-1]] == list(COLUMNS)
    assert cells[-1][1].strip() == "total" and cells[3][9].strip() == "–"


def test_the_page_is_well_formed_and_says_what_there_is(page: Page) -> None:
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", page.source)
    assert headings == [
        "What to notice", "What the phases cost", "The run over time", "Phase by phase", "Losses", "Metrics",
        "Sample recommendations", "The data", "Spark&#x27;s stages", "How it was measured", "Settings", "Environment",
    ]  # fmt: skip
    for text in (
        "a run <i>", "succeeded", "3 rating rows of 100 (3 %) were rejected", "1 Spark job (0.500 s) ran outside",
        "0.25 ± 0.013", "Best validation loss", "epoch 2 of 3", "User 12 rated 25, the first 20", "+9.000 s ± 0.010 s",
        "seed = 1", "spark.app.name", "r.csv", "bad <rating>",
    ):  # fmt: skip
        assert text in page.text, text
    assert page.text.count(HOSTILE) >= 20  # as it is, wherever it came from


def test_nothing_of_what_is_told_becomes_part_of_the_page(page: Page) -> None:
    assert {tag for tag, _ in page.found}.isdisjoint({"script", "iframe", "object", "i", "b"})
    assert not [name for _, attributes in page.found for name in attributes if name.startswith("on")]


def test_the_page_needs_no_network(page: Page) -> None:
    everything = [pair for _, attributes in page.found for pair in attributes.items()]
    leads = [value for key, value in everything if key in ("src", "href", "srcset", "data", "action")]
    assert leads and all(value and value.startswith(("data:", "#")) for value in leads)
    assert "@import" not in page.source and "url(" not in page.source and "http:" not in page.source
    ids = {found["id"] for _, found in page.found if found.get("id")}
    assert {value[1:] for value in leads if value and value.startswith("#")} <= ids


def test_the_pictures_in_the_page_are_those_on_disk_each_with_a_text(full: Path, page: Page) -> None:
    shown = [str(image["src"]).partition("base64,")[2] for image in page.all("img")]
    on_disk = {path.read_bytes() for path in (full / "report").glob("*.png")}
    assert {base64.b64decode(data) for data in shown} == on_disk
    assert all(len(str(image["alt"])) > 30 and image["width"] and image["height"] for image in page.all("img"))


def test_the_page_can_be_read_by_anyone(page: Page) -> None:
    assert page.all("html") == [{"lang": "en"}] and len(page.all("h1")) == len(page.all("main")) == 1
    assert "width=device-width" in str([meta.get("content") for meta in page.all("meta")])
    assert len(page.all("caption")) == len(page.all("table")) > 6
    assert all(cell.get("scope") in ("row", "col") for cell in page.all("th"))
    boxes = [box for box in page.all("div") if "scroll" in str(box.get("class"))]
    assert len(boxes) > 6 and all(box["tabindex"] == "0" and box["role"] and box["aria-label"] for box in boxes)


def test_what_is_missing_is_left_out(tmp_path: Path) -> None:
    page = Page(make_report(write_run(tmp_path / "run", phase("load", 0, 4), [steady()])))
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", page.source)
    assert headings == [
        "What to notice", "What the phases cost", "The run over time", "Phase by phase", "How it was measured"
    ]  # fmt: skip


def test_broken_files_are_left_out(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run", phase("load", 0, 4), [steady()], metrics_json="{", statistics_json="[1]", run_json="",
        recommendations_json={"rated": 3, "recommended": ["x"]}, history_csv="epoch,train_loss,validation_loss\n",
    )  # fmt: skip
    with (run / "resources" / "samples.jsonl").open("ab") as file:
        file.write(b'{"event":"sample","host":')
    page = Page(make_report(run))
    assert "Metrics" not in page.source and "Sample recommendations" not in page.source


def test_a_run_of_old_has_wall_times_alone(tmp_path: Path) -> None:
    page = Page(make_report(write_run(tmp_path / "run", phase("load", 0, 4, mono=False))))
    assert "There are no samples" in page.text and "4.00" in page.text
    assert page.all("img") == []


def test_a_killed_run_names_the_phase(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run", [*phase("load", 0, 4), started("train", 4)], [of_host(steady().samples, end=False)]
    )
    page = Page(make_report(run))
    assert "killed in train" in page.text and "(unfinished)" in page.text


def test_how_it_ended_can_be_told_before_run_json_is_written(tmp_path: Path) -> None:
    phases = [started("load", 0), ended("load", 0, 4, status="failed")]
    run = write_run(tmp_path / "run", phases, [steady()])
    page = Page(make_report(run, {"status": "failed", "phase": "load", "error": "no <rating> is left"}))
    assert "The run failed in load: no <rating> is left." in page.text
    assert not (run / "run.json").exists()


def test_a_watched_command_without_phases(tmp_path: Path) -> None:
    page = Page(make_report(write_run(tmp_path / "run", [], [steady()])))
    assert "total" in page.text and len(page.all("img")) == 3


def test_a_report_can_be_made_again(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", phase("load", 0, 4), [steady()])
    make_report(run)
    stale = run / "report" / "phase-07-gone.png"
    stale.write_bytes(b"")
    (run / "report" / "loss.png").write_bytes(b"of another hand")
    make_report(run)
    assert not stale.exists() and (run / "report" / "loss.png").exists()


def test_samples_beside_phases_are_a_run_as_well(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", phase("load", 0, 4), [steady()])
    assert make_report(run / "resources") == run / "resources" / "report" / "index.html"


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", phase("load", 0, 4), [steady()])
    assert main(["report", str(run)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == str(run / "report" / "index.html")
    assert [line.split()[0] for line in told[:3]] == ["phase", "load", "total"]
    assert told[1].split()[1:3] == ["4.00", "4.00"] and max(map(len, told[:3])) <= 120


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("nowhere", "no such directory"), ("empty", "is not a run"), ("begun", "no phase and no sample")],
)
def test_what_is_no_run_is_refused_in_a_line(
    name: str, remedy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "begun" / "resources").mkdir(parents=True)
    with pytest.raises(MonitorError, match=remedy):
        make_report(tmp_path / name)
    assert main(["report", str(tmp_path / name)]) == 2
    told = capsys.readouterr()
    assert told.out == "" and remedy in told.err and told.err.count("\n") == 1
    assert not (tmp_path / name / "report").exists()


def test_drawing_is_not_imported_by_what_samples() -> None:
    code = "import sys, monitor.sampler.loop; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert not {"monitor.report.make", "monitor.plots", "matplotlib", "html"} & set(done.stdout.split())


@pytest.mark.slow
@pytest.mark.skipif(not find_browser(), reason="no Chromium here: install Debian's chromium, or name one in CHROMIUM")
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_real_browser(width: int, full: Path, tmp_path: Path) -> None:
    index = full / "report" / "index.html"
    with Browser(str(find_browser()), tmp_path / "profile") as browser:
        browser.open(index, width)
        check_layout(browser, width)
        assert browser.value("document.images.length") >= 7
        assert browser.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert float(browser.value("parseFloat(getComputedStyle(document.body).fontSize)")) >= 16
        assert browser.pdf().startswith(b"%PDF-")
        assert browser.problems == []
        if keep := os.environ.get("REPORT_PICTURES"):  # to be looked at
            Path(keep, f"page-{width}.png").write_bytes(browser.picture())


def test_the_host_of_the_phases_decides_whose_clock_they_have(tmp_path: Path) -> None:
    """Phases of another machine's monotonic clock are placed by the wall clock."""
    records = [record | {"mono": 9e6, "host": "elsewhere"} for record in phase("load", 0, 4)]
    make_report(write_run(tmp_path / "run", records, [steady()]))
    with (tmp_path / "run" / "report" / "phases.csv").open(newline="") as file:
        load = next(csv.DictReader(file))
    assert HOST != "elsewhere" and (load["start_seconds"], load["cpu_seconds"]) == ("0.0", "4.0")
