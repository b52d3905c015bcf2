"""What the driver imports ahead of its use, and from where it takes PySpark."""

import subprocess
import sys
from pathlib import Path

import pytest

from recsys.config.load import load_config
from recsys.howdah_daemon import prefer_compiled_pyspark
from spark_jobs.run.imports import PICTURES, import_ahead, needed_by


@pytest.fixture
def installed(tmp_path) -> Path:
    """A folder of packages with pyspark, in it the archives of Spark's own Python sources."""
    archives = tmp_path / "packages" / "pyspark" / "python" / "lib"
    archives.mkdir(parents=True)
    (tmp_path / "packages" / "pyspark" / "__init__.py").touch()
    for name in ("pyspark.zip", "py4j-src.zip"):
        (archives / name).touch()
    return tmp_path / "packages"


def test_the_archives_of_the_installed_pyspark_come_last(installed):
    archives = installed / "pyspark" / "python" / "lib"
    path = ["job", "job.zip", str(archives / "pyspark.zip"), str(archives / "py4j-src.zip"), "lib", str(installed)]
    prefer_compiled_pyspark(path)
    assert path == [
        "job",
        "job.zip",
        "lib",
        str(installed),
        *map(str, (archives / "pyspark.zip", archives / "py4j-src.zip")),
    ]


def test_another_sparks_archive_stays_first(installed, tmp_path):
    other = str(tmp_path / "spark" / "python" / "lib" / "pyspark.zip")
    path = [other, str(installed)]
    prefer_compiled_pyspark(path)
    assert path == [other, str(installed)]


def test_an_archive_stays_where_no_package_is_installed(installed):
    path = [str(installed / "pyspark" / "python" / "lib" / "pyspark.zip"), "lib"]
    prefer_compiled_pyspark(path)
    assert path[1] == "lib"


def test_what_cannot_be_imported_is_left_to_whoever_needs_it():
    sys.modules.pop("wave", None)
    import_ahead(["no_such_module", "wave"]).join()
    assert "wave" in sys.modules


def test_python_ends_after_the_imports():
    code = (
        "import sys; from spark_jobs.run.imports import import_ahead\n"
        "import_ahead(['recsys.tensorflow_env']); sys.exit(3)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (3, "")


def test_keras_is_imported_by_one_thread_while_others_wait():
    code = (
        "from spark_jobs.run.imports import import_ahead\n"
        "from recsys.tensorflow_env import quiet_keras\n"
        "import_ahead(['recsys.tensorflow_env'])\n"
        "print(quiet_keras().Sequential.__name__)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "Sequential\n"


@pytest.mark.parametrize(
    ("job", "kind", "keras"),
    [("train", "dae", True), ("train", "sum", True), ("train", "als", False), ("prepare", "dae", False)],
)
def test_keras_is_for_training_a_model_that_is_saved_in_it(job, kind, keras):
    config = load_config([{"model": {"kind": kind}}])
    assert ("recsys.tensorflow_env" in needed_by(job, config, True)) is keras


def test_pictures_are_for_runs_that_have_a_report():
    config = load_config()
    assert not set(PICTURES) & set(needed_by("train", config, False))
    assert set(PICTURES) <= set(needed_by("train", config, True))
