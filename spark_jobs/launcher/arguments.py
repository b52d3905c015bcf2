"""The command line: the same for the launcher, which checks it before Spark starts, and for the jobs."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from recsys.conf_folder import EXPERIMENTS
from recsys.config import Config
from recsys.config.keys import keys_of
from recsys.config.load import as_tree, build_config, load_config, load_tree, without_secrets
from recsys.config.ranges import Space
from recsys.errors import UserError
from spark_jobs.comparison.grid import layers, plan
from spark_jobs.launcher.installation import DEFAULT_EXPERIMENT, PROGRAM, jobs
from spark_jobs.launcher.recommend_options import add_recommend_options, check_recommend, positive
from spark_jobs.launcher.tune_options import add_tune_options, settle_tune, space_as_tree, space_from_tree
from spark_jobs.run.resume import DATA_PATHS, SCHEME, config_to_resume
from spark_jobs.run.trained_run import config_of, config_to_evaluate, run_of


@dataclass(frozen=True)
class Arguments:
    """The command line of a job, checked."""

    job: str
    config: Config
    given: frozenset[str]  # keys of the data table that the user set, in files or by --set
    options: argparse.Namespace
    spark_options: tuple[str, ...]
    space: Space | None = None  # what tune searches

    @property
    def cores_wanted(self) -> int:
        """The cores that all workers take that are at work at once: of tune, those of several trials."""
        workers = self.config.training.workers
        if self.job != "tune":
            return workers
        limit = self.config.machine.cores or cores()
        return workers * (self.options.parallel or max(1, limit // workers))

    @property
    def master(self) -> str:
        """The Spark master: the user's, otherwise local with one core for each worker, as far as there are (or may be)
        cores."""
        limit = self.config.machine.cores or cores()
        return str(self.options.master or f"local[{min(self.cores_wanted, limit)}]")

    @property
    def needs_spark(self) -> bool:
        """Whether the job starts Spark itself. `compare` does not, nor does `recommend` for given ratings or a prepared
        user."""
        if self.job == "compare" or self.reads_study:
            return False
        return self.job != "recommend" or self.options.all or not (self.options.ratings or self.options.prepared)

    @property
    def reads_study(self) -> bool:
        """Whether the job only writes a study that is there into a file, or its page."""
        return self.job == "tune" and (self.options.export is not None or self.options.page is not None)

    @property
    def names_other_file_system(self) -> bool:
        """Whether a path of the settings, of a model's or of --output has a scheme, such as hdfs:."""
        data, output = self.config.data, getattr(self.options, "output", None)
        if self.job == "recommend":
            with contextlib.suppress(UserError):  # which the job itself will say
                data = config_of(run_of(self.options.model)).data
        paths = [output, *(getattr(data, key) for key in DATA_PATHS)]
        return any(path and SCHEME.match(str(path)) for path in paths)

    @property
    def leaves_directory(self) -> bool:
        """Whether the job leaves a run directory: `recommend` does so only for one user and with --output."""
        return self.job != "recommend" or (self.options.output is not None and not self.options.all)

    @property
    def profile(self) -> bool:
        """Whether every phase materialises its own result."""
        return bool(self.options.profile == "on")


def cores() -> int:
    """The cores of this machine that may be used."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}: see {PROGRAM} {self.prog.split()[-1]} --help")


def parse_arguments(job: str, argv: Sequence[str]) -> Arguments:
    """The arguments of one job; UserError, in one line with the remedy, where they are wrong."""
    for word in argv:
        check_utf8(word)
    own, spark_options = list(argv), []
    if "--" in own:
        cut = own.index("--")
        own, spark_options = own[:cut], own[cut + 1 :]
    if any(word == "--master" or word.startswith("--master=") for word in spark_options):
        raise UserError("--master after --: write it before --, so that conf/spark and the checks fit the master")
    parser = job_parser(job)
    options, unknown = parser.parse_known_args(own)
    _check_local(job, options)
    if unknown:
        known = [text for action in parser._actions for text in action.option_strings]
        near = difflib.get_close_matches(unknown[0].split("=")[0], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"see {PROGRAM} {job} --help (Spark's own options go after --)"
        raise UserError(f"unknown option {unknown[0]}: {hint}")
    if job == "recommend":
        check_recommend(options)
        workers = options.workers or (cores() if options.all else 1)
        config = build_config({"name": job, "training": {"workers": workers}})
        return Arguments(job, config, frozenset(), options, tuple(spark_options))
    if job != "compare" and options.resolved:
        tree = json.loads(options.resolved)
        space = space_from_tree(tree["space"]) if tree.get("space") else None
        own_config = build_config(tree["config"])
        return Arguments(job, own_config, frozenset(tree["given"]), options, tuple(spark_options), space)
    if job == "evaluate":
        return Arguments(job, config_to_evaluate(options, EXPERIMENTS), frozenset(), options, tuple(spark_options))
    if job == "train" and options.resume:
        return Arguments(job, config_to_resume(options, EXPERIMENTS), frozenset(), options, tuple(spark_options))
    if job == "tune" and (options.export or options.page):
        return Arguments(job, build_config({"name": job}), frozenset(), options, tuple(spark_options))
    if job == "tune" and options.resume:
        config = config_to_resume(options, EXPERIMENTS, job, bool(options.trials or options.timeout))
        space = settle_tune(options, config)
        return Arguments(job, config, frozenset(), options, tuple(spark_options), space)
    files = layers(options) if job == "compare" else options.config or [DEFAULT_EXPERIMENT]
    config = load_config(files, options.set, EXPERIMENTS)
    # keys of the default experiment, and defaults, do not count as given
    given = load_tree(options.config or [], options.set, EXPERIMENTS).get("data", {})
    if job == "compare":
        plan(options, config, EXPERIMENTS)  # refuses runs that cannot be made
    elif options.workers is not None:
        config = build_config({**_tree(config), "training": {**_tree(config)["training"], "workers": options.workers}})
    space = settle_tune(options, config) if job == "tune" else None
    return Arguments(job, config, frozenset(given), options, tuple(spark_options), space)


def check_utf8(text: str, what: str = "") -> None:
    """UserError for a text with bytes that are not UTF-8, as file names may have: Java cannot open these."""
    try:
        text.encode()
    except UnicodeEncodeError:
        shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise UserError(f"{what}{shown}: is not UTF-8, and Spark cannot open such names: rename it") from None


def _check_local(job: str, options: argparse.Namespace) -> None:
    """UserError where a folder that the driver itself reads or writes is on another file system."""
    names = ["prepared", "resume", *([] if job == "recommend" else ["output"])]
    for name in names:
        value = getattr(options, name, None)
        if value and SCHEME.match(str(value)):
            raise UserError(
                f"--{name} {value}: must be a folder of this machine; if executors on other machines use it too, a "
                "folder that all of them have mounted (NFS)"
            )


def resolved(arguments: Arguments) -> str:
    """The settings in one argument, so that a job needs no file of the machine that it was started from. Secrets are
    left out: Spark's properties hold them."""
    tree = {"config": without_secrets(_tree(arguments.config)), "given": sorted(arguments.given)}
    return json.dumps(tree | ({"space": space_as_tree(arguments.space)} if arguments.space else {}))


