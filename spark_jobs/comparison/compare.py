"""The job compare: data, the machine's capability, runs one after the other, the comparison."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import tomli_w

from monitor.compare import Grid, GridRun, Prices, grid_run, make_comparison, write_grid
from monitor.compare.capability import measure_capability, read_capability, write_capability
from monitor.records import DOES_NOT_FIT, ENDED_WELL, PHASES, SAMPLES, SUCCEEDED
from monitor.screen import say
from recsys.conf_folder import EXPERIMENTS
from recsys.config import Config
from recsys.config.load import as_tree, build_config, without_secrets, write_config
from recsys.json_files import read_json
from recsys.secrets import masked_words, secrets_in
from spark_jobs.comparison.grid import Planned, grid_file, plan, varied_keys
from spark_jobs.comparison.journal import Done, Journal, reason_of, status_of
from spark_jobs.comparison.subprocess import run_child
from spark_jobs.launcher.arguments import Arguments, cores, parse_arguments
from spark_jobs.launcher.installation import JOBS_FOLDER, PROGRAM
from spark_jobs.launcher.limits import limits_of
from spark_jobs.run.messages import time_text

LAUNCHER = JOBS_FOLDER / "__main__.py"
USER_ERROR, STOPPED = 2, 130


class Ended(Exception):
    """The comparison ends here, with that exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def run_compare(argv: Sequence[str]) -> int:
    """Runs the whole comparison and returns the exit code. What an earlier call finished is not done again."""
    arguments = parse_arguments("compare", argv)
    options = arguments.options
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = Path(options.output or Path("runs") / f"{arguments.config.name}-compare-{stamp}").resolve()
    planned = [_with_data(run, folder) for run in plan(options, arguments.config, EXPERIMENTS)]
    journal = Journal(folder)
    for run in planned:
        journal.check(run.name, _identity(run, arguments))
        limits_of(run.config, options.master or "local", cores())
    say(f"compare {arguments.config.name}: {len(planned)} runs, writing to {folder}")
    with journal.locked():
        rows = _run_all(journal, planned, arguments)
    for row in rows:
        if row.status not in ENDED_WELL:
            print(f"howdah: {row.name} {row.status}: {row.reason}", file=sys.stderr)
    _compare(journal, rows, arguments)
    statuses = {row.status for row in rows}
    if options.grid:  # a run that does not fit is a result as well
        return 0 if statuses & {*ENDED_WELL, DOES_NOT_FIT} else 1
    return 0 if statuses <= {*ENDED_WELL} else 1


def _compare(journal: Journal, rows: Sequence[GridRun], arguments: Arguments) -> None:
    """Writes and shows the comparison of what ended well, and of what does not fit as far as it came."""
    options, folder = arguments.options, journal.folder
    shown = [
        journal.path(row.name)
        for row in rows
        if row.status in ENDED_WELL or (row.status == DOES_NOT_FIT and _has_begun(journal.path(row.name)))
    ]
    if not shown:
        return
    file = grid_file(options)
    grid = Grid(rows, varied_keys(options), file.columns if file else ()) if options.grid else None
    title = file.title if file else f"{arguments.config.name}: comparison"
    index = make_comparison(shown, folder, title, grid)
    say(f"\n{(folder / 'compare.md').read_text(encoding='utf-8')}\n{index}")


def _has_begun(run: Path) -> bool:
    """Whether there is anything to see of a run that did not come to its end."""
    return any((run / "resources" / name).is_file() for name in (PHASES, SAMPLES))


def _run_all(journal: Journal, planned: Sequence[Planned], arguments: Arguments) -> list[GridRun]:
    options, cost = arguments.options, arguments.config.cost
    prices, keys = Prices(cost.core_hour, cost.gb_hour), varied_keys(options)
    todo = [run for run in planned if journal.finished(run.name, options.retry) is None]
    if todo:
        _fetch(journal, todo, arguments)
        # what the machine gives is no measure of runs on a part of it
        if arguments.master.startswith("local") and not any(run.config.machine.cores for run in planned):
            _measure(journal.folder, planned)
    rows: list[GridRun] = []
    for number, run in enumerate(planned, 1):
        done = journal.finished(run.name, options.retry)
        heading = f"[run {number}/{len(planned)}] {run.name}"
        if done is None:
            left = journal.seconds_left([later for later in planned[number - 1 :] if later in todo])
            say(f"\n{heading}{f': about {time_text(left)} left for all' if left else ''}")
            done = _run(journal, run, arguments)
        else:
            say(f"{heading}: {done.status} before, kept")
        path = journal.path(run.name)
        rows.append(grid_run(path, run.varied, run.workers, run.repeat, done.status, done.reason, prices))
        write_grid(rows, keys, journal.folder)
    return rows


