"""The page of a study, from run directories made by hand: its words, its pictures, and in a browser if there is one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from browser import Browser, check_layout, find_browser
from html_page import Page
from hypothesis import given, settings
from hypothesis import strategies as st
from made_run import phase, steady, write_run
from made_study import SPACE, made_final, made_study, made_trials

from monitor.report import make_report
from recsys.config.search import Choices, Range, Space
from recsys.errors import UserError
from recsys.tuning.results import TrialRow, ranked
from spark_jobs.tuning.findings import findings
from spark_jobs.tuning.key_pictures import ticks
from spark_jobs.tuning.page import write_page
from spark_jobs.tuning.study_files import place, read_study, value_text

WIDE: Space = {
    "model.hidden": Choices(choices=((200,), (400, 400), (600, 600, 600))),
    "model.activation": Choices(choices=("relu", "tanh")),
    "model.decay": Range(low=0.05, high=0.95, scale="reverse_log"),
    "model.latent": Range(low=50, high=500, scale="log", type="int"),
    **{f"model.key_{number}": Range(low=1e-6, high=1e-2, scale="log") for number in range(8)},
}
L2: Space = {"model.l2": Range(low=0.03, high=30, scale="log")}


def sentences(run: Path, warning: bool | None = None) -> str:
    found = findings(read_study(run))
    return "\n".join(one.text for one in found if warning is None or one.warning is warning)


def words(page: Page) -> str:
    """The texts of a page, with a space between one and the next."""
    return " ".join(" ".join(page.texts).split())


def trial(number: int, value: float | None, l2: float = 1.0, **more: object) -> TrialRow:
    row = TrialRow(
        None, number, "complete" if value is not None else "failed", value, 10, 2.0, 1.0, "", {"model.l2": l2}
    )
    return replace(row, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "space", "failed", "pictures"),
    [
        (3, SPACE, 0, {"history", "parallel", "slices", "costs"}),
        (40, L2, 0, {"history", "slices", "costs"}),  # one key: a line between two axes says no more than the slice
        (500, WIDE, 25, {"history", "parallel", "slices", "costs"}),
        (12, SPACE, 12, {"slices", "costs"}),  # all failed: where, and what it cost
        (0, SPACE, 0, set()),
    ],
    ids=["few", "one-key", "many", "all-failed", "none-yet"],
)
def test_there_is_a_page_of_any_study(
    count: int, space: Space, failed: int, pictures: set[str], tmp_path: Path
) -> None:
    run = made_study(tmp_path / "study", made_trials(count, space, failed=range(failed)), space)
    page = Page(write_page(run))
    assert {path.stem.removeprefix("tuning-") for path in (run / "report").glob("*.png")} == pictures
    assert len(page.all("img")) == len(pictures) and all(image["alt"] for image in page.all("img"))
    assert "What to notice" in page.text and "://" not in page.source
    names = {attributes.get("id") for _, attributes in page.found}
    inner = [str(link["href"])[1:] for link in page.all("a") if str(link["href"]).startswith("#")]
    assert set(inner) <= names and len(inner) >= 2


def test_what_the_page_says_of_a_whole_study(tmp_path: Path) -> None:
    importance = {"model.factors": 0.2, "model.l2": 0.7, "model.solver": 0.1}
    final = made_final([0.90, 0.92, 0.91], [0.95, 0.95, 0.95])
    rows = made_trials(60, SPACE, failed=(3,), pruned=(4, 5))
    run = made_study(tmp_path / "study", rows, importance=importance, final=final, parallel=2)
    page = Page(write_page(run))
    text = words(page)
    assert (run / "report" / "tuning-importance.png").exists()
    assert f"Best validation_rmse {value_text(rows[0].value)} trial {rows[0].number}" in text
    assert "Trials 60 57 complete, 2 pruned, 1 failed" in text
    assert "tuned settings 0.9100 ± 0.0058 0.9 0.92 0.91" in text  # 0.01 / sqrt(3)
    assert "settings before 0.9500 ± 0.0000 0.95 0.95 0.95" in text
    assert "Trials by validation_rmse, the first 20 of 57" in text and "2 at a time" in text
    assert "model.l2 0.03 to 30 log 1 " in text  # 1 before tuning
    assert "factors = 34" in text and f"train --config {run / 'best.toml'}" in text
    links = {str(link["href"]) for link in page.all("a")}
    assert "../trials.csv" in links and "index.html" not in links  # of a run without a report
    heads = text[text.index("the first 20 of 57") :]
    assert heads.index("model.l2") < heads.index("model.factors") < heads.index("model.solver")  # by importance


def test_a_page_is_made_anew_without_what_is_gone(tmp_path: Path) -> None:
    run = made_study(tmp_path / "study", made_trials(20, SPACE), importance={"model.l2": 1.0})
    write_page(run)
    (run / "importance.json").unlink()
    assert "tuning-importance" not in Page(write_page(run)).source
    assert not (run / "report" / "tuning-importance.png").exists()


def test_names_are_text_and_no_html_or_formula(tmp_path: Path) -> None:
    space: Space = {"model.solver": Choices(choices=("<b>$a", "b$")), "model.l2": Range(low=1, high=2)}
    rows = [replace(row, reason="<i>no</i>") for row in made_trials(9, space, failed=(2,))]
    run = made_study(tmp_path / "a <study> $x$", rows, space, metric="validation_<x>$")
    page = Page(write_page(run))
    assert "a <study> $x$" in page.text and "<b>$a" in page.text and "<i>no</i>" in page.text


def test_what_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not a tuning run: it has no tune\.json"):
        write_page(tmp_path)


def test_the_report_of_the_run_leads_to_the_page(tmp_path: Path) -> None:
    run = made_study(tmp_path / "study", made_trials(5, SPACE))
    write_run(run, phase("model_training", 0, 10), [steady()])
    assert "index.html" in {str(link["href"]) for link in Page(write_page(run)).all("a")}
    page = Page(make_report(run))
    assert "Tuning" in page.text and "tuning.html" in {str(link["href"]) for link in page.all("a")}
    assert "with 5 trials" in page.text


def test_what_the_study_noted_stands_first(tmp_path: Path) -> None:
    note = "model.l2 = 9.8 lies at the upper bound of its range (10): widen it"
    final = made_final([0.9, 0.91], [1.0, 1.0], [note])
    run = made_study(tmp_path / "study", ranked([trial(0, 0.9)], False), L2, final=final)
    assert findings(read_study(run))[0].text == f"{note}." and findings(read_study(run))[0].warning


def test_without_a_test_that_is_said(tmp_path: Path) -> None:
    rows = ranked([trial(0, 0.9)], False)
    final = {"metric": "rmse", "notes": [], "best_reachable_rmse": 0.85}  # --seeds 0
    page = Page(write_page(made_study(tmp_path / "study", rows, L2, final=final)))
    assert "The best settings have not been tested" in page.text and "Before and after" not in page.text
    assert "Best reachable RMSE 0.8500" in words(page)


@pytest.mark.parametrize(
    ("tuned", "before", "direction", "expected", "warning"),
    [
        ([0.90, 0.92], [1.0, 1.0], "minimize", "9.0 % better, 9.0 standard errors.", False),  # 0.09 / 0.01
        ([0.48, 0.52], [0.40, 0.40], "maximize", "25.0 % better, 5.0 standard errors.", False),
        ([0.90, 0.92], [0.92, 0.92], "minimize", "less than two standard errors (0.01): it may be chance.", True),
        ([0.93, 0.93], [0.92, 0.92], "minimize", "tuning gained nothing there.", True),
        ([0.90], [1.0], "minimize", "With one seed nobody knows how much of that is chance", False),
    ],
    ids=["clear", "maximised", "chance", "worse", "one-seed"],
)  # fmt: skip
def test_what_tuning_gained(
    tuned: list[float], before: list[float], direction: str, expected: str, warning: bool, tmp_path: Path
) -> None:
    rows = ranked([trial(0, 0.9, l2=3.0), trial(1, 0.91, l2=4.0)], direction == "maximize")
    run = made_study(tmp_path / "study", rows, L2, final=made_final(tuned, before), direction=direction)
    assert expected in sentences(run, warning)


def test_settings_that_were_the_best_before_are_no_gain_and_no_loss(tmp_path: Path) -> None:
    rows = ranked([trial(0, 0.9, l2=1.0), trial(1, 0.95, l2=2.0)], False)  # 1.0 is what config.toml says
    run = made_study(tmp_path / "study", rows, L2, final=made_final([0.91, 0.93], [0.91, 0.93]))
    text = sentences(run)
    assert "These are the settings that the study began with: none that it tried is better." in text
    assert "On the test rmse is 0.9200 ± 0.0100 with them." in text and "gained" not in text


def test_of_a_maximised_metric_the_largest_is_the_best(tmp_path: Path) -> None:
    rows = ranked([trial(0, 0.3), trial(1, 0.5), trial(2, 0.4)], True)
    run = made_study(tmp_path / "study", rows, L2, metric="validation_ndcg@100", direction="maximize")
    study = read_study(run)
    assert study.winner is not None and study.winner.number == 1
    assert "Trial 1 is the best: validation_ndcg@100 0.5" in sentences(run)
    assert "validation_ndcg@100 as high as possible" in Page(write_page(run)).text


@pytest.mark.parametrize(
    ("best_at", "count", "expected"),
    [
        (38, 40, "The best trial came late, with 1 of 40 after it: more trials would likely find better settings."),
        (5, 40, "The 34 trials after the best one found nothing better: more trials in these ranges would"),
        (2, 4, "4 trials for 1 key are few: 10 say more."),
    ],
)
def test_whether_more_trials_would_help(best_at: int, count: int, expected: str, tmp_path: Path) -> None:
    rows = [trial(number, 0.9 if number == best_at else 1.0) for number in range(count)]
    assert expected in sentences(made_study(tmp_path / "study", ranked(rows, False), L2))


def test_failed_trials_are_told_by_reason_whatever_the_figures_in_it(tmp_path: Path) -> None:
    reasons = ["loss 1e+30 in epoch 2", "loss 4.2 in epoch 12", "no memory: 3 GB", "a", "b", "loss nan in epoch 1"]
    rows = [trial(number, 0.9) for number in range(30)]
    rows += [trial(30 + number, None, reason=reason) for number, reason in enumerate(reasons)]
    text = sentences(made_study(tmp_path / "study", ranked(rows, False), L2))
    assert "6 trials of 36 failed: loss 1e+30 in epoch 2 (2 trials); no memory: 3 GB (1 trial);" in text
    assert "other reasons (2 trials)" in text


@pytest.mark.parametrize(("direction", "warns"), [("minimize", True), ("maximize", False)])
def test_losses_that_say_nothing_of_the_metric_are_no_ground_to_give_up_by(
    direction: str, warns: bool, tmp_path: Path
) -> None:
    # the higher the value, the lower the loss
    rows = [trial(number, 0.5 + number / 100) for number in range(12)]
    rows.append(trial(12, None, state="pruned", seconds=0.5))
    run = made_study(tmp_path / "study", ranked(rows, direction == "maximize"), L2, direction=direction)
    for number in range(12):
        folder = run / "trials" / f"{number:05d}"
        folder.mkdir(parents=True)
        (folder / "history.csv").write_text(f"epoch,validation_loss\n1,2.0\n2,{1 - number / 100}\n")
    text = sentences(run)
    assert "Of 13 trials 1 ended early, given up for their losses: about 1.50 s less" in text
    assert ("does not go with validation_rmse here (rank correlation -1.00)" in text) is warns


def test_trials_on_some_users_are_neither_best_nor_compared(tmp_path: Path) -> None:
    rows = [trial(number, 0.5 + number / 100, fraction=0.2) for number in range(30)]
    rows += [trial(30, 0.8), trial(31, 0.7)]
    study = read_study(made_study(tmp_path / "study", ranked(rows, False), L2, fraction=0.2))
    assert [row.number for row in study.comparable] == [30, 31]
    assert study.winner is not None and study.winner.number == 31
    page = words(Page(write_page(study.path)))
    assert (
        "seconds users model.l2 trial 31 1 0.7 10 2.0 100 % 1 trial 30 2 0.8 10 2.0 100 % 1 trial 0 3 0.5 10 2.0 20 %"
        in page
    )


def test_one_value_that_diverged_does_not_press_the_others_together(tmp_path: Path) -> None:
    values = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 900.0]
    rows = ranked([trial(number, value) for number, value in enumerate(values)], False)
    edge = read_study(made_study(tmp_path / "study", rows, L2)).worst_shown()
    assert edge is not None and 1.6 < edge < 3
    turned = ranked([trial(number, -value) for number, value in enumerate(values)], True)
    other = read_study(made_study(tmp_path / "other", turned, L2, direction="maximize")).worst_shown()
    assert other == pytest.approx(-edge)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (Range(low=0.0001, high=1, scale="log"), {0.0: "0.0001", 0.25: "0.001", 0.5: "0.01", 0.75: "0.1", 1.0: "1"}),
        (Range(low=0, high=50, type="int"), {0.0: "0", 0.5: "25", 1.0: "50"}),
        (Range(low=0.8, high=1), {0.0: "0.8", 0.5: "0.9", 1.0: "1"}),
        (Choices(choices=((200,), (400, 400))), {0.25: "[200]", 0.75: "[400, 400]"}),
        (Choices(choices=(True, "b")), {0.25: "yes", 0.75: "b"}),
    ],
    ids=["log", "whole", "rounded", "lists", "mixed"],
)
def test_axes_are_labelled_at_round_numbers(entry: Range | Choices, expected: Mapping[float, str]) -> None:
    assert {round(at, 6): text for at, text in ticks(entry)} == expected


@settings(max_examples=300, deadline=None)
@given(
    hundredths=st.lists(st.integers(1, 100_000), min_size=2, max_size=2, unique=True),
    scale=st.sampled_from(["linear", "log", "reverse_log"]),
)
def test_axes_of_any_range_are_labelled_within_it(hundredths: list[int], scale: str) -> None:
    low, high = (one / 100 for one in sorted(hundredths))
    places = [at for at, _ in ticks(Range.model_validate({"low": low, "high": high, "scale": scale}))]
    assert places == sorted(places) and (places[0], places[-1]) == (0.0, 1.0)


def test_labels_of_a_reverse_log_range_stand_where_the_range_says() -> None:
    entry = Range(low=0.05, high=0.95, scale="reverse_log")
    shown = ticks(entry)
    assert [text for _, text in shown] == ["0.05", "0.54", "0.78", "0.9", "0.95"]
    assert all(at == pytest.approx(place(entry, float(text))) for at, text in shown)


@pytest.mark.slow
@pytest.mark.skipif(not find_browser(), reason="no Chromium here: install Debian's chromium, or name one in CHROMIUM")
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_real_browser(width: int, tmp_path: Path) -> None:
    importance = {key: 1 / len(WIDE) for key in WIDE}
    rows = made_trials(60, WIDE, failed=(3,), pruned=(4, 5))
    page = write_page(made_study(tmp_path / "study", rows, WIDE, importance, made_final([0.9, 0.91], [0.95, 0.94])))
    with Browser(str(find_browser()), tmp_path / "profile") as browser:
        browser.open(page, width)
        check_layout(browser, width)
        assert browser.pdf().startswith(b"%PDF-")
        assert browser.problems == []
        if keep := os.environ.get("REPORT_PICTURES"):  # to be looked at
            Path(keep, f"tuning-{width}.png").write_bytes(browser.picture())