def job_parser(job: str) -> argparse.ArgumentParser:
    """The options of a job."""
    parser = _Parser(
        prog=f"{PROGRAM} {job}",
        description=jobs().get(job),
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_settings_help() if job != "recommend" else None,
    )
    if job != "recommend":
        parser.add_argument(
            "--config",
            action="append",
            metavar="FILE",
            help="settings: a TOML file, or the name of an experiment in conf/experiments; may be repeated, a later "
            f"file overrides an earlier one key by key (default: {DEFAULT_EXPERIMENT})",
        )
        parser.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, such as model.hidden=[200]"
        )
        if job == "compare":
            _add_compare_options(parser)
        else:
            parser.add_argument("--workers", type=positive, metavar="N", help="short for --set training.workers=N")
            parser.add_argument(
                "--output", metavar="DIR", help="the run directory, new or empty (default: runs/NAME-TIME)"
            )
    else:
        parser.set_defaults(config=None, set=[])
        add_recommend_options(parser)
    if job == "evaluate":
        parser.add_argument("--model", metavar="DIR", help="a run directory of train (required)")
        parser.add_argument(
            "--prepared",
            metavar="DIR",
            help="the data set that the model was trained on, if it is elsewhere",
        )
    if job == "prepare":
        parser.add_argument(
            "--format",
            choices=["parquet", "tfrecord"],
            default="parquet",
            help="parquet: a data set for train --prepared; tfrecord: ratings for TensorFlow alone (tf.train.Example), "
            "split into training and test (default: parquet)",
        )
    if job == "train":
        parser.add_argument(
            "--resume", metavar="RUN", help="continue a run that was stopped, in its directory and with its settings"
        )
        parser.add_argument("--prepared", metavar="DIR", help="a data set made by the job prepare, instead of [data]")
    if job == "tune":
        add_tune_options(parser)
    parser.add_argument(
        "--master",
        metavar="URL",
        help="the Spark master (default: local[N], a core for each worker as far as there are cores)",
    )
    parser.add_argument(
        "--spark-conf", metavar="FILE", help="Spark properties (default: the file in conf/spark that fits the master)"
    )
    parser.add_argument(
        "--profile",
        choices=["on", "off"],
        default="on",
        help="on: every phase materialises its result, so that its cost is measured in it; off: the fastest run",
    )
    if job != "compare":
        parser.add_argument("--resolved", help=argparse.SUPPRESS)
    return parser


def _add_compare_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers", type=positive, nargs="+", metavar="N",
        help="worker counts to compare, as in 1 8 (default: 1 and the settings'; with --grid the settings' alone)",
    )  # fmt: skip
    parser.add_argument(
        "--repeat", type=positive, default=1, metavar="N", help="run everything N times, in turn (default: 1)"
    )
    parser.add_argument(
        "--grid", action="append", default=[], metavar="KEY=V1,V2|FILE",
        help="vary a setting, such as data.year_to=1960,1970,1980, a Spark property, workers, or config (names of "
        "experiments); may be repeated: every combination is run. Or a grid file, or its name in conf/grids",
    )  # fmt: skip
    parser.add_argument("--retry", action="store_true", help="run again the runs that failed in an earlier call")
    parser.add_argument(
        "--output", metavar="DIR",
        help="the comparison's directory, new or of an earlier call to continue (default: runs/NAME-compare-TIME)",
    )  # fmt: skip


def _settings_help() -> str:
    lines = ["settings (key, type, default, unit):"]
    for key, kind, default, unit, text in keys_of():
        about = ", ".join(part for part in (kind, f"default {default}" if default else "", unit) if part)
        lines += [f"  {key}  ({about})", f"      {text}"]
    lines.append("Options after -- go to spark-submit unchanged.")
    return "\n".join(lines)


def _tree(config: Config) -> dict[str, Any]:
    return as_tree(config)


def run_directory_given(arguments: Arguments) -> Path | None:
    """The run directory that the user named, absolute; None where none was named."""
    if getattr(arguments.options, "resume", None):
        return Path(arguments.options.resume).resolve()
    return Path(arguments.options.output).resolve() if arguments.options.output else None
