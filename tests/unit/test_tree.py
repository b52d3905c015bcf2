"""Who belongs to a tree, in which role, and what it used: by a /proc made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_proc import PAGE
from watched_tree import DAEMON, JAVA, ROOT, SIDECAR, Watched, watch_tree

from monitor.records import RoleUsage
from monitor.sampler.usage import TreeMeter
from monitor.sources.proc import TICKS_PER_SECOND, ProcSource


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return watch_tree(tmp_path)


def test_the_root_and_all_below_it(watched: Watched) -> None:
    for pid, parent in ((101, ROOT), (102, 101), (60, 51), (103, 102)):
        watched.fake.set(pid, parent=parent)
    assert watched.pids() == {ROOT, 101, 102, 103, SIDECAR}
    watched.fake.set(104, parent=103)
    watched.fake.set(61, parent=51)
    assert watched.pids() == {ROOT, 101, 102, 103, 104, SIDECAR}


def test_a_new_process_is_found_whatever_the_last_pid_says(watched: Watched) -> None:
    watched.fake.write("loadavg", "0 0 0 1/2 500\n")
    for pid in range(300, 310):
        watched.fake.set(pid, parent=1)
    watched.look()
    watched.fake.write("loadavg", "0 0 0 1/2 501\n")
    watched.fake.set(501, parent=ROOT)
    assert 501 in watched.pids()
    # pids went round: a stranger's pid is given to a child of the tree
    watched.look()
    watched.fake.end(305)
    watched.fake.set(305, parent=ROOT, start=5000)
    watched.fake.write("loadavg", "0 0 0 1/2 306\n")
    assert 305 in watched.pids()


def test_a_child_listed_before_its_parent_was_is_found_at_the_next_look(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.fake.write("loadavg", "0 0 0 1/2 100\n")
    watched.look()
    watched.fake.set(101, parent=ROOT)
    watched.fake.set(102, parent=101)
    watched.fake.write("loadavg", "0 0 0 1/2 102\n")
    with monkeypatch.context() as patched:
        listed = ProcSource(watched.fake.root).pids() - {101}
        patched.setattr(ProcSource, "pids", lambda self: listed)
        assert watched.pids() == {ROOT, SIDECAR}
    assert watched.pids() == {ROOT, SIDECAR, 101, 102}


def test_roles_as_spark_submit_makes_them(watched: Watched) -> None:
    watched.fake.set(ROOT, **JAVA)
    watched.fake.set(101, parent=ROOT, command=["python3", "/job/train.py"])
    watched.fake.set(102, parent=ROOT, command=DAEMON)
    watched.fake.set(103, parent=102, command=DAEMON, image=102)
    watched.fake.set(104, parent=101, command=["python3", "-c", "helper"])
    watched.fake.set(105, parent=101, name="sh", command=["sh", "-c", "ls"])
    watched.fake.set(106, parent=103, name="sh", command=["sh"])
    watched.fake.set(107, parent=106, command=["python3", "tool.py"])
    watched.look()
    roles = {pid: watched.role(pid) for pid in (ROOT, 101, 102, 103, 104, 105, 106, 107, SIDECAR)}
    assert roles == {
        ROOT: "jvm", 101: "driver", 102: "worker", 103: "worker", 104: "driver", 105: "other", 106: "other",
        107: "worker", SIDECAR: "sidecar",
    }  # fmt: skip


def test_a_launcher_above_the_jvm_is_not_the_driver(watched: Watched) -> None:
    watched.fake.set(ROOT, command=["python3", "-c", "launch"])
    watched.fake.set(101, parent=ROOT, **JAVA)
    watched.look()
    assert watched.role(ROOT) == "driver"  # as in a notebook, whose Python starts the JVM
    watched.fake.set(102, parent=101, command=DAEMON)
    watched.look()
    assert watched.role(ROOT) == "driver"
    watched.fake.set(103, parent=101, command=["python3", "/job/train.py"])
    watched.look()
    assert (watched.role(ROOT), watched.role(103)) == ("other", "driver")


def test_a_role_changes_with_exec(watched: Watched) -> None:
    watched.fake.set(101, parent=ROOT, name="sh", command=["sh", "run"])
    watched.look()
    assert watched.role(101) == "other"
    watched.fake.set(101, **JAVA, image=7)
    watched.look()
    assert watched.role(101) == "jvm"


def test_an_orphan_that_was_seen_stays(watched: Watched) -> None:
    watched.fake.set(101, parent=ROOT)
    watched.fake.set(102, parent=101, name="sh", command=["sh"])
    watched.look()
    watched.fake.end(101)
    watched.fake.set(102, parent=1)
    assert 102 in watched.pids()
    watched.fake.set(103, parent=102)
    assert 103 in watched.pids()


def test_an_orphan_that_nobody_saw_is_known_by_its_image(watched: Watched) -> None:
    watched.look()
    watched.fake.set(102, parent=1, image=ROOT, cpu=30)  # a double fork between two looks
    watched.fake.set(103, parent=1, image=4711, cpu=30)  # somebody else's
    assert watched.seconds() == {"driver": 30}
    assert {102} == watched.pids() - {ROOT, SIDECAR}


def test_orphans_come_to_a_member_that_reaps_them(watched: Watched) -> None:
    watched.look()
    watched.fake.set(102, parent=ROOT, image=4711)
    assert 102 in watched.pids()


def test_the_first_look_has_no_differences_and_the_next_has(watched: Watched) -> None:
    watched.fake.set(ROOT, cpu=500, reaped=70, io=(1000, 2000), faults=9, switches=50)
    first = watched.look().roles["driver"]
    assert (first.cpu_seconds, first.read_bytes, first.write_bytes) == (0, 0, 0)
    assert (first.major_faults, first.context_switches, first.processes) == (0, 0, 1)
    watched.fake.set(ROOT, cpu=550, reaped=75, io=(1500, 2100), faults=11, switches=58, threads=4)
    assert watched.look().roles["driver"] == RoleUsage(
        1, 55 / TICKS_PER_SECOND, 500, 100, 8, 2, 4, 100 * PAGE, 100 * PAGE, 100 * PAGE
    )


def test_a_process_that_vanishes_spoils_nothing(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.fake.set(101, parent=ROOT)
    watched.fake.set(102, parent=ROOT)
    watched.look()
    watched.fake.end(101)
    (watched.fake.root / "103").mkdir()  # listed, and gone when it is read
    for name in ("io", "smaps_rollup", "schedstat", "cmdline"):
        (watched.fake.root / "102" / name).unlink()
    watched.fake.set(ROOT, cpu=5)
    found = watched.look()
    assert found.vanished == 1
    assert found.roles["driver"].processes == 2
    assert found.roles["driver"].pss_bytes == 200 * PAGE  # of 102 as it was known
    assert found.roles["driver"].cpu_seconds == 5 / TICKS_PER_SECOND


def test_a_reused_pid_is_another_process(watched: Watched) -> None:
    watched.fake.set(101, parent=ROOT, cpu=50)
    watched.look()
    watched.fake.end(101)
    watched.fake.set(101, parent=ROOT, start=5000, cpu=7)
    watched.fake.set(ROOT, reaped=50)
    assert watched.seconds() == {"driver": 7}
    watched.fake.end(101)
    watched.fake.set(101, parent=51, start=6000, cpu=700)  # now a stranger's
    watched.fake.set(ROOT, reaped=57)
    assert watched.seconds() == {}
    assert 101 not in watched.pids()


def test_the_root_is_gone_though_its_pid_lives(watched: Watched) -> None:
    watched.look()
    assert watched.tree.root_is_alive()
    watched.fake.end(ROOT)
    watched.fake.set(ROOT, parent=51, start=9000)
    watched.look()
    assert not watched.tree.root_is_alive()
    assert not watched.tree.anything_is_alive()  # the sidecar does not count


def test_a_zombie_has_times_and_no_memory(watched: Watched) -> None:
    watched.fake.set(101, parent=ROOT, cpu=10)
    watched.look()
    watched.fake.set(101, state="Z", cpu=25, image=0, rss=0)
    found = watched.look().roles["driver"]
    assert (found.cpu_seconds, found.processes, found.threads) == (15 / TICKS_PER_SECOND, 1, 1)
    assert found.pss_bytes == found.rss_bytes == 100 * PAGE
    watched.fake.set(ROOT, state="Z")
    watched.look()
    assert not watched.tree.root_is_alive()


def test_a_workers_time_is_counted_once_when_it_is_reaped(watched: Watched) -> None:
    watched.fake.set(ROOT, **JAVA)
    watched.fake.set(102, parent=ROOT, command=DAEMON)
    watched.fake.set(103, parent=102, command=DAEMON, image=102)
    watched.look()
    watched.fake.set(103, cpu=80)
    assert watched.seconds() == {"worker": 80}
    watched.fake.end(103)
    watched.fake.set(102, reaped=95)  # it used 15 more
    assert watched.seconds() == {"worker": 15}
    watched.fake.end(102)
    watched.fake.set(ROOT, reaped=100)  # the daemon's own last 5
    assert watched.seconds() == {"worker": 5}


def test_children_that_nobody_saw(watched: Watched) -> None:
    watched.look()
    watched.fake.set(ROOT, cpu=1, reaped=40)
    assert watched.seconds() == {"driver": 41}


def test_what_a_watcher_reaped_unseen_is_not_the_monitors_own(watched: Watched) -> None:
    watched.fake.set(ROOT, command=["python3", "-m", "monitor", "watch", "--output", "x", "--", "true"])
    watched.look()
    watched.fake.set(ROOT, cpu=2, reaped=40)
    assert watched.seconds() == {"sidecar": 2, "other": 40}


@pytest.mark.parametrize(
    ("command", "role"),
    [
        (["python3", "-m", "monitor", "sidecar", "folder", "--root", "1"], "sidecar"),
        (["/x/python3", "/x/bin/howdah-monitor", "watch", "--output", "x"], "sidecar"),
        (["/x/python3", "/x/bin/howdah-monitor", "report", "x"], "driver"),
        (["python3", "-m", "monitor", "report", "x"], "driver"),
        (["python3", "-m", "monitor"], "driver"),
    ],
)
def test_what_is_the_monitors_own(command: list[str], role: str, watched: Watched) -> None:
    watched.fake.set(101, parent=ROOT, command=command)
    watched.look()
    assert watched.role(101) == role


def test_no_memory_twice_between_vfork_and_exec(watched: Watched) -> None:
    watched.fake.set(ROOT, rss=5000 * PAGE, pss=4000 * PAGE)
    watched.look()
    watched.fake.set(101, parent=ROOT, image=ROOT, rss=5000 * PAGE, pss=4000 * PAGE)
    assert watched.look().roles["driver"].pss_bytes == 4000 * PAGE
    watched.fake.set(101, image=101, rss=10 * PAGE, pss=8 * PAGE, name="sh", command=["sh"])
    found = watched.look().roles
    assert (found["driver"].pss_bytes, found["other"].pss_bytes) == (4000 * PAGE, 8 * PAGE)


def test_without_pss_the_rss_stands_in(watched: Watched) -> None:
    meter = TreeMeter(watched.tree, ProcSource(watched.fake.root), None)
    watched.fake.set(ROOT, rss=300 * PAGE)
    found = meter.look(1.0).roles["driver"]
    assert (found.pss_bytes, found.uss_bytes, found.rss_bytes) == (300 * PAGE,) * 3
