"""The figures of a comparison: a row a phase and column, with speed-up against the column with the fewest workers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.compare.capability import Capability
from monitor.compare.runs import Column, wall_seconds
from monitor.cost.phase_costs import TOTAL, PhaseCost
from monitor.cost.run_files import RunFiles
from monitor.records import ENDED_WELL, SUCCEEDED


@dataclass(frozen=True)
class Spread:
    """Repeated measurements: the middle one, the extremes, and the sample standard deviation (None of fewer than 2)."""

    middle: float
    low: float
    high: float
    deviation: float | None
    count: int


def spread(values: Iterable[float | None]) -> Spread | None:
    """The spread of what is known; None of nothing."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    deviation = statistics.stdev(known) if len(known) > 1 else None
    return Spread(statistics.median(known), min(known), max(known), deviation, len(known))


def serial_fraction(speedup: float, times_workers: float) -> tuple[float | None, str]:
    """The part of the baseline's time that Amdahl's law takes for serial, and why there is none where it is None.

    S = 1 / (f + (1 - f) / W) gives f = (W / S - 1) / (W - 1), with `times_workers` = W: how many times as many
    workers (or how many times what the baseline could use). It lies in 0 to 1 only where 1 <= S <= W.
    """
    if times_workers <= 1:
        return None, "nothing more was there to be used than by the baseline"
    if speedup < 1:
        return None, "slower than the baseline"
    if speedup > times_workers:
        return None, f"faster than {times_workers:.3g} times, which Amdahl's law has no fraction for"
    return (times_workers / speedup - 1) / (times_workers - 1), ""


@dataclass(frozen=True)
class Row:
    """One phase (or the total) of one column. Speed-up and what follows from it are None for a baseline.

    Wall time, CPU seconds and memory are spreads over repeats. The speed-up is that of the middle wall times; its
    range is of the baseline's fastest over this one's slowest to the reverse. efficiency = speed-up / how many times
    as many workers. machine_speedup is what the machine gives for matrix products; of_machine = speed-up / that.
    serial_fraction takes W for the workers, machine_serial_fraction takes machine_speedup for W; `note` says why one
    is None.
    """

    phase: str
    column: int
    runs: int
    wall_seconds: Spread | None
    cpu_seconds: Spread | None
    pss_peak_bytes: Spread | None
    speedup: float | None = None
    speedup_low: float | None = None
    speedup_high: float | None = None
    efficiency: float | None = None
    machine_speedup: float | None = None
    of_machine: float | None = None
    serial_fraction: float | None = None
    machine_serial_fraction: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """Columns beside each other; a row for every phase and column, the total last."""

    columns: tuple[Column, ...]
    phases: tuple[str, ...]
    rows: tuple[Row, ...]
    capability: Capability | None

    def row(self, phase: str, column: int) -> Row:
        """The row of that phase and column."""
        return next(row for row in self.rows if (row.phase, row.column) == (phase, column))

    @property
    def variants(self) -> dict[str, list[int]]:
        """The columns of each variant, by their workers."""
        found: dict[str, list[int]] = {}
        for number, column in enumerate(self.columns):
            found.setdefault(column.variant, []).append(number)
        return found

    def baseline(self, column: int) -> int:
        """The column that this one is measured against: of the same variant, with the fewest workers."""
        return self.variants[self.columns[column].variant][0]


def compare_columns(columns: Sequence[Column], capability: Capability | None = None) -> Comparison:
    """All figures; only phases that ended well count."""
    bare = Comparison(tuple(columns), _phases(columns), (), capability)
    rows: list[Row] = []
    for phase in (*bare.phases, TOTAL):
        for number in range(len(columns)):
            base = bare.baseline(number)
            row = _measured(phase, number, columns[number])
            rows.append(row if base == number else _against(row, _measured(phase, base, columns[base]), bare))
    return Comparison(bare.columns, bare.phases, tuple(rows), capability)


def _phases(columns: Sequence[Column]) -> tuple[str, ...]:
    names = dict.fromkeys(row.phase for column in columns for run in column.runs for row in run.costs.phases)
    return tuple(names)


def _measured(phase: str, number: int, column: Column) -> Row:
    def of(pick: Callable[[RunFiles, PhaseCost], Any]) -> Spread | None:
        return spread(pick(run, cost) for run in column.runs if (cost := _cost(run, phase)) is not None)

    return Row(
        phase=phase,
        column=number,
        runs=len(column.runs),
        wall_seconds=of(lambda run, cost: wall_seconds(run) if phase == TOTAL else cost.wall_seconds),
        cpu_seconds=of(lambda _, cost: cost.cpu_seconds),
        pss_peak_bytes=of(lambda _, cost: cost.pss_peak_bytes),
    )


def _cost(run: RunFiles, phase: str) -> PhaseCost | None:
    """The phase's cost; None where it did not come to its end, since its time would look short."""
    if phase == TOTAL:
        well = (run.ended or {}).get("status", SUCCEEDED) in ENDED_WELL and run.costs.total.status == "done"
        return run.costs.total if well else None
    found = next((row for row in run.costs.phases if row.phase == phase), None)
    return found if found is not None and found.status == "done" else None


def _against(row: Row, base: Row, comparison: Comparison) -> Row:
    wall, base_wall = row.wall_seconds, base.wall_seconds
    if wall is None or base_wall is None or not wall.middle:
        return row
    column, start = comparison.columns[row.column], comparison.columns[base.column]
    speedup = base_wall.middle / wall.middle
    found: dict[str, Any] = {"speedup": speedup}
    found |= {
        "speedup_low": base_wall.low / wall.high if wall.high else None,
        "speedup_high": base_wall.high / wall.low if wall.low else None,
    }
    if column.workers and start.workers and column.workers > start.workers:
        times = column.workers / start.workers
        found["efficiency"] = speedup / times
        found["serial_fraction"], found["note"] = _fraction(speedup, column.workers, start.workers)
        machine = machine_speedup(comparison.capability, column.workers, start.workers)
        if machine:
            found |= {"machine_speedup": machine, "of_machine": speedup / machine}
            if start.workers == 1:
                found["machine_serial_fraction"], why = serial_fraction(speedup, machine)
                found["note"] = found["note"] or (f"of the machine's: {why}" if why else "")
    return Row(**{**{name: getattr(row, name) for name in Row.__dataclass_fields__}, **found})


def _fraction(speedup: float, workers: int, base_workers: int) -> tuple[float | None, str]:
    if base_workers != 1:
        return None, "the baseline is not 1 worker"
    return serial_fraction(speedup, workers)


def machine_speedup(capability: Capability | None, workers: int, base_workers: int) -> float | None:
    """What the machine gives for matrix products with that many workers instead of the baseline's."""
    if capability is None:
        return None
    many, few = capability.speedup(workers), capability.speedup(base_workers)
    return many / few if many and few else None


def column_name(comparison: Comparison, number: int) -> str:
    """A column in a few letters: its workers, such as 8W, or its label where it has none."""
    column = comparison.columns[number]
    return column.label if column.workers is None else f"{column.workers}W"
