"""samples.jsonl: what was written is read again, and what a crash cut off does no harm."""

from __future__ import annotations

import json
from pathlib import Path

from monitor.records import (
    Begin,
    CgroupUsage,
    End,
    MachineUsage,
    RoleUsage,
    Sample,
    Samples,
    read_samples,
    to_line,
)

BEGIN = Begin("host", "boot", 7, 5, 0.5, 2, 100, 1 << 34, 1.7e9, 12.5)
MACHINE = MachineUsage(50.0, (25.0, 75.0), 100, 900, 1, 2, 3, 4)
FIRST = Sample("host", 1.7e9, 12.5, 0.0, 0.0, 0, MachineUsage(None, None, 100, 900, 0, 0, 0, 0))
SECOND = Sample(
    "host", 1.7e9 + 1, 13.5, 1.0, 0.25, 1, MACHINE, CgroupUsage(None, 10, 6, 4, "/job"),
    {"driver": RoleUsage(1, 0.5, threads=3, pss_bytes=70), "worker": RoleUsage(8, 1.25, pss_bytes=30),
     "sidecar": RoleUsage(1, 0.01, pss_bytes=9)},
    vanished=2,
)  # fmt: skip
END = End("host", 1.7e9 + 2, 14.5, 2, 1, 0.02, "root ended")


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").write_bytes(b"".join([to_line(BEGIN), to_line(FIRST), to_line(SECOND), to_line(END)]))
    assert read_samples(tmp_path) == Samples(BEGIN, (FIRST, SECOND), END)


def test_a_named_file_of_another_host(tmp_path: Path) -> None:
    path = tmp_path / "samples-other.jsonl"
    path.write_bytes(to_line(BEGIN))
    assert read_samples(path) == Samples(BEGIN, (), None)
    assert read_samples(tmp_path) == Samples(None, (), None)


def test_every_cut_of_the_file_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    before, last = to_line(BEGIN) + to_line(FIRST), to_line(SECOND)
    for size in range(len(last)):
        path.write_bytes(before + last[:size])
        whole = size == len(last) - 1  # but for its end
        assert read_samples(path) == Samples(BEGIN, (FIRST, SECOND) if whole else (FIRST,), None)


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    newer = json.loads(to_line(FIRST)) | {"gpu_bytes": 3}
    strange = [
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"{}",
        b'{"event":"sample"}',
        b'{"event":"gpu"}',
        json.dumps(newer).encode(),
    ]
    (tmp_path / "samples.jsonl").write_bytes(b"\n".join(strange) + b"\n")
    assert read_samples(tmp_path) == Samples(None, (FIRST,), None)


def test_the_tree_is_all_but_the_sidecar() -> None:
    assert SECOND.tree() == RoleUsage(9, 1.75, threads=3, pss_bytes=100)
    assert FIRST.tree() == RoleUsage()
