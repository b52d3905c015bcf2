"""Spark's properties as the launcher hands them on: those of the master, the user's own, and a cluster's secret."""

from __future__ import annotations

import os

import pytest
from fake_java import EXIT_CODE, ROOT, value_of


@pytest.fixture
def secret(cwd, monkeypatch):
    (cwd.parent / "secret").write_text("hush\n")
    monkeypatch.setenv("HOWDAH_SPARK_SECRET_FILE", str(cwd.parent / "secret"))


def test_a_clusters_secret_is_in_no_command_line_and_nothing_of_it_stays(java, cwd, secret):
    java.launch("prepare", "--master", "spark://host:7077", "--output", "out", cwd=cwd)
    assert "\nspark.authenticate.secret hush\n" in java.properties.read_text()
    assert java.properties.stat().st_mode & 0o077 == 0
    assert not any("hush" in word for word in java.submitted)
    assert not any("hush" in line for line in java.environment.values())
    assert not any(b"hush" in path.read_bytes() for path in (cwd / "out").rglob("*") if path.is_file())


def test_a_secret_among_the_settings_is_in_no_command_line_either(java, cwd):
    (cwd / "own.toml").write_text('[spark]\n"spark.hadoop.fs.s3a.secret.key" = "hush"\n"spark.cores.max" = 2\n')
    java.launch("prepare", "--config", "./own.toml", "--output", "out", cwd=cwd)
    assert "\nspark.hadoop.fs.s3a.secret.key hush\n" in java.properties.read_text()
    assert java.properties.stat().st_mode & 0o077 == 0
    assert "spark.cores.max=2" in java.submitted
    assert not any("hush" in word for word in java.submitted)
    assert not any(b"hush" in path.read_bytes() for path in (cwd / "out").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("arguments", "file", "code"),
    [
        ([], None, 2),
        ([], "absent", 2),
        (["--", "--conf", "spark.authenticate=false"], None, EXIT_CODE),
        (["--set", "spark.spark.authenticate.secret=x"], None, EXIT_CODE),
        (["--spark-conf", "own.conf"], None, EXIT_CODE),
    ],
)
def test_without_the_secret_a_cluster_is_refused_unless_it_has_none(java, cwd, monkeypatch, arguments, file, code):
    monkeypatch.delenv("HOWDAH_SPARK_SECRET_FILE", raising=False)
    if file:
        monkeypatch.setenv("HOWDAH_SPARK_SECRET_FILE", file)
    (cwd / "own.conf").write_text("spark.driver.memory 3g\n")
    ended = java.launch("prepare", "--master", "spark://host:7077", *arguments, cwd=cwd)
    assert ended.returncode == code
    if code == 2:
        assert ended.stderr.startswith("howdah: ") and ended.stderr.count("\n") == 1
        assert "HOWDAH_SPARK_SECRET_FILE" in ended.stderr


@pytest.mark.parametrize(
    ("master", "place", "executors"),
    [
        ("local[2]", "local", None),
        ("spark://host:7077", "standalone", "spark.cores.max=4"),
        ("yarn", "yarn", "spark.executor.instances=4"),
        ("k8s://https://host:6443", "kubernetes", "spark.executor.instances=4"),
    ],
)
def test_properties_fit_the_master(java, cwd, monkeypatch, master, place, executors, secret):
    monkeypatch.setenv("HADOOP_CONF_DIR", "/etc/hadoop/conf")
    java.launch("train", "--master", master, "--workers", "4", cwd=cwd)
    assert value_of(java.submitted, "--master") == master
    shipped = (ROOT / "conf" / "spark" / f"{place}.conf").read_text()
    assert java.properties.read_text().startswith(shipped)
    assert ("hush" in java.properties.read_text()) == (place == "standalone")
    assert [word for word in java.submitted if "executor.instances" in word or "cores.max" in word] == (
        [executors] if executors else []
    )
    # executors on other machines must reach the driver
    assert ("SPARK_LOCAL_IP" in java.environment) == (place == "local" or "SPARK_LOCAL_IP" in os.environ)


def test_the_executors_python_is_not_the_drivers(java, cwd, monkeypatch):
    monkeypatch.delenv("PYSPARK_DRIVER_PYTHON", raising=False)
    java.launch(
        "prepare", "--", "--archives", "e.tar.gz#env", "--conf", "spark.pyspark.python=./env/bin/python", cwd=cwd
    )
    assert f"spark.pyspark.driver.python={ROOT / '.venv' / 'bin' / 'python'}" in java.submitted
    assert "spark.pyspark.python=./env/bin/python" in java.submitted


def test_own_properties_and_the_settings_spark_table_are_passed_on(java, cwd):
    (cwd / "my.conf").write_text("spark.driver.memory 3g\n")
    settings = ("spark.spark.executor.memory=5g", "spark.spark.shuffle.compress=false")
    java.launch("train", "--spark-conf", "my.conf", *(w for one in settings for w in ("--set", one)), cwd=cwd)
    assert value_of(java.submitted, "--properties-file") == str(cwd / "my.conf")
    assert "spark.executor.memory=5g" in java.submitted
    assert "spark.shuffle.compress=false" in java.submitted
