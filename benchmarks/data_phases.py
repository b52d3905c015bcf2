"""The data phases of this project beside the paper's method and polars: same ratings, same machine, one by one.

    .venv/bin/python benchmarks/data_phases.py                  generated data at scale 1, 1950-1960, 8 workers
    .venv/bin/python benchmarks/data_phases.py --all-years --workers 2      without the paper's method
    .venv/bin/python benchmarks/data_phases.py --scale 0.01     a look
    .venv/bin/python benchmarks/data_phases.py --data ml-25m    a folder with MovieLens' ratings.csv and movies.csv

Each program is a process of its own: the paper's method (`_paper_method.py`; of all years its dense arrays would need
over a hundred GB), polars (`_polars.py`, where it can be imported), then `./spark-submit.sh prepare` with `--profile
on` and `--profile off`. A phase's seconds are those that each program wrote down for itself; wall time and peak memory
(PSS of the process tree, sampled every second) are taken from outside, in the same manner for all, and include Spark's
start. With `--profile off` Spark's laziness moves work between phases: there, look only at the totals. The exit code is
1 if a program fails or the counts of movies, users and ratings differ; no time is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
from _process_tree import BenchmarkError, run_measured

ROOT = Path(__file__).resolve().parent.parent
PHASES = (
    "data_loading",
    "ratings_transformation",
    "movies_transformation",
    "data_integration",
    "statistical_analysis",
    "ratings_arrays",
)
OURS = ("profile on", "profile off")
COUNTS = ("movies", "users", "ratings")
GENERATE = """
import sys
from pyspark.sql import SparkSession
from recsys.data.sources.synthetic.generator import generate
builder = SparkSession.builder.master("local[*]").config("spark.ui.enabled", "false")
spark = builder.config("spark.driver.memory", "4g").getOrCreate()
generate(spark, sys.argv[1], scale=float(sys.argv[2]), seed=int(sys.argv[3]))
spark.stop()
"""


@dataclass(frozen=True)
class Result:
    """What one program cost and counted."""

    phases: dict[str, float]  # seconds by phase; without those that the program did not record
    seconds: float | None  # all six phases together; None where one is missing, as that sum would compare with nothing
    counts: dict[str, int]
    wall_seconds: float  # from the start of the process to its end
    peak_pss_bytes: int


def provide_data(folder: Path, scale: float, seed: int, log: Path) -> None:
    """Generates the data once, into a new folder only; one that holds MovieLens' own files is taken as it is."""
    if all((folder / name).is_file() for name in ("ratings.csv", "movies.csv")):
        return
    facts = folder / "synthetic.json"  # written last: with it the data are whole
    if facts.is_file():
        made = json.loads(facts.read_text(encoding="utf-8"))
        for name, wanted in (("scale", scale), ("seed", seed)):
            if made.get(name, wanted) != wanted:
                raise BenchmarkError(f"{folder} has {name} {made[name]}, not {wanted}: give another folder with --data")
        return
    if folder.exists() and any(folder.iterdir()):
        raise BenchmarkError(
            f"{folder} holds neither MovieLens' ratings.csv and movies.csv as files nor whole generated data (there is "
            "no synthetic.json): remove it, if a generation broke off there, or give another folder with --data"
        )
    environment = {"PYSPARK_PYTHON": sys.executable}
    command = [sys.executable, "-c", GENERATE, str(folder), str(scale), str(seed)]
    run_measured(command, log, cwd=ROOT, environment=environment)


def read_through(folder: Path) -> None:
    """Brings the files into the page cache, so that the first program does not pay for all."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                while file.read(1 << 24):
                    pass


def run_paper_method(options: argparse.Namespace, scratch: Path) -> Result:
    """The paper's method as its own process."""
    own = ["--workers", str(options.workers), "--driver-memory", options.driver_memory]
    # Memory is sampled from here, as for the others; sampling it twice would slow this one down.
    own += ["--partitioning", options.partitioning, "--pss-interval", "0"]
    return _run_other("_paper_method.py", own, options, scratch)


