"""What a report says at its top: figures worked by hand, and silence where nothing is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_run import HOST, MB, WALL, ended, of_host, phase, role, sample, started, steady, write_run

from monitor.cost.run_files import read_run
from monitor.plots import Picture, canvas
from monitor.records import CgroupUsage, Samples
from monitor.report.findings import Finding, findings
from spark_jobs.run.report_sections import EXTENSION


def told(run: Path) -> list[str]:
    return [one.text for one in findings(read_run(run))]


def warnings(run: Path) -> list[str]:
    return [one.text for one in findings(read_run(run)) if one.warning]


def about(sentences: list[str], *words: str) -> str:
    """The one sentence with all these words."""
    (found,) = [text for text in sentences if all(word in text for word in words)]
    return found


ALL = [*phase("load", 0, 4), *phase("train", 4, 10)]


def test_a_good_run_has_no_warning(tmp_path: Path) -> None:
    assert warnings(write_run(tmp_path / "run", ALL, [steady()])) == []


def test_the_phase_that_costs_most(tmp_path: Path) -> None:
    text = about(told(write_run(tmp_path / "run", ALL, [steady()])), "most time")
    assert "train takes most time: 6.00 s of 10.0 s (60 %)" in text
    assert "6.00 s of 10.0 s of CPU time (60 %), with 1.00 of 2 cores busy" in text


def test_another_phase_may_take_most_cpu(tmp_path: Path) -> None:
    host = of_host([sample(at, 2 if at else 0, {"driver": role(4.0 if at == 2 else 0.1, 9)}) for at in (0, 2, 4, 6)])
    sentences = told(write_run(tmp_path / "run", [*phase("load", 0, 2), *phase("wait", 2, 6)], [host]))
    assert about(sentences, "most time").startswith("wait")
    assert about(sentences, "most CPU time").startswith("load takes most CPU time: 4.00 s of 4.20 s (95 %)")


def test_where_memory_peaked_and_against_which_limit(tmp_path: Path) -> None:
    text = about(told(write_run(tmp_path / "run", ALL, [steady()])), "Memory peaked")
    assert text == "Memory peaked at 400 MB in load, 4.00 s into the run: 5 % of 8.00 GB, the machine's memory."


def with_limit(limit: int | None, anonymous: int) -> Samples:
    group = CgroupUsage(limit, anonymous + 50 * MB, anonymous, 50 * MB, "/x")
    return replace(steady(), samples=tuple(replace(one, cgroup=group) for one in steady().samples))


def test_a_cgroup_that_is_tighter_than_the_machine_is_the_limit(tmp_path: Path) -> None:
    near = write_run(tmp_path / "near", ALL, [with_limit(450 * MB, 420 * MB)])
    assert "89 % of 450 MB, the limit of its cgroup" in about(warnings(near), "Memory peaked")
    assert "420 MB of 450 MB" in about(warnings(near), "cannot be given back")
    for name, limit in (("far", 4000 * MB), ("wider", 9000 * MB), ("none", None)):
        far = write_run(tmp_path / name, ALL, [with_limit(limit, 420 * MB)])
        assert warnings(far) == []
        limited = "the limit of its cgroup" if name == "far" else "the machine's memory"
        assert limited in about(told(far), "Memory peaked")


def test_by_how_much_rss_overstates(tmp_path: Path) -> None:
    text = about(told(write_run(tmp_path / "run", ALL, [steady()])), "overstates")
    assert "by up to 62 %: it says 650 MB" in text and "says 400 MB" in text


def test_rss_that_agrees_is_said_to(tmp_path: Path) -> None:
    host = of_host([sample(at, 2 if at else 0, {"driver": role(1.0, 100)}) for at in (0, 2, 4)])
    assert about(told(write_run(tmp_path / "run", phase("a", 0, 4), [host])), "agree")


def test_a_kernel_without_pss_is_warned_of(tmp_path: Path) -> None:
    host = of_host(steady().samples, pss=False)
    sentences = told(write_run(tmp_path / "run", ALL, [host]))
    assert about(sentences, "no PSS") and not any("overstates" in text for text in sentences)


def test_the_monitors_own_cost(tmp_path: Path) -> None:
    text = about(told(write_run(tmp_path / "run", ALL, [steady()])), "The monitor itself")
    assert "0.050 s of CPU time: 0.50 % of one core, and up to 20 MB" in text  # of its last record
    killed = of_host(steady().samples, end=False)
    text = about(told(write_run(tmp_path / "killed", ALL, [killed])), "The monitor itself")
    assert "0.050 s" in text  # five samples with 0.01 each


def test_a_killed_run_names_its_phase(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [*phase("load", 0, 4), started("train", 4)], [steady()])
    assert about(warnings(run), "killed in train")


def test_a_failed_run_says_where_and_why(tmp_path: Path) -> None:
    phases = [*phase("load", 0, 4), started("train", 4), ended("train", 4, 9, status="failed")]
    why = {"status": "failed", "phase": "train", "error": "no memory"}
    assert about(warnings(write_run(tmp_path / "run", phases, [steady()], run_json=why)), "failed in train: no memory.")
    assert about(warnings(write_run(tmp_path / "other", phases, [steady()])), "An error ended train")


def test_a_run_that_was_stopped_says_by_what(tmp_path: Path) -> None:
    why = {"status": "stopped", "stopped": "training.max_seconds = 60: after epoch 2 of 9"}
    found = warnings(write_run(tmp_path / "run", ALL, [steady()], run_json=why))
    assert about(found, "was stopped by training.max_seconds = 60: after epoch 2 of 9.")


@pytest.mark.parametrize("tested", [True, False])
def test_the_loss_curve_has_a_line_for_the_test_where_it_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tested: bool
) -> None:
    drawn = list[Any]()

    def keep(figure: Any, path: Path) -> Path:
        drawn.append(figure)
        return path

    monkeypatch.setattr(canvas, "save", keep)
    run = write_run(tmp_path / "run", ALL, [steady()])
    rows = [("epoch,train_loss,validation_loss", ",test_loss"), ("1,0.5,0.75", ",0.875"), ("2,0.25,0.5", ",0.625")]
    (run / "history.csv").write_text("\n".join(row + more * tested for row, more in rows))
    told = [section.render(read_run(run)) for section in EXTENSION.sections]
    (picture,) = (one for one in told if isinstance(one, Picture))
    lines = {str(line.get_label()): list(line.get_ydata()) for line in drawn[0].axes[0].lines}
    test = {"test": [0.875, 0.625]} if tested else {}
    assert lines == {"train": [0.5, 0.25], "validation": [0.75, 0.5], **test}
    says = "Training and validation loss over 2 epochs; after the last epoch 0.25 and 0.5."
    if tested:
        says = "Training, validation and test loss over 2 epochs; after the last epoch 0.25, 0.5 and 0.625."
    assert picture.text == says


def test_time_outside_of_phases(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [*phase("load", 2, 4), *phase("train", 4, 9)], [steady()])
    assert "3.00 s of 10.0 s (30 %) and 3.00 s of CPU time lie outside" in about(told(run), "outside of any phase")
    assert not any("outside" in text for text in told(write_run(tmp_path / "whole", ALL, [steady()])))


def job(phase_name: str | None, at: float, seconds: float = 0.5) -> dict[str, Any]:
    return {"phase": phase_name, "submitted": WALL + at, "completed": WALL + at + seconds}


def test_the_laziness_check(tmp_path: Path) -> None:
    phases = [*phase("load", 0, 4), *phase("join", 4, 5), *phase("train", 5, 9)]
    jobs = [job("load", 1), job("join", 6), job("join", 7, 1.5), job("train", 8), job(None, 9.5, 0.25)]
    sentences = told(write_run(tmp_path / "run", phases, [steady()], jobs=jobs))
    assert "No Spark job ran in join (1.00 s)" in about(sentences, "paid for later")
    assert about(sentences, "ran later") == "Work of join ran later: 2 Spark jobs of it (2.00 s) in train."
    assert "1 Spark job (0.250 s) ran outside of any phase" in about(sentences, "no phase has the cost")


def test_jobs_in_their_phases_are_no_finding(tmp_path: Path) -> None:
    own = {**job(None, 20), "job_group": "monitor"}
    run = write_run(tmp_path / "run", ALL, [steady()], jobs=[job("load", 1), job("train", 5), own])
    assert not any("Spark" in text for text in told(run))


def test_a_job_of_an_outer_phase_is_not_late_within_an_inner_one(tmp_path: Path) -> None:
    phases = [started("outer", 0), *phase("inner", 2, 6), ended("outer", 0, 10)]
    run = write_run(tmp_path / "run", phases, [steady()], jobs=[job("outer", 3), job("inner", 4)])
    assert not any("Spark" in text for text in told(run))


def test_missed_and_late_samples(tmp_path: Path) -> None:
    roles = {"driver": role(1.0, 10)}
    samples = [sample(0, 0, roles), sample(8, 8, roles, missed=3), sample(10, 2, roles, late=1.5)]
    sentences = warnings(write_run(tmp_path / "run", phase("a", 0, 10), [of_host(samples)]))
    assert "3 samples of 6 (50 %) were missed" in about(sentences, "missed")
    assert "1 sample of 3 came over half an interval late, at worst by 1.50 s" in about(sentences, "late")


def test_other_work_on_the_machine(tmp_path: Path) -> None:
    def busy(percents: tuple[float, float]) -> Samples:
        machines = (replace(one, machine=sample(0, 0, {}, percents=percents).machine) for one in steady().samples)
        return of_host(machines)

    sentences = warnings(write_run(tmp_path / "busy", ALL, [busy((100.0, 60.0))]))
    assert "80 % of its CPU was used, 50 % by this run" in about(sentences, "Other work")
    assert warnings(write_run(tmp_path / "idle", ALL, [busy((60.0, 60.0))])) == []


def test_sampling_that_began_late(tmp_path: Path) -> None:
    late = replace(steady(), samples=steady().samples[3:])
    sentences = warnings(write_run(tmp_path / "run", [*phase("load", 0, 1), *phase("train", 1, 10)], [late]))
    assert "Sampling began 6.00 s after the first phase" in about(sentences, "began")


def test_a_monitor_that_was_killed_before_the_run_ended(tmp_path: Path) -> None:
    short = Samples(steady().begin, steady().samples[:3], None)
    sentences = warnings(write_run(tmp_path / "run", phase("train", 0, 20), [short]))
    assert "its last sample is at 4.00 s, with 400 MB in use" in about(sentences, "still goes on")
    assert "train: no sample covers 16.0 s of its 20.0 s" in about(sentences, "too low")


def test_hosts_without_data_and_uncertain_clocks(tmp_path: Path) -> None:
    far = of_host([sample(at, at and 2, {"worker": role(1.0, 10)}, host="far") for at in (0, 2, 4)], "far")
    entry = {"host": "far", "clock_offset_seconds": 0.0, "clock_error_seconds": 3.0}
    hosts = {"hosts": [{"host": HOST}, entry, {"host": "silent"}], "without_data": ["lost"], "problems": ["no answer"]}
    sentences = warnings(write_run(tmp_path / "run", ALL, [steady(), far], hosts_json=hosts))
    assert "lost and silent" in about(sentences, "No data came from")
    assert "clock of far is known to 3.00 s only" in about(sentences, "clock")
    assert about(sentences, "no answer") == "The monitor met with a problem: no answer."


def test_executors_alone_are_no_driver(tmp_path: Path) -> None:
    far = of_host([sample(at, at and 2, {"worker": role(1.0, 10)}, host="far") for at in (0, 2, 4)], "far")
    run = write_run(tmp_path / "run", phase("a", 0, 4), [far])
    (run / "resources" / "samples.jsonl").rename(run / "resources" / "samples-far.jsonl")
    assert about(warnings(run), "driver's host has no samples")


def test_no_samples_at_all(tmp_path: Path) -> None:
    assert about(warnings(write_run(tmp_path / "run", ALL)), "There are no samples")


@pytest.mark.parametrize(
    ("statistics", "said"),
    [
        (
            {"rows_read": 1000, "rejected": {"bad rating": {"count": 30}, "no user": {"count": 12, "examples": []}}},
            "42 rating rows of 1,000 (4 %) were rejected: bad rating 30 and no user 12.",
        ),
        ({"movies_file": {"rejected": {"duplicate": {"count": 1}}}}, "1 movie row was rejected: duplicate 1."),
        ({"rejected": {}, "movies_file": {"rejected": {}}}, None),
        ({"rejected": 7, "movies_file": None}, None),
    ],
)
def test_rejected_rows(statistics: dict[str, Any], said: str | None, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ALL, [steady()], statistics_json=statistics)
    assert warnings(run) == []  # what the rows were about the monitor does not know
    assert EXTENSION.findings is not None
    assert EXTENSION.findings(read_run(run)) == ([Finding(said, warning=True)] if said else [])


def test_what_became_of_the_rows(tmp_path: Path) -> None:
    statistics = {
        "ratings": 297, "rows_read": 876, "feedback": "ratings", "positive_from": 4.0, "not_rated": 156, "merged": 0,
        "not_selected": {"below_positive": 423, "outside_years": 0, "outside_sample": 0}, "rejected": {},
        "told": ["ratings from 1 to 5 in steps of 1"],
    }  # fmt: skip
    run = write_run(tmp_path / "run", ALL, [steady()], statistics_json=statistics)
    assert EXTENSION.findings is not None
    assert EXTENSION.findings(read_run(run)) == [
        Finding("876 rows: 297 likes (ratings of 4 and more) of 720 ratings."),
        Finding("156 rows say 'not rated'."),
        Finding("Ratings from 1 to 5 in steps of 1."),
    ]
