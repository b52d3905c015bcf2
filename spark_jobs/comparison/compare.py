"""What the job compare does: data, capability, runs one after the other, comparison."""

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

from monitor.compare import GridRun, Prices, grid_run, make_comparison, write_grid
from monitor.compare.capability import measure_capability, read_capability, write_capability
from recsys.config import Config
from recsys.config.load import as_tree, build_config, without_secrets, write_config
from recsys.secrets import masked_words, secrets_in
from spark_jobs.comparison.grid import Planned, plan, varied_keys
from spark_jobs.comparison.journal import FAILED, SUCCEEDED, Campaign, Clock, Done, reason_of, time_text
from spark_jobs.comparison.subprocess import run_child
from spark_jobs.launcher.arguments import EXPERIMENTS, Arguments, parse_arguments

LAUNCHER = Path(__file__).resolve().parents[2] / "spark-submit.sh"
USER_ERROR, STOPPED = 2, 130


class Ended(Exception):
    """The comparison ends here, with that exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def run_compare(argv: Sequence[str]) -> int:
    """Everything: data, capability, runs, comparison; the exit code. What was done before is not done again."""
    arguments = parse_arguments("compare", argv)
    options = arguments.options
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = Path(options.output or Path("runs") / f"{arguments.config.name}-compare-{stamp}").resolve()
    planned = [_with_data(one, folder) for one in plan(options, arguments.config, EXPERIMENTS)]
    campaign = Campaign(folder)
    for one in planned:
        campaign.check(one.name, _identity(one, arguments))
    print(f"compare {arguments.config.name}: {len(planned)} runs, writing to {folder}", flush=True)
    with campaign.locked():
        rows = _run_all(campaign, planned, arguments)
    failed = [row for row in rows if row.status == FAILED]
    for row in failed:
        print(f"howdah: {row.name} failed: {row.reason}", file=sys.stderr)
    good = [campaign.path(row.name) for row in rows if row.status == SUCCEEDED]
    if not good:
        return 1
    keys = varied_keys(options)
    grid = (rows, keys) if options.grid else None
    index = make_comparison(good, folder, f"{arguments.config.name}: comparison", grid)
    print(f"\n{(folder / 'compare.md').read_text(encoding='utf-8')}\n{index}", flush=True)
    return 1 if failed and not options.grid else 0


def _run_all(campaign: Campaign, planned: Sequence[Planned], arguments: Arguments) -> list[GridRun]:
    options, cost = arguments.options, arguments.config.cost
    prices, keys = Prices(cost.core_hour, cost.gb_hour), varied_keys(options)
    todo = [one for one in planned if campaign.finished(one.name, options.retry) is None]
    if todo:
        _fetch(campaign, todo, arguments)
        if arguments.master.startswith("local"):
            _measure(campaign.folder, planned)
    rows: list[GridRun] = []
    for number, one in enumerate(planned, 1):
        done = campaign.finished(one.name, options.retry)
        heading = f"[run {number}/{len(planned)}] {one.name}"
        if done is None:
            left = campaign.seconds_left([run for run in planned[number - 1 :] if run in todo])
            print(f"\n{heading}{f': about {time_text(left)} left for all' if left else ''}", flush=True)
            done = _run(campaign, one, arguments)
        else:
            print(f"{heading}: {done.status} before, kept", flush=True)
        path = campaign.path(one.name)
        rows.append(grid_run(path, one.varied, one.workers, one.repeat, done.status, done.reason, prices))
        write_grid(rows, keys, campaign.folder)
    return rows


def _run(campaign: Campaign, one: Planned, arguments: Arguments) -> Done:
    """One run of train; Ended where the user stopped it, or where all others would fail as it did."""
    path = campaign.begin(one.name, _identity(one, arguments))
    log = campaign.logs / f"{one.name}.log"
    clock = Clock()
    code = _launch("train", one.config, path, log, arguments, campaign.folder)
    if code == USER_ERROR and not arguments.options.grid:
        raise Ended(code)  # its message stands above
    status = FAILED if code else SUCCEEDED
    return campaign.end(one.name, status, reason_of(path, log, code) if code else "", clock.seconds)


def _launch(job: str, config: Config, output: Path, log: Path, arguments: Arguments, folder: Path) -> int:
    """One job in a JVM of its own, settings beside its log; its exit code, or Ended where a signal stopped it."""
    options = arguments.options
    settings = log.with_suffix(".toml")
    write_config(config, settings)
    profile = "off" if job == "fetch" else options.profile
    command = [str(LAUNCHER), job, "--config", str(settings), "--output", str(output), "--profile", profile]
    for name, value in (("--master", options.master), ("--spark-conf", options.spark_conf)):
        command += [name, value] if value else []
    with _secrets(config) as secrets:
        command += ["--config", str(secrets)] if secrets else []
        command += ["--", *arguments.spark_options] if arguments.spark_options else []
        code, stopped = run_child(command, log, lambda line: print(f"    {line}", flush=True))
    if stopped:
        print(f"howdah: stopped; to go on: ./spark-submit.sh compare ... --output {folder}", file=sys.stderr)
        raise Ended(STOPPED)
    return code


@contextmanager
def _secrets(config: Config) -> Iterator[Path | None]:
    """A file, of the user's own and not for long, with the settings that are secrets; None where there are none."""
    secrets = secrets_in(config.spark)
    if not secrets:
        yield None
        return
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as file:  # readable by its owner alone
        file.write(tomli_w.dumps({"name": config.name, "spark": secrets}))
        file.flush()
        yield Path(file.name)