def _run_other(script: str, own: list[str], options: argparse.Namespace, scratch: Path) -> Result:
    out = scratch / f"{script}.json"
    command = [sys.executable, str(ROOT / "benchmarks" / script), *own, "--out", str(out)]
    command += ["--ratings", str(options.data / "ratings.csv"), "--movies", str(options.data / "movies.csv")]
    if not options.all_years:
        command += ["--year-from", str(options.year_from), "--year-to", str(options.year_to)]
    wall_seconds, peak_pss_bytes = run_measured(command, scratch / f"{script}.log", cwd=ROOT)
    written = json.loads(out.read_text(encoding="utf-8"))
    phases = written.get("phases", {})
    seconds = written.get("seconds", _total(phases))
    return Result(phases, seconds, {name: written[name] for name in COUNTS}, wall_seconds, peak_pss_bytes)


def _total(phases: dict[str, float]) -> float | None:
    return sum(phases.values()) if set(phases) == set(PHASES) else None


def run_ours(options: argparse.Namespace, scratch: Path, profile: str) -> Result:
    """This project's `prepare` job, with profiling on or off."""
    output = scratch / f"profile-{profile}"
    settings = {"ratings": str(options.data / "ratings.csv"), "movies": str(options.data / "movies.csv")}
    if not options.all_years:
        settings |= {"year_from": options.year_from, "year_to": options.year_to}
    config = scratch / f"profile-{profile}.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    config.write_text("\n".join(['name = "data-phases"', "[data]", *lines, ""]), encoding="utf-8")
    command = ["./spark-submit.sh", "prepare", "--config", str(config)]
    command += ["--workers", str(options.workers), "--profile", profile, "--output", str(output)]
    wall_seconds, peak_pss_bytes = run_measured(command, scratch / f"profile-{profile}.log", cwd=ROOT)
    statistics = json.loads(_only(output, "statistics.json").read_text(encoding="utf-8"))
    counts = {name: statistics[name] for name in COUNTS}
    phases = read_phases(output)
    return Result(phases, _total(phases), counts, wall_seconds, peak_pss_bytes)


def read_phases(output: Path) -> dict[str, float]:
    """Seconds of each data phase that a run recorded."""
    files = sorted(output.rglob("resources/phases.jsonl"))
    records = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines() if line]
    ends = [record for record in records if record.get("event") == "end" and record["name"] in PHASES]
    return {record["name"]: record["wall_seconds"] for record in ends}


def _only(folder: Path, name: str) -> Path:
    found = sorted(folder.rglob(name))
    if len(found) != 1:
        raise BenchmarkError(f"expected one {name} below {folder}, found {len(found)}")
    return found[0]


def differing_counts(results: dict[str, Result]) -> list[str]:
    """A line for each count on which the programs do not agree."""
    lines = []
    for count in COUNTS:
        values = {name: result.counts[count] for name, result in results.items()}
        if len(set(values.values())) > 1:
            lines.append(f"{count}: " + ", ".join(f"{name} {value:,}" for name, value in values.items()))
    return lines


def format_table(results: dict[str, Result]) -> str:
    """Seconds and memory side by side, and how often the others' go into ours: more is better for us."""
    lines = [f"{'':<28}" + "".join(f"{name:>16}" for name in results)]
    for phase in PHASES:
        lines.append(_row(phase, [result.phases.get(phase) for result in results.values()], " s"))
    measures: list[tuple[str, str, list[float | None]]] = [
        ("all data phases", " s", [result.seconds for result in results.values()]),
        ("wall, with Spark start", " s", [result.wall_seconds for result in results.values()]),
        ("peak PSS", " GB", [result.peak_pss_bytes / 1e9 for result in results.values()]),
    ]
    lines += [_row(name, values, unit) for name, unit, values in measures]
    for place, other in enumerate(results):
        if other not in OURS:
            for name, _, values in measures:
                ratios = [ratio(values[place], value) for value in values]
                lines.append(_row(f"{other}: {name}"[:28], ratios, " x"))
    return "\n".join(lines)


