"""What phases cost: samples shared out by overlap, worked by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from made_run import HOST, MB, WALL, ended, of_host, phase, role, sample, started, steady

from monitor.cost.phase_costs import COLUMNS, Costs, PhaseCost, phase_costs
from monitor.cost.timeline import build_timeline
from monitor.records import PhaseRecord, Samples
from monitor.spark import SparkJob, SparkStage


def costs(phases: list[PhaseRecord], *hosts: Samples, told: Any = None, **spark: Any) -> Costs:
    return phase_costs(build_timeline(phases, list(hosts), told), **spark)


def by_name(found: Costs) -> dict[str, PhaseCost]:
    return {row.phase: row for row in found.phases}


def test_three_phases_by_hand() -> None:
    # samples end at 0, 2, 4, 6, 8, 10 s; each after the first has 2 CPU s, 100 bytes read and 40 written
    found = costs([*phase("a", 1, 4), *phase("b", 4, 5), *phase("c", 5, 10)], steady())
    a, b, c = found.phases
    assert [row.phase for row in found.phases] == ["a", "b", "c"]

    assert (a.wall_seconds, a.start_seconds, a.status, a.times, a.within) == (3.0, 1.0, "done", 1, None)
    assert a.cpu_seconds == 3.0  # half of the sample that ends at 2, all of the next
    assert (a.cpu_percent_mean, a.busy_cores_mean) == (50.0, 1.0)  # 3 CPU s in 3 s on 2 cores
    assert (a.read_bytes, a.write_bytes) == (150, 60)
    assert (a.samples, a.missed_samples, a.seen_seconds) == (2, 0, 3.0)
    assert a.pss_start_bytes == 100 * MB  # of the sample at 0
    assert a.pss_peak_bytes == 400 * MB and a.pss_gained_bytes == 300 * MB
    assert a.rss_peak_bytes == (150 + 500) * MB
    assert (a.pss_peak_driver_bytes, a.pss_peak_jvm_bytes, a.pss_peak_worker_bytes) == (150 * MB, 0, 250 * MB)

    # from 4 to 5 s no sample was taken: CPU is known by overlap, memory within is not
    assert (b.samples, b.cpu_seconds, b.read_bytes, b.write_bytes) == (0, 1.0, 50, 20)
    assert b.pss_start_bytes == 400 * MB
    unknown = (b.pss_peak_bytes, b.pss_gained_bytes, b.rss_peak_bytes, b.pss_peak_worker_bytes, b.cpu_percent_peak)
    assert unknown == (None,) * 5

    assert (c.samples, c.cpu_seconds, c.seen_seconds) == (3, 5.0, 5.0)
    assert (c.pss_start_bytes, c.pss_peak_bytes, c.pss_gained_bytes) == (400 * MB, 400 * MB, 0)


def test_the_total_is_the_whole_run_and_leaves_the_monitor_out() -> None:
    total = costs([*phase("a", 1, 4), *phase("b", 4, 5)], steady()).total
    assert (total.phase, total.wall_seconds, total.cpu_seconds, total.samples) == ("total", 10.0, 10.0, 6)
    assert (total.cpu_percent_mean, total.busy_cores_mean) == (50.0, 1.0)
    assert (total.read_bytes, total.write_bytes) == (500, 200)  # nothing of the sidecar's
    assert (total.pss_start_bytes, total.pss_peak_bytes) == (100 * MB, 400 * MB)
    assert (total.gc_seconds, total.spill_bytes, total.jobs) == (None, None, None)


def test_a_run_that_begins_after_zero_on_every_clock() -> None:
    moved = replace(steady(), samples=tuple(replace(s, mono=s.mono + 77, wall=s.wall + 77) for s in steady().samples))
    (row,) = costs(phase("a", 77 + 1, 77 + 4), moved).phases
    assert (row.start_seconds, row.cpu_seconds, row.samples) == (1.0, 3.0, 2)


def test_the_busiest_sample_is_one_that_lies_in_the_phase() -> None:
    def at(moment: float, cpu: float) -> Any:
        return sample(moment, 2.0 if moment else 0.0, {"driver": role(cpu, 10)})

    host = of_host([at(0, 0), at(2, 4.0), at(4, 1.0), at(6, 2.0), at(8, 4.0)])
    # the sample that ends at 2 lies in the phase by a quarter, the one that ends at 6 by all of it
    (row,) = costs(phase("a", 1.5, 6), host).phases
    assert row.cpu_percent_peak == 50.0  # 2 CPU s in 2 s on 2 cores
    assert row.cpu_seconds == 4.0  # a quarter of 4, 1 and 2


def test_missed_samples_are_counted_where_they_should_have_been() -> None:
    roles = {"driver": role(1.0, 10)}
    host = of_host([sample(0, 0, roles), sample(8, 8, roles, missed=3), sample(10, 2, roles)])  # at 2, 4 and 6
    found = by_name(costs([*phase("a", 0, 5), *phase("b", 5, 10)], host))
    assert (found["a"].missed_samples, found["a"].samples) == (2, 0)
    assert (found["b"].missed_samples, found["b"].samples) == (1, 2)


def test_a_killed_run_ends_at_its_last_sample() -> None:
    found = costs([*phase("a", 1, 4), started("b", 4)], steady())
    a, b = found.phases
    assert (a.status, b.status, found.total.status) == ("done", "unfinished", "unfinished")
    assert (b.wall_seconds, b.cpu_seconds, b.samples) == (6.0, 6.0, 3)


def test_a_failed_phase_says_so() -> None:
    found = costs([started("a", 1), ended("a", 1, 4, status="failed")], steady())
    assert (found.phases[0].status, found.total.status) == ("failed", "failed")


def test_phases_within_phases_and_phases_that_come_again() -> None:
    phases = [
        started("outer", 0),
        *phase("step", 0, 2),
        *phase("step", 4, 6),
        ended("outer", 0, 8),
        *phase("step", 8, 10),
    ]
    found = by_name(costs(phases, steady()))
    assert list(found) == ["outer", "step"]
    assert (found["outer"].within, found["step"].within) == (None, "outer")
    assert (found["step"].times, found["step"].wall_seconds, found["step"].cpu_seconds) == (3, 6.0, 6.0)
    assert (found["step"].samples, found["outer"].samples) == (3, 4)
    assert (found["outer"].wall_seconds, found["outer"].cpu_seconds) == (8.0, 8.0)
    assert found["step"].pss_gained_bytes == 100 * MB  # the first one's rise from 100 to 200


def test_a_phase_within_one_of_its_own_name_counts_once() -> None:
    phases = [started("a", 0), *phase("a", 2, 4), ended("a", 0, 8)]
    (row,) = costs(phases, steady()).phases
    assert (row.times, row.wall_seconds, row.cpu_seconds) == (2, 8.0, 8.0)


def test_phases_without_a_monotonic_time_are_placed_by_the_wall_clock() -> None:
    old = costs([*phase("a", 1, 4, mono=False), *phase("b", 4, 5, mono=False)], steady())
    assert old == costs([*phase("a", 1, 4), *phase("b", 4, 5)], steady())


def test_a_wall_clock_that_is_set_changes_nothing() -> None:
    samples = steady().samples
    jumped = Samples(steady().begin, (*samples[:4], *(replace(s, wall=s.wall + 3600) for s in samples[4:])), None)
    phases = [*phase("a", 1, 4), *phase("b", 4, 10)]
    phases[3]["end"] = "2030-01-01T00:00:00.000+00:00"
    assert costs(phases, jumped) == costs([*phase("a", 1, 4), *phase("b", 4, 10)], steady())


def test_two_hosts_on_the_drivers_time_axis() -> None:
    # the executor's wall clock is 60 s ahead, its monotonic clock has nothing to do with the driver's
    far = [
        sample(at, seconds, {"worker": role(cpu, pss)}, host="far", wall_ahead=60.0, mono_ahead=-400.0)
        for at, seconds, cpu, pss in ((3, 0, 0.0, 50), (5, 2, 6.0, 500), (7, 2, 2.0, 70))
    ]
    told = {"hosts": [{"host": HOST, "clock_offset_seconds": 0.0}, {"host": "far", "clock_offset_seconds": 60.0}]}
    found = costs([*phase("a", 0, 4), *phase("b", 4, 8)], steady(), of_host(far, "far", cores=6), told=told)
    a, b = found.phases
    assert a.cpu_seconds == 4.0 + 3.0 and b.cpu_seconds == 4.0 + 3.0 + 2.0
    assert b.busy_cores_mean == 2.25 and b.cpu_percent_mean == pytest.approx(100 * 2.25 / 8, abs=1e-3)
    assert b.samples == 2 + 2
    # at 4 s: 400 here and 50 there; at 5 s: 400 and 500; at 6 s: 300 and 500
    assert (a.pss_peak_bytes, b.pss_start_bytes) == (450 * MB, 450 * MB)
    assert (b.pss_peak_bytes, b.pss_gained_bytes, b.pss_peak_worker_bytes) == (900 * MB, 450 * MB, 750 * MB)
    # from 4 to 5 s 1 core was busy here and 3 there
    assert b.cpu_percent_peak == 50.0
    assert found.total.cpu_seconds == 18.0


def test_a_host_that_is_gone_counts_no_more() -> None:
    far = of_host([sample(at, at and 2, {"worker": role(0.0, 1000)}, host="far") for at in (0, 2)], "far")
    found = by_name(costs([*phase("a", 0, 4), *phase("b", 8, 10)], steady(), far))
    assert found["a"].pss_peak_bytes == 1400 * MB
    assert found["b"].pss_start_bytes == 300 * MB


def test_before_the_first_sample_nothing_is_known() -> None:
    late = replace(steady(), samples=steady().samples[3:])  # from 6 s on; its first covers 4 to 6 s
    a, b, c = costs([*phase("a", 0, 1), *phase("b", 1, 5), *phase("c", 5, 10)], late).phases
    assert (a.cpu_seconds, a.cpu_percent_mean, a.pss_start_bytes, a.read_bytes, a.seen_seconds) == (None,) * 4 + (0.0,)
    assert (b.cpu_seconds, b.seen_seconds, b.samples, b.pss_start_bytes) == (1.0, 1.0, 0, None)
    assert (c.pss_start_bytes, c.pss_peak_bytes, c.pss_gained_bytes) == (300 * MB, 300 * MB, 0)


def test_without_samples_wall_times_remain() -> None:
    found = costs([*phase("a", 0, 3), started("b", 3)])
    a, b = found.phases
    assert (a.wall_seconds, a.cpu_seconds, a.pss_peak_bytes, a.samples) == (3.0, None, None, 0)
    assert (b.wall_seconds, b.status) == (0.0, "unfinished")
    assert found.total.wall_seconds == 3.0


def test_without_phases_there_is_the_total() -> None:
    found = costs([], steady())
    assert found.phases == () and found.total.cpu_seconds == 10.0 and found.total.status == "done"


def stage(phase: str | None, submitted: float, completed: float | None, gc: float, spilled: int) -> SparkStage:
    end = None if completed is None else WALL + completed
    return SparkStage(
        1, 0, "s", None, phase, "complete", WALL + submitted, end, 8, gc_seconds=gc, disk_spill_bytes=spilled,
        memory_spill_bytes=9,
    )  # fmt: skip


def test_stages_go_to_their_phase_or_are_shared_by_time() -> None:
    stages = [
        stage("b", 1, 2, 0.5, 10),  # Spark was told: whatever the time
        stage(None, 3, 7, 2.0, 100),  # a quarter in a, three quarters in c
        stage(None, 7, None, 1.0, 1000),  # still going on: where it began
        stage(None, 20, 30, 4.0, 10_000),  # after everything
    ]
    found = costs([*phase("a", 0, 4), started("c", 4), *phase("b", 5, 6), ended("c", 4, 10)], steady(), stages=stages)
    row = by_name(found)
    assert (row["a"].gc_seconds, row["a"].spill_bytes) == (0.5, 25)
    assert (row["b"].gc_seconds, row["b"].spill_bytes) == (0.5 + 0.5, 10 + 25)
    assert (row["c"].gc_seconds, row["c"].spill_bytes) == (0.5 + 1.5 + 1.0, 10 + 75 + 1000)
    assert (found.total.gc_seconds, found.total.spill_bytes) == (7.5, 11_110)


def test_jobs_are_counted_where_they_were_submitted() -> None:
    submitted = (WALL + 1, WALL + 2, WALL + 5, WALL + 9, 0.0)  # of the last one it is not known
    jobs = [SparkJob(number, "j", None, None, at, None, "running", ()) for number, at in enumerate(submitted)]
    found = costs([*phase("a", 0, 4), *phase("b", 6, 8)], steady(), jobs=jobs)
    assert [row.jobs for row in found.phases] == [2, 0] and found.total.jobs == 5


def test_the_columns_that_others_rely_on_come_first() -> None:
    assert COLUMNS[:19] == (
        "phase", "wall_seconds", "cpu_seconds", "cpu_percent_mean", "cpu_percent_peak", "busy_cores_mean",
        "pss_start_bytes", "pss_gained_bytes", "pss_peak_bytes", "rss_peak_bytes", "pss_peak_driver_bytes",
        "pss_peak_jvm_bytes", "pss_peak_worker_bytes", "read_bytes", "write_bytes", "gc_seconds", "spill_bytes",
        "samples", "missed_samples",
    )  # fmt: skip
