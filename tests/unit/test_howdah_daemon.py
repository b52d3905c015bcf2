"""The file that forks Spark's Python workers: what it imports before, and that it says nothing where Spark listens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "recsys" / "howdah_daemon.py"
NOISY = "import os, sys\nprint('to print')\nos.write(1, b'to descriptor 1')\nos.write(2, b'to descriptor 2')\n"


def run_alone(folder: Path, code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Python without this project, in a folder with the daemon's file, as it is on an executor."""
    (folder / FILE.name).write_bytes(FILE.read_bytes())
    command = [sys.executable, *options, "-c", f"import howdah_daemon, os, sys, threading\n{code}"]
    return subprocess.run(
        command, cwd=folder, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True, timeout=120
    )


def test_a_list_of_modules_may_have_blanks_and_gaps(tmp_path: Path) -> None:
    ended = run_alone(tmp_path, "print(howdah_daemon.named(' json, ,csv.x,'), howdah_daemon.named(''))")
    assert ended.stdout == "['json', 'csv.x'] []\n"


def test_what_cannot_be_imported_is_noted_and_the_rest_is_imported(tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text(NOISY)
    (tmp_path / "leaves.py").write_text("import sys\nprint('before')\nsys.exit('enough')\n")
    code = "missing = howdah_daemon.preload(['nowhere.module', 'noisy', 'leaves', 'tabnanny'])\n"
    code += "print(*missing, sep='\\n')\nprint('noisy' in sys.modules, 'tabnanny' in sys.modules, file=sys.stderr)"
    ended = run_alone(tmp_path, code)
    assert ended.stdout == (
        "howdah: nowhere.module is not preloaded: ModuleNotFoundError: No module named 'nowhere'\n"
        "howdah: leaves is not preloaded: SystemExit: enough\n"
    )
    assert ended.stderr == "True True\n"


def test_one_thread_unless_the_executor_says_otherwise(tmp_path: Path) -> None:
    code = "os.environ['OMP_NUM_THREADS'] = '3'\nhowdah_daemon.preload([])\n"
    code += "print(os.environ['OMP_NUM_THREADS'], os.environ['OPENBLAS_NUM_THREADS'])"
    assert run_alone(tmp_path, code).stdout == "3 1\n"


def test_young_garbage_is_collected_after_each_task_and_all_of_it_seldom(tmp_path: Path) -> None:
    code = "import gc, types\ndaemon, seen = types.SimpleNamespace(), []\n"
    code += "howdah_daemon.gc = types.SimpleNamespace(collect=lambda *generation: seen.append(generation))\n"
    code += "howdah_daemon.collect_seldom(daemon)\ndaemon.gc.collect()\n"
    code += "howdah_daemon._COLLECT_SECONDS = 0.0\ndaemon.gc.collect()\nprint(seen)"
    assert run_alone(tmp_path, code).stdout == "[(1,), ()]\n"


@pytest.mark.slow
def test_training_s_modules_are_imported_without_tensorflow_computing(tmp_path: Path) -> None:
    """A TensorFlow that has begun to compute has threads, and they do not live through a fork."""
    from recsys.workers import TENSORFLOW

    code = f"missing = howdah_daemon.preload(howdah_daemon.named({TENSORFLOW!r}))\n"
    code += "from tensorflow.python.eager import context\n"
    code += (
        "print(missing, context._context, 'keras' in sys.modules, 'elephas' in sys.modules, threading.active_count())"
    )
    ended = run_alone(tmp_path, code)
    assert ended.stdout == "[] None True True 1\n"
    assert ended.stderr == ""


def test_the_current_directory_comes_last(tmp_path: Path) -> None:
    """`python -m` puts it first, where it would hide shipped packages; a user's own modules there stay importable."""
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    code = """
path = ["", "/shipped.zip", os.getcwd(), "link", "/library"]
howdah_daemon.move_current_directory_last(path)
print(path)
other = ["/shipped.zip", "/library"]
howdah_daemon.move_current_directory_last(other)
print(other)
"""
    ended = run_alone(tmp_path, code)
    assert ended.stdout == "['/shipped.zip', '/library', '']\n['/shipped.zip', '/library']\n"


def test_a_python_that_does_not_start_on_an_executor_is_told_in_one_line() -> None:
    from spark_jobs.run.failure import first_line

    told = (  # as Spark 4.0 says it of an executor that has not got the file
        "An error occurred while calling z:org.apache.spark.api.python.PythonRDD.collectAndServe.\n"
        ": org.apache.spark.SparkException: Job aborted due to stage failure: Task 1 in stage 0.0 failed 4 times\n"
        "Error from python worker:\n  /venv/bin/python: No module named howdah_daemon\nPYTHONPATH was:\n  /spark.jar\n"
        "org.apache.spark.SparkException: EOFException occurred while reading the port number from its stdout.\n"
    )
    expected = "Python does not start on an executor: /venv/bin/python: No module named howdah_daemon"
    assert first_line(RuntimeError(told)) == expected


def test_an_archive_is_looked_through_again_only_where_it_has_changed(tmp_path: Path) -> None:
    code = """
import importlib, os, zipfile, zipimport
def pack(*names):
    with zipfile.ZipFile("new.zip", "w") as archive:
        for name in names:
            archive.writestr(f"{name}.py", "")
    os.replace("new.zip", "modules.zip")
pack("first")
sys.path.insert(0, os.path.abspath("modules.zip"))
import first
reads = []
original = zipimport._read_directory
zipimport._read_directory = lambda archive: reads.append(archive) or original(archive)
howdah_daemon.read_archives_once()
print(len(reads))
importlib.invalidate_caches(); importlib.invalidate_caches()
print(len(reads))
pack("first", "second")
importlib.invalidate_caches()
import second
print(len(reads))
os.remove("modules.zip")
importlib.invalidate_caches()
print(sorted(name for name in ("first", "second") if name in sys.modules))
"""
    assert run_alone(tmp_path, code).stdout == "1\n1\n2\n['first', 'second']\n"