def ratio(other: float | None, ours: float | None) -> float | None:
    return other / ours if other is not None and ours else None


def _row(name: str, values: list[float | None], unit: str) -> str:
    return f"{name:<28}" + "".join(f"{_cell(value, unit):>16}" for value in values)


def _cell(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.2f}{unit}"


def as_json(options: argparse.Namespace, results: dict[str, Result], others_load: float) -> dict[str, Any]:
    """Everything printed but the ratios, for a machine."""
    return {
        "settings": {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()},
        "machine": {
            "cores": os.cpu_count(),
            "memory_bytes": psutil.virtual_memory().total,
            "load_average_before": others_load,
        },
        "results": {name: asdict(result) for name, result in results.items()},
        "counts_agree": not differing_counts(results),
    }


def compare(options: argparse.Namespace, scratch: Path) -> int:
    """Runs the programs and prints what they cost."""
    provide_data(options.data, options.scale, options.seed, scratch / "generate.log")
    read_through(options.data)
    others_load = os.getloadavg()[0]
    results = {}
    if not options.all_years:
        results["paper's method"] = run_paper_method(options, scratch)
    if find_spec("polars"):
        results["polars"] = _run_other("_polars.py", [], options, scratch)
    results |= {name: run_ours(options, scratch, name.split()[1]) for name in OURS}
    years = "all years" if options.all_years else f"{options.year_from}-{options.year_to}"
    print(f"\n{options.data}, {years}, {options.workers}W on {os.cpu_count()} cores;")
    print(f"the paper's method by {options.partitioning}; load average before: {others_load:.1f}\n")
    print(format_table(results))
    if options.json:
        text = json.dumps(as_json(options, results, others_load), indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")
    different = differing_counts(results)
    if different:
        print("\nThe programs do NOT agree, so that their times do not compare:\n" + "\n".join(different))
        return 1
    counts = next(iter(results.values())).counts
    print("\nAll agree: " + ", ".join(f"{counts[name]:,} {name}" for name in COUNTS))
    return 0


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="of the generated data; 1 is ml-25m's shape")
    parser.add_argument("--seed", type=int, default=1, help="of the generated data")
    parser.add_argument("--year-from", type=int, default=1950)
    parser.add_argument("--year-to", type=int, default=1960)
    parser.add_argument("--all-years", action="store_true", help="no years are left out, as the paper's method must")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--driver-memory", default="9g", help="of the paper's method")
    ways = ["coalesce", "repartition"]
    parser.add_argument("--partitioning", choices=ways, default=ways[0], help="of the lines, see _paper_method.py")
    parser.add_argument("--data", type=Path, help="folder of the data, made if absent; by default below runs/")
    parser.add_argument("--json", type=Path, help="where the results go for a machine")
    parser.add_argument("--keep", action="store_true", help="keep the logs and run directories")
    options = parser.parse_args(arguments)
    default = ROOT / "runs" / "benchmark-data" / f"synthetic-scale-{options.scale:g}-seed-{options.seed}"
    options.data = (options.data or default).resolve()
    return options


@contextmanager
def scratch_folder(keep: bool) -> Iterator[Path]:
    """A folder for logs and run directories, gone at the end unless it is to be kept."""
    folder = Path(tempfile.mkdtemp(prefix="data-phases-"))
    try:
        yield folder
    finally:
        if keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    with scratch_folder(options.keep) as scratch:
        try:
            return compare(options, scratch)
        except BenchmarkError as error:
            print(error, file=sys.stderr)
            return 1


if __name__ == "__main__":
    raise SystemExit(main())
