"""howdah as it is installed: in the clone's .venv, by a wheel into any environment, and without the extra `train`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from environments import install_howdah, make_environment, modules_of
from fake_java import EXIT_CODE, ROOT, FakeJava, value_of

from spark_jobs.launcher.installation import state_folder

EVERY_MODULE = """
import importlib, pkgutil, sys
import monitor, recsys
for module in pkgutil.walk_packages(monitor.__path__, "monitor."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(sorted({"pydantic", "scipy", "pandas", "pyarrow", "pyspark", "tensorflow"} & set(sys.modules)))
"""


def run(*words: str | Path, cwd: Path | str = "/", **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), **variables}
    command = [str(word) for word in words]
    return subprocess.run(
        command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )


def test_the_clone_is_installed_in_its_own_environment() -> None:
    ended = run(sys.executable, "-c", "import recsys, monitor, spark_jobs; print(recsys.__file__)")
    assert ended.stdout == f"{ROOT / 'recsys' / '__init__.py'}\n"
    assert run(Path(sys.executable).with_name("howdah"), "--help").stdout.startswith("usage: howdah [JOB]")
    assert "watch" in run(Path(sys.executable).with_name("howdah-monitor"), "--help").stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an environment that howdah is installed into."""
    folder = tmp_path_factory.mktemp("installed")
    make_environment(folder / "environment")
    install_howdah(folder / "environment", folder / "scratch")
    return folder / "environment"


@pytest.mark.slow
def test_an_installed_howdah_submits_its_own_files_from_any_directory(installed: Path, tmp_path: Path) -> None:
    java = FakeJava(tmp_path / "fake")
    variables = {"JAVA_HOME": str(java.home), "RECORD": str(tmp_path / "fake" / "record")}
    python, words = installed / "bin" / "python", ("-P",) if sys.version_info >= (3, 11) else ()
    cwd = tmp_path / "here"
    cwd.mkdir()
    launch = (python, *words, "-m", "spark_jobs", "train", "--config", "ml-1m", "--output", "out")
    assert run(*launch, cwd=cwd, **variables).returncode == EXIT_CODE
    packages = next(installed.glob("lib/python3.*/site-packages/spark_jobs"))
    assert java.submitted[-4] == str(packages / "train.py")
    assert '"name": "ml-1m"' in java.submitted[-2]
    assert value_of(java.submitted, "--properties-file") == str(
        packages.parent / "recsys" / "conf" / "spark" / "local.conf"
    )
    assert Path(value_of(java.submitted, "--py-files")).parent == installed / "cache" / "packages"
    assert java.environment["PYSPARK_PYTHON"] == str(python)
    assert [path.name for path in cwd.iterdir()] == ["out"]


def test_caches_lie_in_a_virtual_environment_otherwise_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert state_folder() == tmp_path
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert state_folder() == tmp_path / "cache" / "howdah"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_folder() == tmp_path / ".cache" / "howdah"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with howdah and what it requires, but not with the extra `train`."""
    folder = tmp_path_factory.mktemp("small")
    python = make_environment(folder / "environment", modules_of("howdah"))
    install_howdah(folder / "environment", folder / "scratch")
    return python


@pytest.mark.slow
def test_monitor_needs_no_extra(small: Path, tmp_path: Path) -> None:
    ended = run(small, "-c", EVERY_MODULE)
    assert (ended.stdout, ended.stderr) == ("[]\n", "")
    watch = ("-m", "monitor", "watch", "--output", "run", "--interval", "0.1", "--", "sleep", "0.5")
    assert run(small, *watch, cwd=tmp_path).returncode == 0
    assert run(small, "-m", "monitor", "report", "run", cwd=tmp_path).returncode == 0
    assert (tmp_path / "run" / "report" / "index.html").is_file()


@pytest.mark.slow
def test_without_the_extra_there_is_help_and_a_remedy(small: Path) -> None:
    assert "  train       Train an autoencoder" in run(small, "-m", "spark_jobs", "--help").stdout
    refused = run(small, "-m", "spark_jobs", "train")
    assert refused.returncode == 2 and refused.stdout == ""
    assert refused.stderr == "howdah: pydantic, tomli_w are not installed: pip install 'howdah[train]'\n"
