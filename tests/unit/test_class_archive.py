"""Spark's classes that one job leaves for the next: made once, by one, whole or not at all, and for one Java only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fake_java import FakeJava, copy_checkout, value_of

from spark_jobs.launcher.jvm_class_archive import SWITCH, ClassArchive


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


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return copy_checkout(tmp_path / "check out", own_cache=True)


@pytest.fixture
def fake(tmp_path: Path, java: Path) -> FakeJava:
    """A Java that starts nothing, and could make archives."""
    made = FakeJava(tmp_path / "fake")
    (made.home / "lib").symlink_to(java / "lib")
    return made


def options_of(fake: FakeJava) -> str:
    return value_of(fake.submitted, "--driver-java-options")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "more", "environment", "makes"),
    [
        ("train", (), {}, True),
        ("prepare", (), {}, False),
        ("train", (), {SWITCH: "off"}, False),
        # where the JVM would end with an error, or not start at all
        ("train", (), {"SPARK_CONF_DIR": "with a file"}, False),
        ("train", (), {"JAVA_TOOL_OPTIONS": "-Xss4m -javaagent:agent.jar"}, False),
        ("train", ("--", "--driver-class-path", "mine"), {}, False),
        ("train", ("--set", "spark.spark.driver.extraClassPath=mine"), {}, False),
    ],
)
def test_train_makes_it_where_it_can(
    fake: FakeJava, checkout: Path, cwd: Path, monkeypatch: pytest.MonkeyPatch, job: str, more: tuple[str, ...],
    environment: dict[str, str], makes: bool,
) -> None:  # fmt: skip
    (cwd / "with a file").mkdir()
    (cwd / "with a file" / "spark-defaults.conf").touch()
    for key, value in environment.items():
        monkeypatch.setenv(key, str(cwd / value) if key == "SPARK_CONF_DIR" else value)
    fake.launch(job, "--output", "out", *more, cwd=cwd, root=checkout)
    assert (f'"-XX:ArchiveClassesAtExit={checkout}/.venv/cache/java/' in options_of(fake)) is makes


@pytest.mark.slow
@pytest.mark.parametrize(("status", "code"), [("succeeded", 0), ("stopped", 0), ("failed", 1)])
def test_a_run_that_succeeded_has_done_so_though_the_jvm_could_not_write_it_down(
    fake: FakeJava, checkout: Path, cwd: Path, status: str, code: int
) -> None:
    script = fake.home / "bin" / "java"
    script.write_text(f"""#!/bin/sh
if [ -d out ]; then
    echo '{{"status": "{status}"}}' > out/run.json
    echo half > "$(echo "$*" | sed 's/.*ArchiveClassesAtExit=\\([^ "]*\\.making\\).*/\\1/')"
fi
exit 1
""")
    ended = fake.launch("train", "--output", "out", cwd=cwd, root=checkout)
    assert ended.returncode == code and ("the job failed" in ended.stderr) is bool(code)
    assert not list((checkout / ".venv" / "cache" / "java").glob("*.making"))


@pytest.mark.slow
def test_no_run_of_a_comparison_has_to_do_with_it(
    fake: FakeJava, checkout: Path, cwd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the first, which makes it, would be the slowest."""
    monkeypatch.setenv(SWITCH, "on")
    (cwd / "own.toml").write_text('[data]\nratings = "ratings.csv"\n')  # which no job has to fetch first
    (cwd / "ratings.csv").write_text("1,1,1,1\n")
    fake.launch("compare", "--config", "./own.toml", "--workers", "1", "--output", "out", cwd=cwd, root=checkout)
    assert value_of(fake.submitted, "--name").startswith("howdah-train")
    assert "ArchiveClassesAtExit" not in options_of(fake) and "SharedArchiveFile" not in options_of(fake)
