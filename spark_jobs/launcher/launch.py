"""The command howdah, also behind spark-submit.sh: finds the job and starts it, in this process or by spark-submit."""

from __future__ import annotations

import difflib
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.screen import close_screen, prepare_screen, say, screen_encoding
from recsys.conf_folder import EXPERIMENTS, GRIDS
from recsys.errors import UserError
from spark_jobs.launcher.environment import settle
from spark_jobs.launcher.installation import (
    DEFAULT_EXPERIMENT,
    DEFAULT_JOB,
    PROGRAM,
    SETTINGS,
    TUNING,
    check_installed,
    jobs,
    spark_home,
    state_folder,
)
from spark_jobs.launcher.interpreter import restart_if_needed, utf8_locale
from spark_jobs.launcher.masters import manager_of
from spark_jobs.run.messages import fail

if TYPE_CHECKING:
    from spark_jobs.launcher.arguments import Arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one job and returns its exit code; 2 for anything that the user must correct."""
    prepare_screen()
    if argv is None:
        restart_if_needed()
    return close_screen(_run(list(sys.argv[1:] if argv is None else argv)), "howdah")


def _run(words: list[str]) -> int:
    try:
        _check_directory()
        if words and words[0] in ("-h", "--help", "help"):
            say(_help())
            return 0
        if words and words[0] == "--install-java":
            from spark_jobs.launcher.java import install_java

            say(str(install_java(state_folder() / "java")))
            return 0
        return _start(*_job(words))
    except UserError as error:
        return fail(error)
    except OSError as error:  # a checkout that belongs to another user, a full disk
        return fail(UserError(f"{error.filename or error}: {error.strerror}: correct that and call again"))
    except KeyboardInterrupt:
        return 130


def _start(job: str, words: list[str]) -> int:
    """Checks the arguments and runs the job. Modules are imported as late as they are needed: a second a job."""
    check_installed(SETTINGS)
    if job == "tune":
        check_installed(TUNING, "tune")
    from spark_jobs.launcher.arguments import parse_arguments

    arguments = parse_arguments(job, words)
    _settle_environment(arguments)
    if job == "compare":
        from spark_jobs.compare import main as compare
        from spark_jobs.launcher.jvm_class_archive import OFF, SWITCH
        from spark_jobs.launcher.submit import check_spark

        check_spark(arguments)  # reported before the first run
        os.environ[SWITCH] = OFF  # so that all runs start alike
        os.environ["PYTHONIOENCODING"] = "utf-8:replace"  # of the runs, whose lines compare reads
        return compare(words)
    if arguments.reads_study:
        return _read_study(arguments)
    if arguments.needs_spark:
        from spark_jobs.launcher.submit import submit

        return submit(arguments)
    return _recommend_here(arguments)


def _check_directory() -> None:
    try:
        os.getcwd()
    except FileNotFoundError:
        raise UserError("the current directory has been deleted: change into another") from None


def _settle_environment(arguments: Arguments) -> None:
    """Sets and clears environment variables, for this process and all below it, and says which are not used."""
    cache = state_folder() / "cache"
    values = {
        "PYTHONIOENCODING": screen_encoding(),
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "KERAS_HOME": str(cache / "keras"),
        "MPLCONFIGDIR": str(cache / "matplotlib"),
        "NUMBA_CACHE_DIR": str(cache / "numba"),
    }
    if name := utf8_locale():
        values["LC_ALL"] = name
    spark = arguments.needs_spark or arguments.job == "compare"
    if spark and (home := spark_home()):
        values["SPARK_HOME"] = home
    on_cluster = manager_of(arguments.master) != "local" or arguments.names_other_file_system
    for line in settle(os.environ, values, on_cluster, spark):
        print(line, file=sys.stderr, flush=True)


def _recommend_here(arguments: Arguments) -> int:
    """Recommends without Spark, in this process: a second process would take longer to start than the job takes."""
    from spark_jobs.common import run_job
    from spark_jobs.launcher.run_directory import job_options, run_directory, scratch_folder
    from spark_jobs.recommend import run_recommend

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))  # the job ends well on Ctrl-C
    with run_directory(arguments) as run, scratch_folder(run) as scratch:
        os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
        return run_job(arguments.job, run_recommend, job_options(arguments, run))


def _read_study(arguments: Arguments) -> int:
    """Writes the page of a run's study, or the study into a file of SQLite."""
    if run := arguments.options.page:
        from spark_jobs.tuning.page import write_page

        say(f"study: {write_page(run)}")
        return 0
    from recsys.tuning.journal import export_sqlite

    path = Path(arguments.options.export).resolve() / "study.db"
    export_sqlite(path.parent, path)
    say(f"{path}: open it with optuna-dashboard sqlite:///{path}")
    return 0


def _help() -> str:
    lines = [
        f"usage: {PROGRAM} [JOB] [options] [-- spark-submit options]",
        "",
        f"Without arguments: {DEFAULT_JOB} with conf/experiments/{DEFAULT_EXPERIMENT}.toml. Jobs:",
        *(f"  {name:<12}{text}" for name, text in jobs().items()),
        "",
        "Experiments (--config NAME):",
        "  " + ", ".join(sorted(path.stem for path in EXPERIMENTS.glob("*.toml"))),
        "",
        "Tables of a comparison (compare --grid NAME):",
        "  " + ", ".join(sorted(path.stem for path in GRIDS.glob("*.toml"))),
        "",
        f"{PROGRAM} JOB --help lists a job's options and every setting.",
        f"{PROGRAM} --install-java fetches Java 17 into the virtual environment.",
    ]
    return "\n".join(lines)


def _job(words: list[str]) -> tuple[str, list[str]]:
    known = jobs()
    if not words or words[0].startswith("-"):
        return DEFAULT_JOB, words
    if words[0] not in known:
        near = difflib.get_close_matches(words[0], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise UserError(f"unknown job {words[0]!r}: {hint}")
    return words[0], words[1:]
