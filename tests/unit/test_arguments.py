"""The command line: options, hints for unknown ones, and settings that travel in one argument."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recsys.config.load import build_config, write_config
from recsys.errors import ConfigError, UserError
from spark_jobs.launcher.arguments import (
    Arguments,
    cores,
    job_parser,
    parse_arguments,
    resolved,
    run_directory_given,
)
from spark_jobs.launcher.installation import jobs
from spark_jobs.launcher.run_directory import job_options
from spark_jobs.run.messages import fail

OWN = "[data]\nratings = 'r.csv'\nmovies = 'm.csv'\nyear_from = 1990\n[training]\nworkers = 3\nepochs = 2\n"


def refused(job: str, *argv: str) -> str:
    with pytest.raises(UserError) as caught:
        parse_arguments(job, argv)
    return str(caught.value)


@pytest.fixture
def own(tmp_path: Path) -> str:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return str(path)


def test_without_arguments_it_is_the_quickstart() -> None:
    arguments = parse_arguments("train", [])
    assert (arguments.config.name, arguments.config.data.dataset) == ("quickstart", "synthetic")
    assert arguments.given == frozenset()
    assert (arguments.profile, arguments.spark_options) == (True, ())
    assert run_directory_given(arguments) is None


def test_files_then_assignments_then_workers(own: str) -> None:
    arguments = parse_arguments("train", ["--config", own, "--set", "training.epochs=7", "--workers", "5"])
    assert (arguments.config.training.epochs, arguments.config.training.workers) == (7, 5)
    assert arguments.config.data.ratings == "r.csv"
    assert arguments.master == f"local[{min(5, cores())}]"


def test_a_later_config_overrides_and_names_are_looked_up(own: str) -> None:
    arguments = parse_arguments("train", ["--config", own, "--config", "quickstart"])
    assert (arguments.config.data.dataset, arguments.config.name) == ("synthetic", "quickstart")
    assert arguments.config.data.year_from == 1990


def test_the_master_is_the_workers_unless_one_is_given(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_arguments("train", ["--config", own]).master == f"local[{min(3, cores())}]"
    monkeypatch.setattr("spark_jobs.launcher.arguments.cores", lambda: 64)
    assert parse_arguments("train", ["--config", own]).master == "local[3]"
    assert parse_arguments("train", ["--config", own, "--master", "spark://host:7077"]).master == "spark://host:7077"


def test_what_the_user_set_of_the_data_and_nothing_else_is_given(own: str, tmp_path: Path) -> None:
    model = tmp_path / "model.toml"
    model.write_text("[model]\nhidden = [7]\n")
    assert parse_arguments("train", ["--config", own]).given == {"ratings", "movies", "year_from"}
    assert parse_arguments("train", ["--config", str(model)]).given == frozenset()
    assert parse_arguments("train", ["--set", "data.year_from=1990"]).given == {"year_from"}


def test_what_stands_behind_two_dashes_is_sparks() -> None:
    arguments = parse_arguments("train", ["--workers", "2", "--", "--num-executors", "4", "--", "--set"])
    assert arguments.spark_options == ("--num-executors", "4", "--", "--set")
    assert arguments.config.training.workers == 2


def test_profile_and_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = parse_arguments("prepare", ["--profile", "off", "--output", "run1"])
    assert not arguments.profile
    assert run_directory_given(arguments) == tmp_path / "run1"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--worker", "3"], "unknown option --worker: did you mean --workers?"),
        (["--confg=x"], "unknown option --confg=x: did you mean --config?"),
        (["--zzzz"], "unknown option --zzzz: see howdah train --help (Spark's own options go after --)"),
        (["stray"], "unknown option stray: see howdah train --help (Spark's own options go after --)"),
        (
            ["--workers", "0"],
            "argument --workers: '0': expected a whole number from 1: see howdah train --help",
        ),
        (["--workers", "x"], "argument --workers: 'x': expected a whole number from 1: see howdah train"),
        (["--config"], "argument --config: expected one argument: see howdah train --help"),
        (["--set", "hidden"], "--set 'hidden': expected key=value, such as model.hidden=[200]"),
        (["--set", "model.hiden=[2]"], "unknown key model.hiden: did you mean model.hidden?"),
        (["--output", "hdfs://nn/a"], "--output hdfs://nn/a: must be a folder of this machine"),
        (["--prepared", "s3a://b/c"], "--prepared s3a://b/c: must be a folder of this machine"),
        (["--config", "paper-1950-1961"], "no experiment 'paper-1950-1961': did you mean paper-1950-1960?"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(argv: list[str], message: str) -> None:
    found = refused("train", *argv)
    assert found.startswith(message)
    assert "\n" not in found


def test_profile_takes_on_or_off() -> None:
    assert refused("train", "--profile", "maybe").startswith("argument --profile: invalid choice: 'maybe'")


def test_prepare_takes_a_format_and_passes_it_on(tmp_path: Path) -> None:
    assert parse_arguments("prepare", []).options.format == "parquet"
    sent = parse_arguments("prepare", ["--format", "tfrecord"])
    assert parse_arguments("prepare", job_options(sent, tmp_path)).options.format == "tfrecord"
    assert not [word for word in job_options(parse_arguments("train", []), tmp_path) if word.startswith("--format")]
    message = "argument --format: invalid choice: 'x' (choose from 'parquet', 'tfrecord'): see howdah prepare --help"
    assert refused("prepare", "--format", "x") == message
    assert refused("train", "--format", "tfrecord").startswith("unknown option --format")


def test_an_unknown_option_behind_two_dashes_is_sparks_affair() -> None:
    assert parse_arguments("train", ["--", "--zzzz"]).spark_options == ("--zzzz",)


def test_options_are_not_to_be_abbreviated() -> None:
    assert refused("train", "--out", "x").startswith("unknown option --out")


@pytest.mark.parametrize("job", ["train", "prepare"])
def test_settings_travel_in_one_argument(job: str, own: str) -> None:
    sent = parse_arguments(job, ["--config", own, "--set", "recommend.user_id='7'", "--workers", "4"])
    arrived = parse_arguments(job, ["--resolved", resolved(sent), "--profile", "off"])
    assert arrived.config == sent.config
    assert arrived.given == sent.given
    assert (arrived.config.recommend.user_id, arrived.master) == ("7", f"local[{min(4, cores())}]")


def test_prepared_data_is_for_train_and_recommend_alone() -> None:
    assert parse_arguments("train", ["--prepared", "d"]).options.prepared == "d"
    assert refused("prepare", "--prepared", "d").startswith("unknown option --prepared")


def recommend(*argv: str) -> Arguments:
    return parse_arguments("recommend", ["--model", "run", *argv])


def test_recommend_takes_a_user_or_ratings() -> None:
    assert recommend("--user", "42").options.user == "42"
    ratings = recommend("--ratings", "Heat=4, Casino=3.5", "--top", "3")
    assert (ratings.options.ratings, ratings.options.top) == ("Heat=4, Casino=3.5", 3)
    assert recommend("--user", "42").options.top == 10


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--user", "42"], "--model is needed"),
        (["--model", "run"], "--user ID, --ratings 'Movie title=4.5, ...' or --all is needed, and only one of them"),
        (
            ["--model", "run", "--user", "42", "--ratings", "Heat=4"],
            "--user ID, --ratings 'Movie title=4.5, ...' or --all is needed",
        ),
        (["--model", "run", "--user", "42", "--top", "0"], "argument --top: '0': expected a whole number from 1"),
        (["--model", "run", "--user", "42", "--workers", "2"], "--workers goes with --all"),
        (["--model", "run", "--all"], "--all needs --output"),
        (["--model", "run", "--all", "--user", "42"], "--user ID, --ratings 'Movie title=4.5, ...' or --all is needed"),
        (["--model", "run", "--user", "42", "--set", "seed=1"], "unknown option --set"),
    ],
)
def test_recommend_refuses_what_does_not_fit_together(argv: list[str], message: str) -> None:
    assert refused("recommend", *argv).startswith(message)


def test_jobs_are_the_files_without_an_underscore_and_say_what_they_do(tmp_path: Path) -> None:
    (tmp_path / "beta.py").write_text('"""Does beta.\n\nAt length."""\n')
    (tmp_path / "alpha.py").write_text('"""Does alpha."""\n')
    (tmp_path / "_helper.py").write_text('"""No job."""\n')
    assert jobs(tmp_path) == {"alpha": "Does alpha.", "beta": "Does beta."}
    shipped = jobs()
    assert {"train", "prepare"} <= shipped.keys()
    assert all(shipped.values())


def test_help_lists_every_option_and_every_setting() -> None:
    text = job_parser("train").format_help()
    for option in ("--config", "--set", "--workers", "--master", "--spark-conf", "--profile", "--output", "--prepared"):
        assert option in text
    assert "model.hidden  (list of int, default [150, 25, 150], units)" in text
    assert "--resolved" not in text


def test_an_error_goes_to_the_screen_with_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(UserError("one line")) == 2
    assert fail(ConfigError("a\nb")) == 2
    assert capsys.readouterr().err == "howdah: one line\nhowdah: settings:\na\nb\n"


def stopped_run(folder: Path, status: str | None = "failed") -> Path:
    config = build_config({"name": "mine", "training": {"workers": 3, "epochs": 7}, "model": {"hidden": [9, 4]}})
    write_config(config, folder / "config.toml")
    if status:
        (folder / "run.json").write_text(json.dumps({"status": status}))
    return folder


@pytest.mark.parametrize("status", ["failed", None])  # None: even the launcher was killed
def test_a_stopped_run_goes_on_with_its_settings(tmp_path: Path, status: str | None) -> None:
    run = stopped_run(tmp_path, status)
    given = ["--resume", str(run), "--set", "training.epochs=7", "--workers", "3", "--set", "model.hidden=[9,4]"]
    for argv in (given[:2], given):
        arguments = parse_arguments("train", argv)
        assert (arguments.config.name, arguments.config.training.epochs, arguments.master) == (
            "mine",
            7,
            f"local[{min(3, cores())}]",
        )
        assert run_directory_given(arguments) == run.resolve()
    more = parse_arguments("train", [*given[:2], "--set", "spark.driver.memory=4g"])
    assert more.config.spark == {"spark.driver.memory": "4g"}


def test_a_run_that_its_time_limit_stopped_goes_on_with_another_limit(tmp_path: Path) -> None:
    given = ["--resume", str(stopped_run(tmp_path, "stopped"))]
    assert parse_arguments("train", given).config.training.max_seconds == 0
    limited = parse_arguments("train", [*given, "--set", "training.max_seconds=60"]).config.training
    assert (limited.max_seconds, limited.workers, limited.epochs) == (60, 3, 7)
    with pytest.raises(UserError, match=r"training\.max_seconds"):
        parse_arguments("train", [*given, "--set", "training.max_seconds=-1"])
    with pytest.raises(UserError, match=r"has training\.epochs = 7, not 8"):
        parse_arguments("train", [*given, "--set", "training.max_seconds=60", "--set", "training.epochs=8"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--set", "training.epochs=8"], "this run has training.epochs = 7, not 8: leave training.epochs out, or"),
        (["--workers", "2"], "this run has training.workers = 3, not 2"),
        (["--set", "model.hidden=[9]"], "this run has model.hidden = (9, 4), not [9]"),
        (["--set", "data.year_from=1950"], "this run has data.year_from = None, not 1950"),
        (["--output", "elsewhere"], "--resume continues in the run's own directory: leave --output out"),
    ],
)
def test_a_stopped_run_does_not_go_on_with_other_settings(tmp_path: Path, more: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_arguments("train", ["--resume", str(stopped_run(tmp_path)), *more])
    assert message in str(caught.value)


def test_only_a_stopped_run_goes_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no run directory of train \(config\.toml is missing\)"):
        parse_arguments("train", ["--resume", str(tmp_path)])
    with pytest.raises(UserError, match="has succeeded: nothing is left to do"):
        parse_arguments("train", ["--resume", str(stopped_run(tmp_path, "succeeded"))])


def test_a_stopped_run_finds_its_data_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, place = stopped_run(tmp_path), tmp_path / "where it was"
    (place / "data").mkdir(parents=True)
    own = {"ratings": "data/*.csv", "movies": "hdfs:/m.csv", "data_dir": "only/on/hdfs"}
    write_config(build_config({"name": "mine", "data": own}), run / "config.toml")
    (run / "environment.json").write_text(json.dumps({"directory": str(place), "prepared": "prepared"}))
    for ratings in ("data/*.csv", str(place / "data/*.csv")):  # as it was given first, and as it reads now
        arguments = parse_arguments("train", ["--resume", str(run), "--set", f"data.ratings={ratings}"])
        assert arguments.config.data.ratings == str(place / "data/*.csv")
    assert (arguments.config.data.movies, arguments.config.data.data_dir) == ("hdfs:/m.csv", "only/on/hdfs")
    assert arguments.options.prepared == str(place / "prepared")
    monkeypatch.chdir(place)
    assert parse_arguments("train", ["--resume", str(run)]).config.data.ratings == "data/*.csv"
    other = parse_arguments("train", ["--resume", str(run), "--prepared", "elsewhere"])
    assert other.options.prepared == "elsewhere"


@pytest.mark.parametrize("name", ["run.json", "environment.json"])
@pytest.mark.parametrize("text", ["", '{"status": "succ', "[1, 2]", "\xff\x00"])
def test_what_was_cut_off_as_it_was_written_does_not_keep_a_run_from_going_on(
    tmp_path: Path, name: str, text: str
) -> None:
    run = stopped_run(tmp_path)
    (run / name).write_bytes(text.encode("latin-1"))
    assert parse_arguments("train", ["--resume", str(run)]).config.name == "mine"
