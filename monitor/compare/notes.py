"""What a reader of a comparison should notice, in plain sentences with figures."""

from __future__ import annotations

from monitor.compare.comparison import Comparison
from monitor.cost.phase_costs import TOTAL
from monitor.formatting import listed
from monitor.records import FAILED, STOPPED

BUSY = 0.5  # of the cores: from there on other work spoils a measurement
MOST_PANELS = 24


def highlights(comparison: Comparison) -> list[str]:
    """For every column with a speed-up: how the whole run and the phases at both ends did."""
    found = []
    for number, column in enumerate(comparison.columns):
        total = comparison.row(TOTAL, number)
        if total.speedup is None:
            continue
        text = f"{column.label}: the whole run is {total.speedup:.2f} times as fast"
        if total.of_machine is not None and total.machine_speedup is not None:
            text += f", {100 * total.of_machine:.0f} % of the {total.machine_speedup:.2f} that the machine gives"
        rows = [comparison.row(phase, number) for phase in comparison.phases]
        known = sorted((row for row in rows if row.speedup is not None), key=lambda row: row.speedup or 0)
        if len(known) > 1:
            text += f"; most in {known[-1].phase} ({known[-1].speedup:.2f}), least in {known[0].phase}"
            text += f" ({known[0].speedup:.2f})"
        found.append(f"{text}.")
    return found


def warnings(comparison: Comparison) -> list[str]:
    """What is missing in the figures, or may mislead."""
    found = [*_ended_early(comparison), *_without_samples(comparison), *_alone(comparison), *_machine(comparison)]
    if len(comparison.columns) > MOST_PANELS:
        found.append(
            f"{len(comparison.columns)} columns: phases are not drawn side by side for more than {MOST_PANELS}."
        )
    return found


def _ended_early(comparison: Comparison) -> list[str]:
    found = []
    for run in (run for column in comparison.columns for run in column.runs):
        ended = run.ended or {}
        if ended.get("status") == FAILED:
            error = " ".join(str(ended.get("error") or "no reason is known").split())
            how = "does not fit in memory" if ended.get("does_not_fit") else "failed"
            found.append(f"{run.name} {how} ({error}): phases that it finished count, its total does not.")
        if ended.get("status") == STOPPED:
            found.append(f"{run.name} was stopped ({ended.get('stopped')}): its times are not those of the whole work.")
    return found


def _without_samples(comparison: Comparison) -> list[str]:
    without = [run.name for column in comparison.columns for run in column.runs if not run.timeline.hosts]
    if not without:
        return []
    return [f"No samples of {listed(without, 12)}: only wall times are known."]


def _alone(comparison: Comparison) -> list[str]:
    alone = [comparison.columns[members[0]].label for members in comparison.variants.values() if len(members) == 1]
    if not alone or len(comparison.columns) == 1:
        return []
    return [f"No speed-up of {listed(alone, 12)}: there is no run that differs in the number of workers alone."]


def _machine(comparison: Comparison) -> list[str]:
    capability = comparison.capability
    if capability is None:
        return ["What this machine can give was not measured: monitor.compare.measure_capability does."]
    hosts = {host.host for column in comparison.columns for run in column.runs for host in run.timeline.hosts}
    if hosts and capability.host not in hosts:
        return [f"What the machine gives was measured on {capability.host}, the runs were on {listed(sorted(hosts))}."]
    found = []
    most = max((column.workers or 1 for column in comparison.columns), default=1)
    if most > capability.cores:
        found.append(
            f"{most} workers shared {capability.cores} cores: they cannot be {most} times as fast; the machine gives "
            f"{capability.speedup(most) or float(capability.cores):.2f} times."
        )
    if capability.load is not None and capability.load > BUSY * capability.cores:
        found.append(
            f"The machine was busy (load {capability.load:g} on {capability.cores} cores) when what it gives was "
            "measured: those figures may be too low."
        )
    return found