def _fetch(campaign: Campaign, todo: Sequence[Planned], arguments: Arguments) -> None:
    """Every data set once, before the first run, whose time would have it in otherwise."""
    wanted = {_data_set(one.config): one.config for one in todo if one.config.data.dataset}
    for number, (what, config) in enumerate(wanted.items()):
        if what in campaign.fetched:
            continue
        print(f"\n[data] {what}", flush=True)
        name = f"fetch-{len(campaign.fetched) + number}"
        everything = _with_workers(config, os.cpu_count() or 1)
        output = campaign.folder / "fetch" / name
        shutil.rmtree(output, ignore_errors=True)  # of a call that was broken off
        code = _launch("fetch", everything, output, campaign.logs / f"{name}.log", arguments, campaign.folder)
        if code:
            raise Ended(code)
        campaign.note_fetched(what)


def _measure(folder: Path, planned: Sequence[Planned]) -> None:
    counts = {1, *(one.workers for one in planned)}
    known = read_capability(folder)
    if known is None or counts - {one.processes for one in known.rates}:
        print("\n[machine] what it can give ...", flush=True)
        write_capability(measure_capability(counts), folder)


def _with_data(one: Planned, folder: Path) -> Planned:
    """All runs share a data set that would otherwise be generated or downloaded for each."""
    data = one.config.data
    if not data.dataset or data.data_dir:
        return one
    tree = as_tree(one.config)
    tree["data"]["data_dir"] = str(folder / "data")
    return Planned(one.name, build_config(tree), one.varied, one.repeat)


def _with_workers(config: Config, workers: int) -> Config:
    tree = as_tree(config)
    tree["training"]["workers"] = workers
    return build_config(tree)


def _data_set(config: Config) -> str:
    data = config.data
    which = f" at scale {data.scale:g}, seed {data.seed}" if data.dataset == "synthetic" else ""
    return f"{data.dataset}{which} in {data.data_dir}"


def _identity(one: Planned, arguments: Arguments) -> dict[str, object]:
    """What makes a run what it is: settings and how it is launched."""
    options = arguments.options
    launch = {name: getattr(options, name) for name in ("master", "spark_conf", "profile")}
    return {
        "settings": without_secrets(one.settings), **launch, "spark_options": masked_words(arguments.spark_options),
    }  # fmt: skip