def _run(journal: Journal, run: Planned, arguments: Arguments) -> Done:
    """Runs train once. Ended where the user stopped it, or where all other runs would fail in the same way."""
    path = journal.begin(run.name, _identity(run, arguments))
    log = journal.logs / f"{run.name}.log"
    started = time.monotonic()
    code = _launch("train", run.config, path, log, arguments, journal.folder)
    if code == USER_ERROR and not arguments.options.grid and not read_json(path / "run.json").get("does_not_fit"):
        raise Ended(code)  # its message is above
    seconds = time.monotonic() - started
    if code:
        return journal.end(run.name, status_of(path), reason_of(path, log, code), seconds)
    ended = read_json(path / "run.json")
    return journal.end(run.name, ended.get("status", SUCCEEDED), str(ended.get("stopped", "")), seconds)


def _launch(job: str, config: Config, output: Path, log: Path, arguments: Arguments, folder: Path) -> int:
    """Runs one job in its own JVM, its settings in a file beside its log; its exit code. Ended after a signal."""
    options = arguments.options
    settings = log.with_suffix(".toml")
    write_config(config, settings)
    profile = "off" if job == "fetch" else options.profile
    command = [sys.executable, str(LAUNCHER), job]
    command += ["--config", str(settings), "--output", str(output), "--profile", profile]
    for name, value in (("--master", options.master), ("--spark-conf", options.spark_conf)):
        command += [name, value] if value else []
    with _secrets(config) as secrets:
        command += ["--config", str(secrets)] if secrets else []
        command += ["--", *arguments.spark_options] if arguments.spark_options else []
        code, stopped = run_child(command, log, lambda line: say(f"    {line}"))
    if stopped:
        print(f"howdah: stopped; to continue: {PROGRAM} compare ... --output {folder}", file=sys.stderr)
        raise Ended(STOPPED)
    return code


@contextmanager
def _secrets(config: Config) -> Iterator[Path | None]:
    """A temporary file, readable by its owner alone, with the secret settings; None where there are none."""
    secrets = secrets_in(config.spark)
    if not secrets:
        yield None
        return
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as file:
        file.write(tomli_w.dumps({"name": config.name, "spark": secrets}))
        file.flush()
        yield Path(file.name)


def _fetch(journal: Journal, todo: Sequence[Planned], arguments: Arguments) -> None:
    """Fetches every data set once before the first run, so that no run's time includes it."""
    wanted = {_data_set(run.config): run.config for run in todo if run.config.data.dataset}
    for number, (what, config) in enumerate(wanted.items()):
        if what in journal.fetched:
            continue
        say(f"\n[data] {what}")
        name = f"fetch-{len(journal.fetched) + number}"
        everything = _with_workers(config, os.cpu_count() or 1)
        output = journal.folder / "fetch" / name
        shutil.rmtree(output, ignore_errors=True)  # of an interrupted call
        code = _launch("fetch", everything, output, journal.logs / f"{name}.log", arguments, journal.folder)
        if code:
            raise Ended(code)
        journal.note_fetched(what)


def _measure(folder: Path, planned: Sequence[Planned]) -> None:
    counts = {1, *(run.workers for run in planned)}
    known = read_capability(folder)
    if known is None or counts - {rate.processes for rate in known.rates}:
        say("\n[machine] measuring what it can do ...")
        write_capability(measure_capability(counts), folder)


def _with_data(run: Planned, folder: Path) -> Planned:
    """The run with the comparison's data folder, so that a data set is not generated or downloaded for each run."""
    data = run.config.data
    if not data.dataset or data.data_dir:
        return run
    tree = as_tree(run.config)
    tree["data"]["data_dir"] = str(folder / "data")
    return Planned(run.name, build_config(tree), run.varied, run.repeat)


def _with_workers(config: Config, workers: int) -> Config:
    """The settings with so many workers, on the whole machine."""
    tree = as_tree(config)
    tree["training"]["workers"] = workers
    tree.pop("machine", None)
    return build_config(tree)


def _data_set(config: Config) -> str:
    data = config.data
    which = f" at scale {data.scale:g}, seed {data.seed}" if data.dataset == "synthetic" else ""
    return f"{data.dataset}{which} in {data.data_dir}"


def _identity(run: Planned, arguments: Arguments) -> dict[str, object]:
    """The settings of a run and how it is launched: a finished run with another identity is not reused."""
    options = arguments.options
    launch = {name: getattr(options, name) for name in ("master", "spark_conf", "profile")}
    return {
        "settings": without_secrets(run.settings), **launch, "spark_options": masked_words(arguments.spark_options),
    }  # fmt: skip
