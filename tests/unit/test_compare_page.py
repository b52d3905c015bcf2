"""The page of a comparison: in a parser and, where there is one, in a real browser."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from browser import Browser, check_layout, find_browser
from html_page import Page
from runs_to_compare import make_run

from monitor.compare import Grid, GridRun, Prices, grid_run, make_comparison
from monitor.compare.capability import Capability, Rates, write_capability


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two ranges of years with 1, 2 and 4 workers, and a run of a grid that failed."""
    folder = tmp_path_factory.mktemp("compared")
    rows = []
    for year in (1960, 1970):
        for workers in (1, 2, 4):
            name = f"paper-year_to={year}-{workers}w-1"
            phases = [("load", 6.0, 0.9, 0.4), ("model_training", 30.0 / workers, 1.5, 1.0 + workers / 4)]
            settings = f"[data]\nyear_from = 1950\nyear_to = {year}"
            path = make_run(folder / "runs" / name, phases, workers, settings=settings, losses=(0.1, 0.15))
            rows.append(grid_run(path, {"data.year_to": year}, workers, 1, "succeeded", "", Prices(0.04, 0.005)))
    rows.append(GridRun("paper-year_to=1980-1w-1", {"data.year_to": 1980}, 1, 1, "failed", "no <memory> left", {}))
    write_capability(Capability("box", 2, (Rates(1, 90, 9), Rates(2, 175, 13), Rates(4, 178, 14)), 0.1), folder)
    return make_comparison([folder], folder, "paper & others", Grid(rows, ["data.year_to", "workers"]))


def test_everything_is_on_the_page_and_nothing_elsewhere(index: Path) -> None:
    page = Page(index)
    assert "paper & others" in page.text and "failed: no <memory> left" in page.text
    for title in ("What to notice", "Speed-up", "Cost by phase", "Grid", "Phases side by side", "Losses", "Runs"):
        assert title in page.text
    names = {attributes.get("id") for _, attributes in page.found}
    assert all(str(link["href"])[1:] in names for link in page.all("a"))
    images = page.all("img")
    # two of speed-up, scaling, two of the grid, utilisation, two phases and the total
    assert len(images) == 9
    assert all(str(image["src"]).startswith("data:image/png;base64,") and image["alt"] for image in images)
    assert "://" not in page.source


@pytest.mark.slow
@pytest.mark.skipif(not find_browser(), reason="no Chromium here: install Debian's chromium, or name one in CHROMIUM")
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_real_browser(width: int, index: Path, tmp_path: Path) -> None:
    with Browser(str(find_browser()), tmp_path / "profile") as browser:
        browser.open(index, width)
        check_layout(browser, width)
        assert browser.pdf().startswith(b"%PDF-")
        assert browser.problems == []
        if keep := os.environ.get("REPORT_PICTURES"):  # to be looked at
            Path(keep, f"compare-{width}.png").write_bytes(browser.picture())
