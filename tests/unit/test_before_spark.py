"""What is refused before Spark starts, by its reason: masters and executors' Pythons; and the reason in Spark's log."""

from __future__ import annotations

import os
import string
import sys
from pathlib import Path

import pytest
from environments import make_environment
from fake_java import FakeJava
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import UserError
from spark_jobs.launcher.arguments import parse_arguments
from spark_jobs.launcher.interpreter import check_executors_python, utf8_locale
from spark_jobs.launcher.masters import FORMS, check_master, manager_of
from spark_jobs.launcher.spark_log import cause_in


@pytest.mark.parametrize(
    ("master", "manager"),
    [
        ("local", "local"),
        ("local[4]", "local"),
        ("local[*]", "local"),
        ("local[2,3]", "local"),
        ("local[*,3]", "local"),
        ("local-cluster[2,1,1024]", "local"),
        ("spark://host:7077", "standalone"),
        ("spark://192.0.2.1:7077,192.0.2.2:7077", "standalone"),
        ("spark://[2001:db8::1]:7077", "standalone"),
        ("yarn", "yarn"),
        ("k8s://https://host:6443", "kubernetes"),
        ("k8s://host", "kubernetes"),
        ("k8s://https://host:6443/path", "kubernetes"),
    ],
)
def test_a_master_names_its_manager(master: str, manager: str) -> None:
    assert manager_of(master) == manager
    check_master(master, {"HADOOP_CONF_DIR": "/etc/hadoop"})


@pytest.mark.parametrize(
    "master",
    ["bad://x", "local[0]", "local[x]", "local[2", "local[-1]", "Local[2]", "locally", "local[2]x", "spark://host",
     "spark://:7077", "spark://host:7077,other", "spark:/host:7077", "yarn-client", "yarn://host", "k8s://", "k8s",
     "mesos://host:5050", "http://host", "", " local"],
)  # fmt: skip
def test_what_is_no_master_is_refused_with_the_forms(master: str) -> None:
    with pytest.raises(UserError) as refused:
        check_master(master, {})
    assert str(refused.value) == f"--master {master}: is no Spark master: write one of {FORMS}"


STARTS = {"local": "local", "standalone": "spark://", "yarn": "yarn", "kubernetes": "k8s://"}


@given(st.text(string.ascii_letters + string.digits + "[]*,:/.- \n", max_size=30) | st.from_regex("local.{0,9}"))
def test_any_text_is_a_master_or_is_refused(text: str) -> None:
    try:
        manager = manager_of(text)
    except UserError:
        return
    assert text.startswith(STARTS[manager]) and len(text.split()) == 1


def test_yarn_needs_its_configuration() -> None:
    with pytest.raises(UserError, match=r"--master yarn: set HADOOP_CONF_DIR"):
        check_master("yarn", {"HADOOP_CONF_DIR": ""})
    check_master("yarn", {"YARN_CONF_DIR": "/etc/hadoop"})


@pytest.mark.parametrize("job", ["prepare", "compare"])
def test_the_launcher_refuses_a_master_before_spark(java: FakeJava, cwd: Path, job: str) -> None:
    refused = java.launch(job, "--master", "bad://x", cwd=cwd)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert refused.stderr.startswith("howdah: --master bad://x: is no Spark master: write one of local[N], ")
    assert not java.started and not list(cwd.iterdir())


@pytest.mark.parametrize("words", [["--master", "local[2]"], ["--master=yarn"]])
def test_a_master_behind_the_dashes_is_refused(words: list[str]) -> None:
    with pytest.raises(UserError, match="--master after --: write it before --"):
        parse_arguments("prepare", ["--", *words])


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_the_python_of_this_environment_and_a_link_to_it_can_run_workers(tmp_path: Path) -> None:
    assert check_executors_python(sys.executable, "PYSPARK_PYTHON", False, os.environ) == sys.executable
    with_all = program(tmp_path / "python", f'exec "{sys.executable}" "$@"')
    assert check_executors_python(with_all, "PYSPARK_PYTHON", True, os.environ) == with_all
    on_path = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert check_executors_python(with_all, "PYSPARK_PYTHON", False, on_path) == with_all


