"""What a machine can give: how rates become speed-ups, and that measuring measures."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.compare.capability import Capability, Rates, measure_capability, read_capability, write_capability

MADE = Capability("box", 2, (Rates(1, 100.0, 8.0), Rates(2, 190.0, 10.0), Rates(8, 180.0, 12.0)), 0.25)


def test_speed_ups_are_rates_over_that_of_one_process() -> None:
    assert [MADE.speedup(workers) for workers in (1, 2, 8, 4)] == [1.0, 1.9, 1.8, None]
    assert [MADE.copy_speedup(workers) for workers in (1, 2, 8, 4)] == [1.0, 1.25, 1.5, None]
    assert Capability("box", 2, (Rates(2, 1.0, 1.0),)).speedup(2) is None


def test_it_is_written_with_its_method_and_read_again(tmp_path: Path) -> None:
    path = write_capability(MADE, tmp_path)
    assert read_capability(tmp_path) == MADE
    assert "one BLAS thread" in path.read_text()
    assert [one.name for one in tmp_path.iterdir()] == ["capability.json"]
    path.write_text('{"host": "box"}')
    assert read_capability(tmp_path) is None
    path.write_text("{")
    assert read_capability(tmp_path) is None
    assert read_capability(tmp_path / "absent") is None


@pytest.mark.slow
def test_measuring_one_process_and_two_at_once_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # its processes find monitor all the same
    found = measure_capability([2])
    assert [one.processes for one in found.rates] == [1, 2]
    assert found.cores >= 1
    # any computer since 1995, and none soon
    assert all(0.01 < one.gigaflops < 1e6 and 0.01 < one.copied_gigabytes_per_second < 1e5 for one in found.rates)
