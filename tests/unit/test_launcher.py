"""./spark-submit.sh as far as Spark: what it says, what it refuses, and what spark-submit gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fake_java import EXIT_CODE, ROOT, FakeJava, copy_checkout, path_without_java, run, value_of

from recsys.config.keys import keys_of
from spark_jobs.launcher.arguments import cores
from spark_jobs.launcher.java import find_java, java_version


def test_help_lists_jobs_and_experiments(java, cwd):
    told = java.launch("--help", cwd=cwd)
    assert told.returncode == 0 and told.stderr == ""
    assert "  prepare     Turn ratings and movies into blocks of rating arrays" in told.stdout
    assert "  recommend   Recommend movies with a trained model" in told.stdout
    assert "  compare     Run train once for each number of workers" in told.stdout
    assert "  train       Train an autoencoder" in told.stdout
    assert "paper-1950-1960, paper-1950-1970, paper-1950-1980, quickstart" in told.stdout
    assert not java.started and not list(cwd.iterdir())


@pytest.mark.parametrize("job", ["train", "prepare"])
def test_help_of_a_job_lists_its_options_and_every_setting(java, cwd, job):
    told = java.launch(job, "--help", cwd=cwd)
    assert told.returncode == 0 and not java.started
    for option in ("--config FILE", "--set KEY=VALUE", "--workers N", "--master URL", "--spark-conf FILE", "--output"):
        assert option in told.stdout
    # type, default and unit, written out by hand for one key of each kind
    assert "  training.batch_size  (int, default 64, users)" in told.stdout
    assert "  data.max_rejected  (float, default 0.01, fraction of rows)" in told.stdout
    assert "  model.hidden  (list of int, default [150, 25, 150], units)" in told.stdout
    assert '  training.strategy  (local_sgd | elephas | gradient_sum, default "local_sgd")' in told.stdout
    assert "  data.year_from  (int, year)" in told.stdout
    lines = told.stdout.splitlines()
    for key, *_, text in keys_of():
        assert text
        same = sum(other == key for other, *_ in keys_of())  # families may each have a key of that name
        assert sum(line.startswith(f"  {key}  (") for line in lines) == same, key


def test_comparing_launches_each_run_with_its_workers(java, cwd):
    failed = java.launch("compare", "--workers", "1", "--output", "out", cwd=cwd)
    # the data are fetched first, which this Java cannot do
    assert failed.returncode == EXIT_CODE
    assert java.submitted[-4] == str(ROOT / "spark_jobs" / "fetch.py")
    assert java.submitted[-1] == f"--output={cwd / 'out' / 'fetch' / 'fetch-0'}"
    assert f'"data_dir": "{cwd / "out" / "data"}"' in java.submitted[-2]
    assert [path.name for path in cwd.iterdir()] == ["out"]


def test_help_of_compare_lists_its_own_options(java, cwd):
    told = java.launch("compare", "--help", cwd=cwd)
    assert told.returncode == 0 and not java.started
    for option in ("--workers N [N ...]", "--repeat N", "--grid KEY=V1,V2", "--retry", "--output DIR", "--master URL"):
        assert option in told.stdout
    assert "  cost.core_hour  (float, default 0.04)" in told.stdout


def test_help_of_recommend_lists_its_own_options(java, cwd):
    told = java.launch("recommend", "--help", cwd=cwd)
    assert told.returncode == 0
    for option in ("--model DIR", "--user ID", "--ratings TEXT", "--top N", "--prepared DIR", "--output DIR"):
        assert option in told.stdout
    assert "training.batch_size" not in told.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "unknown job 'trian': did you mean train?"),
        (["fly"], "unknown job 'fly': there are compare, evaluate, fetch, prepare, recommend, train"),
        (["train", "--wrokers", "2"], "unknown option --wrokers: did you mean --workers?"),
        (["train", "--num-executors", "2"], "unknown option --num-executors: see"),
        (["train", "--workers", "none"], "'none': expected a whole number from 1"),
        (["train", "--profile", "maybe"], "invalid choice: 'maybe'"),
        (["train", "--set", "model.hiden=[3]"], "unknown key model.hiden: did you mean model.hidden?"),
        (["train", "--set", "training.epochs=many"], "training.epochs = 'many': "),
        (["train", "--set", "data.dataset=ml-2m"], "data.dataset = 'ml-2m': expected synthetic,"),
        (["train", "--set", "data.year_from=1970", "--set", "data.year_to=1960"], "year_from = 1970 is after"),
        (["train", "--set", "epochs"], "--set 'epochs': expected key=value"),
        (["train", "--config", "quickstrat"], "no experiment 'quickstrat': did you mean quickstart?"),
        (["train", "--config", "./absent.toml"], "./absent.toml: no such settings file"),
        (["train", "--spark-conf", "absent.conf"], "--spark-conf absent.conf: no such file"),
        (["compare", "--grid", "data.yeer_to=1,2"], "unknown key data.yeer_to: did you mean data.year_to?"),
        (["compare", "--spark-conf", "absent.conf"], "--spark-conf absent.conf: no such file"),
        (["recommend", "--user", "1"], "--model is needed"),
        (["recommend", "--model", "m"], "or --all is needed, and only one of them"),
        (
            ["recommend", "--model", "m", "--user", "1", "--ratings", "A=1"],
            "or --all is needed, and only one of them",
        ),
        (["recommend", "--model", "m", "--prepared", "p", "--ratings", "A=1"], "--prepared goes with --user"),
    ],
)
def test_a_mistake_is_one_line_and_starts_nothing(java, cwd, arguments, said):
    refused = java.launch(*arguments, cwd=cwd)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr.startswith("howdah: ") and refused.stderr.count("\n") == 1
    assert said in refused.stderr
    assert not java.started and not list(cwd.iterdir())


def test_all_mistakes_come_in_one_message(java, cwd):
    settings = ("data.sed=3", "model.loss=mean", "training.workers=0", "evaluation.ndcg_at=2.5")
    refused = java.launch("train", *(word for one in settings for word in ("--set", one)), cwd=cwd)
    assert refused.returncode == 2
    for said in ("data.sed: did you mean data.seed?", "model.loss = 'mean'", "training.workers = 0", "ndcg_at = 2.5"):
        assert said in refused.stderr
    assert not java.started


def test_without_java_one_line_says_what_to_do(cwd, tmp_path):
    if (ROOT / ".venv" / "java").exists():
        pytest.skip("this checkout has a Java of its own")
    environment = {key: value for key, value in os.environ.items() if key != "JAVA_HOME"}
    environment["PATH"] = path_without_java(tmp_path)
    refused = run(ROOT / "spark-submit.sh", "train", cwd=cwd, environment=environment)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert (
        "Java 17 or 21 is needed and neither is installed: set JAVA_HOME, or run './spark-submit.sh" in refused.stderr
    )
    assert "--install-java" in refused.stderr
    assert not list(cwd.iterdir())


def test_a_java_of_another_version_is_named(cwd, tmp_path):
    if (ROOT / ".venv" / "java").exists():
        pytest.skip("this checkout has a Java of its own")
    java = FakeJava(tmp_path / "fake", "11.0.2")
    environment = {**os.environ, "PATH": path_without_java(tmp_path), "JAVA_HOME": str(java.home)}
    refused = run(ROOT / "spark-submit.sh", "train", cwd=cwd, environment=environment)
    assert refused.returncode == 2
    assert f"neither is installed ({java.home} is Java 11)" in refused.stderr
    assert not java.started


@pytest.mark.parametrize(("text", "major"), [("17.0.15", 17), ("21", 21), ("1.8.0_392", 8), ("25.0.1", 25)])
def test_java_versions_are_read_from_the_release_file(tmp_path, text, major):
    assert java_version(FakeJava(tmp_path, text).home) == major


def test_a_java_without_a_release_file_is_asked(tmp_path):
    java = FakeJava(tmp_path)
    (java.home / "release").unlink()
    (java.home / "bin" / "java").write_text("#!/bin/sh\necho 'openjdk version \"21.0.2\" 2024-01-16' >&2\n")
    assert java_version(java.home) == 21


def test_java_home_comes_before_path_and_the_projects_own_last(tmp_path, monkeypatch):
    first, second, own = (FakeJava(tmp_path / name) for name in ("first", "second", "own"))
    monkeypatch.setenv("JAVA_HOME", str(first.home))
    monkeypatch.setenv("PATH", str(second.home / "bin"))
    assert find_java(tmp_path / "own") == first.home
    (first.home / "release").write_text('JAVA_VERSION="11"\n')
    assert find_java(tmp_path / "own") == second.home
    (second.home / "release").write_text('JAVA_VERSION="25"\n')
    assert find_java(tmp_path / "own") == own.home


def test_the_default_is_train_with_quickstart(java, cwd):
    started = java.launch(cwd=cwd)
    assert started.returncode == EXIT_CODE
    assert java.submitted[-4] == str(ROOT / "spark_jobs" / "train.py")
    assert value_of(java.submitted, "--master") == f"local[{min(2, cores())}]"
    assert value_of(java.submitted, "--properties-file") == str(ROOT / "conf/spark/local.conf")
    assert '"name": "quickstart"' in java.submitted[-2]
    (run_directory,) = (cwd / "runs").iterdir()
    assert run_directory.name.startswith("quickstart-")
    assert java.submitted[-1] == f"--output={run_directory}"


def test_what_follows_the_dashes_reaches_spark_submit_untouched(java, cwd):
    own = ["--conf", "spark.x=a b  c", "--jars", "$HOME/*.jar", "--", "--set", 'quote " and \\ and \n']
    java.launch("prepare", "--workers", "3", "--", *own, cwd=cwd)
    script = java.submitted.index(str(ROOT / "spark_jobs" / "prepare.py"))
    assert java.submitted[script - len(own) : script] == own
    assert value_of(java.submitted, "--master") == f"local[{min(3, cores())}]"


def test_nothing_of_the_callers_environment_reaches_the_jobs_imports(java, cwd, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(cwd))
    (cwd / "recsys.py").write_text("raise SystemExit('the wrong recsys')\n")
    (cwd / "psutil.py").write_text("raise SystemExit('the wrong psutil')\n")
    assert java.launch("train", cwd=cwd).returncode == EXIT_CODE
    assert "PYTHONPATH" not in java.environment
    assert java.environment["PYSPARK_PYTHON"] == str(ROOT / ".venv" / "bin" / "python")


def test_it_works_from_a_checkout_with_blanks_in_its_path_and_through_a_link(java, cwd):
    copy = copy_checkout(cwd / "check out")
    (cwd / "link").symlink_to(copy / "spark-submit.sh")
    assert java.launch("prepare", cwd=cwd, root=copy).returncode == EXIT_CODE
    assert java.submitted[-5] == str(copy / "spark_jobs" / "prepare.py")
    assert Path(value_of(java.submitted, "--py-files")).is_file()
    assert run(cwd / "link", "--help", cwd=Path("/")).stdout == java.launch("--help", cwd=cwd).stdout


def test_a_directory_that_is_not_empty_is_refused(java, cwd):
    (cwd / "out").mkdir()
    assert java.launch("train", "--output", "out", cwd=cwd).returncode == EXIT_CODE  # empty: taken
    refused = java.launch("train", "--output", "out", cwd=cwd)
    assert refused.returncode == 2
    assert f"--output {cwd / 'out'}: is not empty: name a new directory" in refused.stderr


def test_a_cache_that_cannot_be_written_is_one_line(java, cwd):
    copy = copy_checkout(cwd / "copy")
    (copy / ".venv").unlink()
    (copy / ".venv" / "cache").mkdir(parents=True)
    for one in (ROOT / ".venv").iterdir():
        if one.name != "cache":
            (copy / ".venv" / one.name).symlink_to(one)
    (copy / ".venv" / "cache" / "packages").touch()  # where a folder is to be
    refused = java.launch("train", "--output", "out", cwd=cwd, root=copy)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1 and "cache/packages: File exists: correct that" in refused.stderr


def test_a_job_that_could_not_say_so_is_noted_as_failed(java, cwd):
    java.launch("train", "--output", "out", cwd=cwd)
    text = (cwd / "out" / "run.json").read_text()
    assert '"status": "failed"' in text and f"exit code {EXIT_CODE}" in text
    assert sorted(path.name for path in (cwd / "out").iterdir()) == ["resources", "run.json", "spark.log"]


def test_recommending_to_someone_new_needs_neither_java_nor_spark(java, cwd):
    refused = java.launch("recommend", "--model", "absent", "--ratings", "A=1", cwd=cwd)
    assert refused.returncode == 2
    assert "absent: no saved model" in refused.stdout + refused.stderr
    assert not java.started and not list(cwd.iterdir())


@pytest.mark.parametrize(("chosen", "ours"), [("-Xss4m", True), ("-Xss4m -XX:+UseSerialGC", False)])
def test_a_collector_is_named_unless_the_environment_has_one(java, cwd, monkeypatch, chosen, ours):
    """Java refuses to start with two."""
    monkeypatch.setenv("JDK_JAVA_OPTIONS", chosen)
    java.launch("prepare", cwd=cwd)
    assert ("-XX:+UseParallelGC" in value_of(java.submitted, "--driver-java-options")) is ours


@pytest.mark.parametrize(("chosen", "ours"), [("-Xss4m", True), ("-XX:TieredStopAtLevel=4", False)])
def test_the_compiler_is_the_quick_one_unless_the_environment_chooses(java, cwd, monkeypatch, chosen, ours):
    monkeypatch.setenv("JDK_JAVA_OPTIONS", chosen)
    java.launch("prepare", cwd=cwd)
    assert ("-XX:TieredStopAtLevel=1" in value_of(java.submitted, "--driver-java-options")) is ours


@pytest.mark.parametrize(("given", "used"), [(None, "2"), ("8", "8")])
def test_memory_that_was_freed_is_kept_by_few_threads(java, cwd, monkeypatch, given, used):
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    if given:
        monkeypatch.setenv("MALLOC_ARENA_MAX", given)
    java.launch("prepare", cwd=cwd)
    assert java.environment["MALLOC_ARENA_MAX"] == used
