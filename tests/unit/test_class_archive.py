"""Spark's classes that one job leaves for the next: made once, by one, whole or not at all, and for one Java only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fake_java import FakeJava, copy_checkout, value_of

from spark_jobs._classes import SWITCH, ClassArchive


@pytest.fixture
def java(tmp_path: Path) -> Path:
    """A Java that can make archives."""
    home = tmp_path / "java"
    (home / "lib" / "server").mkdir(parents=True)
    (home / "lib" / "server" / "classes.jsa").touch()
    (home / "release").touch()
    return home


def file_in(options: list[str], name: str) -> Path:
    """The file that an option of the JVM names."""
    (found,) = [word.removeprefix(f"-XX:{name}=") for word in options if word.startswith(f"-XX:{name}=")]
    return Path(found)


def test_what_a_good_job_made_later_ones_use(java: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    first = ClassArchive(java, tmp_path, folder, make=True)
    made = file_in(first.options, "ArchiveClassesAtExit")
    made.write_text("classes")
    assert ClassArchive(java, tmp_path, folder, make=False).options == []  # not before it is whole
    first.close(good=True)
    later = ClassArchive(java, tmp_path, folder, make=True)
    assert file_in(later.options, "SharedArchiveFile").read_text() == "classes"
    assert len(later.options) == len(first.options)
    later.close(good=True)
    assert len(list(folder.iterdir())) == 1
    # another Java in its place: of the old one nothing is used, and in the end nothing is left
    os.utime(java / "release", ns=(1, 1))
    another = ClassArchive(java, tmp_path, folder, make=True)
    file_in(another.options, "ArchiveClassesAtExit").write_text("other classes")
    another.close(good=True)
    assert [path.read_text() for path in folder.iterdir()] == ["other classes"]


def test_a_job_that_failed_leaves_none(java: Path, tmp_path: Path) -> None:
    failed = ClassArchive(java, tmp_path, tmp_path / "cache", make=True)
    file_in(failed.options, "ArchiveClassesAtExit").write_text("half")
    failed.close(good=False)
    assert list((tmp_path / "cache").iterdir()) == []
    killed = tmp_path / "cache" / "99.making"
    killed.write_text("half")
    ClassArchive(java, tmp_path, tmp_path / "cache", make=True).close(good=True)
    assert list((tmp_path / "cache").iterdir()) == []


def test_of_two_jobs_at_once_one_makes_it(java: Path, tmp_path: Path) -> None:
    first, second = (ClassArchive(java, tmp_path, tmp_path / "cache", make=True) for _ in range(2))
    assert first.options and not second.options
    second.close(good=True)
    first.close(good=True)
    third = ClassArchive(java, tmp_path, tmp_path / "cache", make=True)
    assert third.options
    third.close(good=True)


def test_a_java_without_archives_of_its_own_gets_no_options(tmp_path: Path) -> None:
    assert ClassArchive(tmp_path, tmp_path, tmp_path / "cache", make=True).options == []
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("job", "switch", "makes"),
    [("train", "", True), ("prepare", "", False), ("train", "off", False), ("train", "use", False)],
)
def test_train_makes_it_unless_told_otherwise(
    java: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: str, switch: str, makes: bool
) -> None:
    monkeypatch.setenv(SWITCH, switch)
    root = copy_checkout(tmp_path / "check out", own_cache=True)
    fake = FakeJava(tmp_path / "fake")
    (fake.home / "lib").symlink_to(java / "lib")
    cwd = tmp_path / "here"
    cwd.mkdir()
    fake.launch(job, "--output", "out", cwd=cwd, root=root)
    options = value_of(fake.submitted, "--driver-java-options")
    assert (f'"-XX:ArchiveClassesAtExit={root}/.venv/cache/java/' in options) is makes


@pytest.mark.parametrize("there", [True, False])
def test_runs_of_a_comparison_all_use_it_or_none_does(java: Path, tmp_path: Path, there: bool) -> None:
    """Else the first, which makes it, would be the slowest."""
    root = copy_checkout(tmp_path / "check out", own_cache=True)
    fake = FakeJava(tmp_path / "fake")
    (fake.home / "lib").symlink_to(java / "lib")
    cwd = tmp_path / "here"
    cwd.mkdir()
    if there:
        spark = next((root / ".venv").resolve().glob("lib/python*/site-packages/pyspark")).resolve()
        made = ClassArchive(fake.home, spark, root / ".venv" / "cache" / "java", make=True)
        file_in(made.options, "ArchiveClassesAtExit").write_text("classes")
        made.close(good=True)
    (cwd / "own.toml").write_text('[data]\nratings = "ratings.csv"\n')  # which no job has to fetch first
    (cwd / "ratings.csv").write_text("1,1,1,1\n")
    fake.launch("compare", "--config", "./own.toml", "--workers", "1", "--output", "out", cwd=cwd, root=root)
    options = value_of(fake.submitted, "--driver-java-options")
    assert value_of(fake.submitted, "--name").startswith("howdah-train")
    assert ("-XX:SharedArchiveFile=" in options) is there and "ArchiveClassesAtExit" not in options
