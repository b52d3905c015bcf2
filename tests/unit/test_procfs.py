"""Files of /proc: what the kernel writes, in its odder forms too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fake_proc import FakeProc

from monitor.sources.base import Memory
from monitor.sources.proc import (
    ProcSource,
    parse_cores,
    parse_disks,
    parse_io,
    parse_meminfo,
    parse_network,
    parse_rollup,
    parse_stat,
    parse_switches,
    real_disks,
)

# fields 3 to 52, numbered by their place in proc(5)
FIELDS = "S 7 8 9 10 11 12 1300 14 5 6 200 30 4 5 20 21 12 22 777 5000000 25 " + " ".join(map(str, range(25, 53)))


@pytest.mark.parametrize("name", ["python3", "tmux: server", "a) S 1 (b", "((sd-pam))", ""])
def test_names_with_blanks_and_brackets(name: str) -> None:
    stat = parse_stat(f"42 ({name}) {FIELDS}\n".encode())
    assert (stat.pid, stat.name, stat.state, stat.parent_pid) == (42, name, "S", 7)
    assert (stat.cpu_ticks, stat.reaped_cpu_ticks) == (230, 9)
    assert (stat.minor_faults, stat.major_faults, stat.reaped_major_faults) == (1300, 5, 6)
    assert (stat.threads, stat.key, stat.virtual_bytes) == (12, (42, 777), 5_000_000)
    assert stat.rss_bytes == 25 * os.sysconf("SC_PAGE_SIZE")
    assert stat.image == (28, 48)


@pytest.mark.parametrize(("state", "ended"), [("Z", True), ("X", True), ("S", False), ("R", False), ("D", False)])
def test_a_zombie_has_ended(state: str, ended: bool) -> None:
    assert parse_stat(f"42 (x) {state}{FIELDS[1:]}".encode()).ended is ended


def test_bytes_that_never_reached_a_disk_are_not_written() -> None:
    text = b"rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 4096\n"
    assert parse_io(text) == (4096, 4096)
    assert parse_io(text.replace(b"cancelled_write_bytes: 4096", b"cancelled_write_bytes: 9000")) == (4096, 0)


def test_memory_of_a_process() -> None:
    numbers = b"Rss: 100 kB\nPss: 60 kB\nPss_Anon: 9 kB\nPrivate_Clean: 10 kB\nPrivate_Dirty: 20 kB\n"
    text = b"0-1 ---p 0 00:00 0 [rollup]\n" + numbers
    assert parse_rollup(text) == Memory(60 * 1024, 30 * 1024, 100 * 1024)
    assert parse_switches(b"5 6 7\n") == 7


def test_a_process_that_is_not_there(tmp_path: Path) -> None:
    processes = ProcSource(FakeProc(tmp_path).root)
    assert [processes.stat(9), processes.io(9), processes.memory(9), processes.switches(9)] == [None] * 4
    assert processes.command(9) == []


def test_a_file_in_an_unknown_form_spoils_nothing(tmp_path: Path) -> None:
    fake = FakeProc(tmp_path)
    for name in ("stat", "io", "schedstat"):
        fake.write(f"7/{name}", "strange\n")
    processes = ProcSource(fake.root)
    assert [processes.stat(7), processes.io(7), processes.switches(7)] == [None] * 3


def test_this_very_process() -> None:
    processes = ProcSource()
    stat = processes.stat(os.getpid())
    assert stat is not None
    assert (stat.pid, stat.parent_pid, stat.ended) == (os.getpid(), os.getppid(), False)
    assert Path(processes.command(os.getpid())[0]).name.startswith("python")
    assert abs(stat.cpu_ticks / os.sysconf("SC_CLK_TCK") - sum(os.times()[:2])) < 1
    memory = processes.memory(os.getpid())
    if memory is not None:
        assert 0 < memory.uss_bytes <= memory.pss_bytes <= memory.rss_bytes


def test_waiting_and_stolen_time_is_not_busy() -> None:
    text = b"cpu  11 2 3 100 50 4 5 25 7 0\ncpu0 10 0 0 90\nintr 99 1\ncpu9 1 1 1 1\n"
    assert parse_cores(text) == {"cpu": (25, 200), "cpu0": (10, 100)}


def test_the_first_look_knows_no_cpu_percent(tmp_path: Path) -> None:
    fake = FakeProc(tmp_path)
    fake.write("stat", "cpu  100 0 0 100\ncpu0 90 0 0 10\ncpu1 10 0 0 90\nintr 1\n")
    source = ProcSource(fake.root)
    first = source.machine()
    assert first.cpu_percent is None and first.core_percent is None
    fake.write("stat", "cpu  130 0 0 170\ncpu0 120 0 0 30\ncpu1 10 0 0 140\nintr 1\n")
    second = source.machine()
    assert second.cpu_percent == 30.0
    assert second.core_percent == (60.0, 0.0)
    again = source.machine()  # not a tick later
    assert again.cpu_percent == 0.0


def test_bytes_of_disks_and_network_are_those_since_the_look_before(tmp_path: Path) -> None:
    fake = FakeProc(tmp_path / "proc")
    for name in ("vda/device", "dm-0", "loop0"):
        (tmp_path / "sys" / "block" / name).mkdir(parents=True)
    assert real_disks(tmp_path / "sys") == {"vda"}
    disk = "254 0 vda 1 0 {} 0 1 0 {} 0 0 0 0\n 254 1 vda1 1 0 9 0 1 0 9 0 0 0 0\n253 0 dm-0 1 0 9 0 1 0 9 0 0 0 0\n"
    net = "Inter-|\n face |\n    lo: 7 0 0 0 0 0 0 0 7 0 0 0 0 0 0 0\n  eth0:{} 0 0 0 0 0 0 0 {} 0 0 0 0 0 0 0\n"
    fake.write("diskstats", disk.format(10, 20))
    fake.write("net/dev", net.format(1000, 50))
    source = ProcSource(fake.root, tmp_path)
    first = source.machine()
    assert (first.disk_read_bytes, first.disk_write_bytes) == (0, 0)
    assert (first.network_sent_bytes, first.network_received_bytes) == (0, 0)
    fake.write("diskstats", disk.format(12, 23))
    fake.write("net/dev", net.format(1700, 51))
    second = source.machine()
    assert (second.disk_read_bytes, second.disk_write_bytes) == (1024, 1536)
    assert (second.network_sent_bytes, second.network_received_bytes) == (1, 700)
    assert (second.memory_used_bytes, second.memory_available_bytes) == (600 * 1024, 400 * 1024)
    fake.write("net/dev", net.format(0, 0))  # an interface that began anew
    assert source.machine().network_received_bytes == 0


def test_parsers_of_the_machine() -> None:
    assert parse_meminfo(b"MemTotal: 8 kB\nMemFree: 1 kB\n") == (8192, 1024)
    assert parse_disks(b"", {"vda"}) == (0, 0)
    assert parse_network(b"a\nb\n") == (0, 0)
