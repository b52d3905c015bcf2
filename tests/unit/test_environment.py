"""The environment of jobs: the table of variables, what becomes of each, and what is said on the screen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fake_java import EXIT_CODE, ROOT, FakeJava, run, value_of
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.launcher.arguments import parse_arguments
from spark_jobs.launcher.environment import (
    CLEARED,
    KEPT,
    ON_CLUSTER,
    SET,
    TABLE,
    environment_page,
    not_used,
    settle,
    variable,
)
from spark_jobs.launcher.working_directory import with_absolute_paths

VALUES = {
    "PYTHONIOENCODING": "utf-8:replace", "PYSPARK_DRIVER_PYTHON": "/venv/bin/python", "SPARK_HOME": "/spark",
    "KERAS_HOME": "/k", "MPLCONFIGDIR": "/m", "NUMBA_CACHE_DIR": "/n",
}  # fmt: skip
NAMES = sorted({entry.name.replace("*", "ANYTHING") for entry in TABLE} | {"PATH", "http_proxy", "LD_LIBRARY_PATH"})


def test_the_page_is_that_of_the_table() -> None:
    page = ROOT / "docs" / "environment.md"
    remedy = "run: python -m spark_jobs.launcher.environment > docs/environment.md"
    assert page.read_text(encoding="utf-8") == environment_page(), remedy


def test_every_variable_of_the_table_can_be_reached_and_has_a_reason() -> None:
    for entry in TABLE:
        assert variable(entry.name.replace("*", "ANYTHING")) is entry
        assert entry.why and entry.use in (SET, CLEARED, KEPT, ON_CLUSTER)
        assert bool(entry.value) == (entry.use == SET)


@pytest.mark.slow
def test_what_pyspark_and_keras_read_is_in_the_table() -> None:
    """Their sources are looked through for names of variables; what their own tests and workers read is left out."""
    import importlib.util

    read = set()
    for package in ("pyspark", "keras"):
        spec = importlib.util.find_spec(package)
        assert spec is not None and spec.origin is not None
        for path in Path(spec.origin).parent.rglob("*.py"):
            if "tests" not in path.parts and "testing" not in path.parts:
                text = path.read_text(encoding="utf-8")
                read |= set(re.findall(r"environ(?:\.get)?[\[(]\s*[\"']([A-Z_0-9]{3,})", text))
    assert {"PYSPARK_PYTHON", "KERAS_BACKEND", "SPARK_REMOTE"} <= read
    of_workers = {name for name in read if name.startswith("PYTHON_")}  # Spark sets them for each worker
    of_torch = {"MASTER_ADDR", "MASTER_PORT", "RANK", "NODE_RANK", "WORLD_SIZE"}
    others = {"USER", "OLD_PYTHONSTARTUP", "KOALAS_USAGE_LOGGER", "PYARROW_IGNORE_TIMEZONE", "SKIP_APPLICATIONS_TESTS"}
    assert {name for name in read - of_workers - of_torch - others if variable(name) is None} == set()


@given(
    st.dictionaries(st.sampled_from(NAMES), st.text(st.characters(codec="ascii", exclude_characters="\0"))),
    st.booleans(),
)
def test_each_variable_is_set_cleared_or_kept(environment: dict[str, str], on_cluster: bool) -> None:
    after = dict(environment)
    lines = settle(after, VALUES, on_cluster)
    for name, before in environment.items():
        entry = variable(name)
        if entry is None or entry.use == KEPT or (entry.use == ON_CLUSTER and on_cluster):
            assert after[name] == before
        elif entry.use == SET:
            constant = not entry.value.startswith("<")
            assert after[name] == (entry.value if constant else VALUES.get(name, before))
        else:
            assert name not in after
    assert set(after) - set(environment) <= {entry.name for entry in TABLE if entry.use == SET}
    assert {"PYTHONUTF8": "1", "KERAS_BACKEND": "tensorflow", **VALUES}.items() <= after.items()
    assert settle(dict(after), VALUES, on_cluster) == []  # a job that is started by a job has nothing to say
    assert all(re.match(r"howdah: \w+(=|\s)", line) for line in lines)


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("KERAS_BACKEND", "torch", "howdah: KERAS_BACKEND=torch is not used: Keras runs on tensorflow"),
        (
            "PYSPARK_DRIVER_PYTHON",
            "jupyter",
            "PYSPARK_DRIVER_PYTHON=jupyter is not used: jobs run with /venv/bin/python",
        ),
        ("SPARK_HOME", "/opt/spark", "SPARK_HOME=/opt/spark is not used: jobs run with the Spark in /spark"),
        ("SPARK_REMOTE", "sc://host;token=hush", "howdah: SPARK_REMOTE is not used: "),
        ("PYTHONPATH", "/x", "PYTHONPATH=/x is not used: install"),
        ("PYTHONPATH", "y" * 200, f"PYTHONPATH={'y' * 80}... is not used"),
        ("HADOOP_CONF_DIR", "/etc/hadoop", "HADOOP_CONF_DIR=/etc/hadoop is not used: local[N] reads plain paths"),
        ("KERAS_BACKEND", "tensorflow", None),
        ("PYTHONPATH", "", None),
        ("PYTHONSTARTUP", "/x.py", None),
        ("OMP_NUM_THREADS", "3", None),
    ],
)
def test_what_is_not_used_is_said_in_one_line(name: str, value: str, line: str | None) -> None:
    lines = settle({name: value}, VALUES, on_cluster=False)
    assert len(lines) == (line is not None)
    assert line is None or line in lines[0]


def test_a_job_without_spark_says_nothing_of_spark() -> None:
    environment = {"SPARK_HOME": "/opt/spark", "KERAS_BACKEND": "jax"}
    (line,) = settle(environment, VALUES, on_cluster=False, spark=False)
    assert "KERAS_BACKEND=jax" in line
    assert environment["SPARK_HOME"] == "/spark"


def test_the_java_that_is_not_used_is_named() -> None:
    assert not_used("JAVA_HOME", "/java8", "/java17") == [
        "howdah: JAVA_HOME=/java8 is not used: jobs run with /java17",
    ]
    assert not_used("PATH", "a", "b") == []


STRAY = {
    "PYSPARK_DRIVER_PYTHON": "jupyter", "PYSPARK_DRIVER_PYTHON_OPTS": "notebook", "KERAS_BACKEND": "torch",
    "PYTHONOPTIMIZE": "2", "PYTHONSTARTUP": "/absent.py", "PYTHONINSPECT": "1", "PYTHONHOME": "/absent",
    "SPARK_HOME": "/absent", "SPARK_CONF_DIR": "/absent", "HADOOP_CONF_DIR": "/absent", "SPARK_REMOTE": "sc://absent",
    "TMPDIR": "/absent", "LC_ALL": "C", "SPARK_LOCAL_IP": "203.0.113.1",
}  # fmt: skip


def test_a_strangers_environment_does_not_reach_a_job(
    java: FakeJava, cwd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in STRAY.items():
        monkeypatch.setenv(name, value)
    ended = java.launch("train", "--output", "out-ü", cwd=cwd)
    assert ended.returncode == EXIT_CODE
    assert [path.name for path in cwd.iterdir()] == ["out-ü"]
    assert java.submitted[-1] == f"--output={cwd / 'out-ü'}"
    python = str(ROOT / ".venv" / "bin" / "python")
    expected = {
        "PYSPARK_DRIVER_PYTHON": python, "PYSPARK_PYTHON": python, "KERAS_BACKEND": "tensorflow", "PYTHONUTF8": "1",
        "SPARK_ENV_LOADED": "1",
        "SPARK_LOCAL_IP": "127.0.0.1", "TMPDIR": str(cwd / "out-ü" / "tmp"), "PYTHONIOENCODING": "utf-8:replace",
    }  # fmt: skip
    assert expected.items() <= java.environment.items()
    assert java.environment["LC_ALL"].upper().replace("-", "").endswith(".UTF8")
    assert java.environment["SPARK_HOME"].endswith("site-packages/pyspark")
    gone = set(STRAY) - set(expected) - {"LC_ALL", "SPARK_HOME", "SPARK_CONF_DIR"}
    assert gone & set(java.environment) == set()
    said = [line for line in ended.stderr.splitlines() if "is not used" in line]
    assert [line.split()[1].partition("=")[0] for line in said] == sorted(
        {"PYSPARK_DRIVER_PYTHON", "KERAS_BACKEND", "PYTHONOPTIMIZE", "SPARK_HOME", "HADOOP_CONF_DIR",
         "SPARK_REMOTE"}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--set", "data.ratings=hdfs://name/ratings.csv"], True),
        (["--set", "data.ratings=/r.csv", "--set", "data.movies=s3a://bucket/m.csv"], True),
        (["--set", "data.ratings=ratings.csv"], False),
        ([], False),
    ],
)
def test_an_address_on_another_file_system_needs_hadoops_configuration(words: list[str], named: bool) -> None:
    assert parse_arguments("prepare", words).names_other_file_system is named


def test_the_data_of_a_model_count_where_it_recommends(tmp_path: Path) -> None:
    words = ["--model", str(tmp_path), "--user", "1"]
    assert not parse_arguments("recommend", words).names_other_file_system
    (tmp_path / "config.toml").write_text('[data]\nratings = "hdfs://name/ratings.csv"\n')
    assert parse_arguments("recommend", words).names_other_file_system


def test_relative_paths_of_settings_hold_in_another_directory(cwd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cwd)
    words = ["data.ratings=r/*.csv", "data.movies=/m.csv", "data.data_dir=hdfs://name/data"]
    data = with_absolute_paths(parse_arguments("prepare", [w for one in words for w in ("--set", one)])).config.data
    assert (data.ratings, data.movies, data.data_dir) == (f"{cwd}/r/*.csv", "/m.csv", "hdfs://name/data")


def test_where_the_current_directory_cannot_be_written_spark_starts_in_another(java: FakeJava, cwd: Path) -> None:
    (cwd / "artifacts").touch()  # where Spark makes a folder
    (cwd / "ratings.csv").write_text("1,1,5\n")
    ended = java.launch("prepare", "--set", "data.ratings=ratings.csv", "--output", "out", cwd=cwd)
    assert ended.returncode == EXIT_CODE
    assert java.environment["PWD"] == str(cwd / "out" / "tmp" / "cwd")
    assert java.environment["HOWDAH_DIRECTORY"] == str(cwd)
    assert f'"ratings": "{cwd / "ratings.csv"}"' in java.submitted[-2]
    assert sorted(path.name for path in cwd.iterdir()) == ["artifacts", "out", "ratings.csv"]


def test_a_name_that_is_not_utf8_is_one_sentence(java: FakeJava, cwd: Path) -> None:
    command = [os.fsencode(ROOT / "spark-submit.sh"), b"train", b"--set", b"data.ratings=Caf\xe9.csv"]
    environment = {**os.environ, "JAVA_HOME": str(java.home), "RECORD": str(cwd / "record")}
    ended = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, timeout=60)
    assert ended.returncode == 2 and ended.stdout == b""
    assert ended.stderr.decode() == (
        "howdah: data.ratings=Caf\\xe9.csv: is not UTF-8, and Spark cannot open such names: rename it\n"
    )
    assert not list(cwd.iterdir())


@pytest.mark.parametrize("setting", ["data", "data/*.csv"])
def test_a_file_in_a_folder_whose_name_is_not_utf8_is_named(java: FakeJava, cwd: Path, setting: str) -> None:
    (cwd / "data").mkdir()
    Path(os.fsdecode(bytes(cwd / "data") + b"/Caf\xe9.csv")).touch()
    refused = java.launch("prepare", "--set", f"data.ratings={setting}", cwd=cwd)
    assert refused.returncode == 2 and not java.started
    assert f"data.ratings = '{setting}': the file name " in refused.stderr
    assert "Caf\\xe9.csv: is not UTF-8, and Spark cannot open such names: rename it\n" in refused.stderr


def test_a_deleted_current_directory_is_one_sentence(tmp_path: Path) -> None:
    command = ["sh", "-c", 'mkdir gone; cd gone; rmdir ../gone; exec "$0" -m spark_jobs prepare', sys.executable]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert ended.stderr == "howdah: the current directory has been deleted: change into another\n"


def test_a_java_that_does_not_start_is_said_with_its_reason(java: FakeJava, cwd: Path) -> None:
    (java.home / "bin" / "java").write_text(
        "#!/bin/sh\necho 'Unrecognized option: -Xbogus' >&2\n"
        "echo 'Error: Could not create the Java Virtual Machine.' >&2\nexit 1\n"
    )
    ended = java.launch("prepare", "--output", "out", cwd=cwd)
    assert ended.returncode == 1
    assert f"howdah: Spark ended: Unrecognized option: -Xbogus; Spark's own log: {cwd}/out/spark.log" in ended.stderr
    assert '"error": "Unrecognized option: -Xbogus"' in (cwd / "out" / "run.json").read_text()


def test_a_cluster_without_authentication_is_not_encrypted_either(java: FakeJava, cwd: Path) -> None:
    """Spark refuses to encrypt without it, and conf/spark/standalone.conf has both on."""
    words = ("--master", "spark://host:7077", "--", "--conf", "spark.authenticate=false")
    java.launch("prepare", *words, cwd=cwd)
    assert "spark.network.crypto.enabled=false" in java.submitted
    assert value_of(java.submitted, "--master") == "spark://host:7077"


def test_python_starts_anew_without_what_it_read_at_its_start(tmp_path: Path) -> None:
    code = (
        "import sys; from spark_jobs.launcher.interpreter import restart_if_needed; restart_if_needed(); "
        "print(sys.flags.optimize, sys.flags.utf8_mode)"
    )
    environment = {**os.environ, "PYTHONOPTIMIZE": "2"}
    assert run(sys.executable, "-c", code, cwd=ROOT, environment=environment).stdout == "0 1\n"
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONOPTIMIZE", "PYTHONUTF8")}
    assert run(sys.executable, "-O", "-c", code, cwd=ROOT, environment=environment).stdout == "1 0\n"
