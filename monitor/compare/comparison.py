"""The figures of a comparison: a row a phase and column, with speed-up against the column with the fewest workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.compare.capability import Capability
from monitor.compare.runs import Column, wall_seconds
from monitor.compare.speedup import Spread, serial_fraction, spread
from monitor.report.cost import TOTAL, PhaseCost
from monitor.report.runfiles import RunFiles


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
class Losses:
    """A row of the paper's table 2, spreads over repeats; divergence = (test - train) / train."""

    column: int
    train: Spread | None
    test: Spread | None
    divergence: Spread | None


@dataclass(frozen=True)
class Comparison:
    """Columns beside each other; a row for every phase and column, the total last."""

    columns: tuple[Column, ...]
    phases: tuple[str, ...]
    rows: tuple[Row, ...]
    losses: tuple[Losses, ...]
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
    bare = Comparison(tuple(columns), _phases(columns), (), (), capability)
    rows: list[Row] = []
    for phase in (*bare.phases, TOTAL):
        for number in range(len(columns)):
            base = bare.baseline(number)
            row = _measured(phase, number, columns[number])
            rows.append(row if base == number else _against(row, _measured(phase, base, columns[base]), bare))
    losses = tuple(_losses(number, column) for number, column in enumerate(columns))
    return Comparison(bare.columns, bare.phases, tuple(rows), losses, capability)


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
        failed = (run.ended or {}).get("status", "succeeded") != "succeeded" or run.costs.total.status != "done"
        return None if failed else run.costs.total
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


def _losses(number: int, column: Column) -> Losses:
    told = [(run.metrics or {}).get("reconstruction") or {} for run in column.runs]
    train, test = [[_number(one.get(name)) for one in told] for name in ("train", "test")]
    gaps = [(b - a) / a if a and b is not None else None for a, b in zip(train, test, strict=True)]
    return Losses(number, spread(train), spread(test), spread(gaps))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