def test_a_python_without_the_packages_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    bare = make_environment(tmp_path / "bare", ["numpy", "numpy.libs", "lazy_loader"])
    with pytest.raises(UserError) as refused:
        check_executors_python(str(bare), "PYSPARK_PYTHON", True, os.environ)
    told = str(refused.value)
    assert f"PYSPARK_PYTHON={bare}: has no pandas, pyarrow, pydantic, scipy, tensorflow, elephas: install" in told
    assert f"leave PYSPARK_PYTHON out: jobs then run with {sys.executable}" in told


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 3.9", "is Python 3.9, and the driver's is "),
        ("exit 1", "is no Python that starts"),
        ("true", "is no Python that starts"),
        (None, "no such program"),
    ],
)
def test_what_cannot_run_workers_is_named(tmp_path: Path, script: str | None, said: str) -> None:
    path = program(tmp_path / "python", script) if script else str(tmp_path / "absent")
    with pytest.raises(UserError, match=said) as refused:
        check_executors_python(path, "spark.pyspark.python", False, os.environ)
    assert str(refused.value).startswith(f"spark.pyspark.python={path}: ")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "PYSPARK_PYTHON=/absent/python"),
        (
            ["--set", "spark.spark.pyspark.python=/other", "--", "--conf", "spark.pyspark.python=./absent"],
            "spark.pyspark.python=./absent",
        ),
    ],
)
def test_the_launcher_looks_at_the_executors_python_where_it_is_here(java, cwd, monkeypatch, words, named):
    monkeypatch.setenv("PYSPARK_PYTHON", "/absent/python")
    refused = java.launch("prepare", *words, cwd=cwd)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"howdah: {named}: no such program: leave ") and refused.stderr.count("\n") == 1
    assert not java.started and not list(cwd.iterdir())


def test_the_python_of_other_machines_is_kept(java, cwd, monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", "/absent/python")
    monkeypatch.setenv("HADOOP_CONF_DIR", "/etc/hadoop")
    java.launch("prepare", "--master", "yarn", cwd=cwd)
    assert java.environment["PYSPARK_PYTHON"] == "/absent/python"


LOGS = {
    "Could not parse Master URL: 'local[x]'": """WARNING: Using incubator modules
26/11/29 16:17:12 WARN Utils: Set SPARK_LOCAL_IP if you need to bind to another address
Exception in thread "main" org.apache.spark.SparkException: Could not parse Master URL: 'local[x]'
	at org.apache.spark.deploy.SparkSubmit.error(SparkSubmit.scala:1045)
	at org.apache.spark.deploy.SparkSubmit.main(SparkSubmit.scala)
""",
    'java.io.IOException: Cannot run program "jupyter": error=2, No such file or directory': """WARNING: x
Exception in thread "main" java.io.IOException: Cannot run program "jupyter": error=2, No such file or directory
	at java.base/java.lang.ProcessBuilder.start(ProcessBuilder.java:1143)
Caused by: java.io.IOException: error=2, No such file or directory
""",
    "Unrecognized option: -Xbogus": """NOTE: Picked up JDK_JAVA_OPTIONS: -Xbogus
Unrecognized option: -Xbogus
Error: Could not create the Java Virtual Machine.
Error: A fatal exception has occurred. Program will exit.
spark-class: line 97: CMD: bad array subscript
""",
    "Too small maximum heap": """Error occurred during initialization of VM
Too small maximum heap
""",
    "Java gets no memory, lower spark.driver.memory: 'Not enough space'": (
        "OpenJDK 64-Bit Server VM warning: INFO: os::commit_memory(0x000075e6e7000000, 301989888000, 0) failed; "
        "error='Not enough space' (errno=12)\n"
    ),
    "Unrecognized option: --bogus": "Error: Unrecognized option: --bogus\n\nUsage: spark-submit [options]\n",
    "Failed to create directory /absent/blockmgr-31b6": """26/11/29 16:29:14 INFO SparkEnv: Registering
26/11/29 16:29:14 ERROR JavaUtils: Failed to create directory /absent/blockmgr-31b6
java.nio.file.NoSuchFileException: /absent
26/11/29 16:29:14 ERROR DiskBlockManager: Failed to create any local dir.
""",
    "All masters are unresponsive! Giving up.": """26/11/29 16:30:40 INFO Utils: x
26/11/29 16:30:40 ERROR Backend: Application has been killed. Reason: All masters are unresponsive! Giving up.
""",
}  # fmt: skip


@pytest.mark.parametrize("cause", LOGS)
def test_the_cause_is_in_the_log(tmp_path: Path, cause: str) -> None:
    (tmp_path / "spark.log").write_text(LOGS[cause])
    assert cause_in(tmp_path / "spark.log") == cause


def test_at_the_end_of_a_long_log_too(tmp_path: Path) -> None:
    filler = "26/11/29 16:30:40 INFO Utils: nothing\n" * 20_000
    (tmp_path / "spark.log").write_text(filler + "java.lang.OutOfMemoryError: Java heap space\n\tat x\n" + "\n" * 1000)
    assert cause_in(tmp_path / "spark.log") == "java.lang.OutOfMemoryError: Java heap space"


def test_a_log_of_a_job_that_ended_well_gives_no_cause(tmp_path: Path) -> None:
    text = "WARNING: Using incubator modules\n26/11/29 16:17:20 INFO SparkContext: Error handling is on\n"
    (tmp_path / "spark.log").write_text(text)
    assert cause_in(tmp_path / "spark.log") is None
    assert cause_in(tmp_path / "absent.log") is None


def test_a_locale_that_is_utf8_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("locale.nl_langinfo", lambda _: "UTF-8")
    assert utf8_locale() is None
    monkeypatch.setattr("locale.nl_langinfo", lambda _: "ISO-8859-1")
    name = utf8_locale()
    assert name is None or name.upper().replace("-", "").endswith("UTF8")
