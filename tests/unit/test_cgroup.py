"""The tightest memory limit above a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.records import CgroupUsage
from monitor.sources.cgroup import find_group

V2 = "30 23 0:26 {root} {point} rw,relatime - cgroup2 cgroup2 rw\n"
V1 = "35 31 0:32 {root} {point} rw,relatime - cgroup cgroup rw,memory\n"
OTHER = "33 31 0:30 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
NO_LIMIT_V1 = "9223372036854771712"


class Host:
    """A machine's control groups as files."""

    def __init__(self, folder: Path) -> None:
        self.base = folder
        self.proc = folder / "proc"

    def write(self, name: str, text: str) -> None:
        path = self.base / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def process(self, groups: str, mounts: str) -> None:
        self.write("proc/5/cgroup", groups)
        self.write("proc/self/mountinfo", "21 20 0:19 / /proc rw - proc proc rw\n" + mounts)

    def v2(self, group: str, limit: str, used: int = 10, anonymous: int = 6, cache: int = 3) -> None:
        folder = f"sys/fs/cgroup{group}"
        self.write(f"{folder}/memory.max", f"{limit}\n")
        self.write(f"{folder}/memory.current", f"{used}\n")
        self.write(f"{folder}/memory.stat", f"anon {anonymous}\nfile {cache}\nkernel 1\n")

    def v1(self, group: str, limit: str, used: int = 10) -> None:
        folder = f"sys/fs/cgroup/memory{group}"
        self.write(f"{folder}/memory.limit_in_bytes", f"{limit}\n")
        self.write(f"{folder}/memory.usage_in_bytes", f"{used}\n")
        self.write(f"{folder}/memory.stat", "rss 0\ncache 0\ntotal_rss 6\ntotal_cache 3\n")

    def usage(self) -> CgroupUsage | None:
        group = find_group(5, self.proc, self.base)
        return group.usage() if group else None


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_version_2_the_tightest_of_all_levels(host: Host) -> None:
    host.process("0::/a/b/c\n", V2.format(root="/", point="/sys/fs/cgroup"))
    (host.base / "sys/fs/cgroup").mkdir(parents=True)  # the root has no memory files
    host.v2("/a", "5000", used=70)
    host.v2("/a/b", "2000", used=60, anonymous=40, cache=15)
    host.v2("/a/b/c", "max", used=50)
    assert host.usage() == CgroupUsage(2000, 60, 40, 15, "/a/b")


def test_version_2_without_any_limit_is_the_process_own(host: Host) -> None:
    host.process("0::/a/b\n", V2.format(root="/", point="/sys/fs/cgroup"))
    host.v2("/a", "max", used=70)
    host.v2("/a/b", "max", used=50)
    assert host.usage() == CgroupUsage(None, 50, 6, 3, "/a/b")


def test_of_two_equal_limits_the_higher_group_holds_more(host: Host) -> None:
    host.process("0::/a/b\n", V2.format(root="/", point="/sys/fs/cgroup"))
    host.v2("/a", "2000", used=70)
    host.v2("/a/b", "2000", used=50)
    usage = host.usage()
    assert usage is not None and (usage.path, usage.used_bytes) == ("/a", 70)


def test_version_1_beside_version_2(host: Host) -> None:
    mounts = OTHER + V1.format(root="/", point="/sys/fs/cgroup/memory")
    host.process("5:memory:/job/x\n4:cpu:/\n0::/\n", mounts + V2.format(root="/", point="/sys/fs/cgroup/unified"))
    host.v1("", NO_LIMIT_V1)
    host.v1("/job", "4096", used=2048)
    host.v1("/job/x", NO_LIMIT_V1)
    assert host.usage() == CgroupUsage(4096, 2048, 6, 3, "/job")


def test_a_container_sees_only_its_own_part(host: Host) -> None:
    # the host's path in /proc/PID/cgroup, and that very folder mounted as the top
    host.process("5:memory:/docker/abc\n", V1.format(root="/docker/abc", point="/sys/fs/cgroup/memory"))
    host.v1("", "1000")
    usage = host.usage()
    assert usage is not None and (usage.path, usage.limit_bytes) == ("/", 1000)


def test_a_path_outside_of_what_is_mounted(host: Host) -> None:
    host.process("0::/../../elsewhere\n", V2.format(root="/", point="/sys/fs/cgroup"))
    host.v2("", "3000")
    usage = host.usage()
    assert usage is not None and (usage.path, usage.limit_bytes) == ("/", 3000)


def test_no_groups_at_all(host: Host) -> None:
    assert host.usage() is None
    host.process("0::/\n", V2.format(root="/", point="/sys/fs/cgroup"))
    (host.base / "sys/fs/cgroup").mkdir(parents=True)
    assert host.usage() is None


def test_a_limit_that_changes_is_seen(host: Host) -> None:
    host.process("0::/a\n", V2.format(root="/", point="/sys/fs/cgroup"))
    host.v2("/a", "3000")
    group = find_group(5, host.proc, host.base)
    assert group is not None
    host.v2("/a", "max")
    usage = group.usage()
    assert usage is not None and usage.limit_bytes is None
