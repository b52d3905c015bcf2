"""The frame of every job: arguments, run directory, Spark session, phases, errors, exit codes."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import monitor
from monitor.records import FAILED, STOPPED, SUCCEEDED, PhaseRecord
from monitor.screen import ScreenHandler, close_screen, prepare_screen
from recsys.config import Config
from recsys.config.load import write_config
from recsys.errors import DoesNotFit, UserError
from spark_jobs.launcher.arguments import Arguments, parse_arguments
from spark_jobs.launcher.installation import PROGRAM
from spark_jobs.run import directory
from spark_jobs.run.failure import FULL, explain, first_line
from spark_jobs.run.imports import import_ahead, needed_by, use_compiled_pyspark
from spark_jobs.run.messages import fail
from spark_jobs.run.profiling import Profile

if TYPE_CHECKING:  # imported late: recommend needs no Spark
    from pyspark.sql import SparkSession

PHASES = (
    "data_loading",
    "ratings_transformation",
    "movies_transformation",
    "data_integration",
    "statistical_analysis",
    "ratings_arrays",
    "model_training",
    "model_evaluation",
    "recommendation_testing",
)
_PHASES_OF = {
    "prepare": PHASES[:6],
    "recommend": PHASES[:6],
    "evaluate": (*PHASES[:6], "model_evaluation"),
    "tune": PHASES[:8],
}
_SAMPLE_SECONDS = 0.5
REPORT_SECTIONS = "spark_jobs.run.report_sections:EXTENSION"


@dataclass(frozen=True)
class Run:
    """One execution of a job."""

    arguments: Arguments
    config: Config
    path: Path
    recorder: monitor.Recorder
    profile: Profile
    started: float
    ended: dict[str, Any] = field(default_factory=lambda: {"status": SUCCEEDED})  # for run.json, unless it fails
    at_end: list[tuple[str, Callable[[], object]]] = field(default_factory=list)  # what to `draw` however it ends

    def phase(self, name: str) -> AbstractContextManager[None]:
        """A context that records a phase."""
        return self.recorder.phase(name)

    def say(self, text: str) -> None:
        """Writes a message to the screen and to run.log."""
        _log.info(text)

    def stopped(self, why: str) -> None:
        """Records that the run ends early on purpose, and says how to go on."""
        self.ended.update(status=STOPPED, stopped=why)
        self.say(f"stopped by {why}; {PROGRAM} train --resume {self.path} goes on")

    def write_json(self, name: str, value: Any) -> None:
        """Writes a JSON file into the run directory."""
        directory.write_json(self.path / name, value)

    def draw(self, what: str, draw: Callable[[], object]) -> None:
        """Calls `draw`. A failure is logged and ends nothing: the run is complete without pictures."""
        try:
            draw()
        except Exception as error:
            _log.debug("".join(traceback.format_exception(error)))
            _log.warning(f"{what} could not be made: {type(error).__name__}: {first_line(error)}")

    def session(self) -> SparkSession:
        """The Spark session; its properties and the machine are written to environment.json."""
        from pyspark.sql import SparkSession

        from recsys.session import PROPERTIES
        from recsys.training.kernels import described
        from recsys.workers import LIGHT, ship, warm_up

        import_ahead(needed_by(self.arguments.job, self.config, self.arguments.profile))
        builder = SparkSession.builder.appName(f"howdah-{self.arguments.job}")
        submitted = _submitted()
        for key, value in {**PROPERTIES, **self.profile.settings(submitted)}.items():
            builder = builder.config(key, value)
        if "spark.master" not in submitted:
            builder = builder.master(self.arguments.master)
        spark = builder.getOrCreate()
        ship(spark.sparkContext)
        warm_up(spark.sparkContext, LIGHT)  # while the driver looks at the data
        # PySpark's own handler calls the JVM in the middle of another call and may take that call's answer
        signal.signal(signal.SIGINT, _interrupt)
        self.write_json(
            "environment.json",
            {
                "directory": os.environ.get("HOWDAH_DIRECTORY") or os.getcwd(),
                "prepared": getattr(self.arguments.options, "prepared", None),
                "kernels": described(self.config),
                **directory.describe_environment(dict(spark.sparkContext.getConf().getAll())),
            },
        )
        self.profile.begin(spark)
        return spark


_log = logging.getLogger("howdah")
_interrupts: list[int] = []


def run_job(job: str, body: Callable[[Run], None], argv: Sequence[str] | None = None) -> int:
    """Runs `body` with a run directory and returns the exit code. run.json says how it ended, also after a failure."""
    started = time.monotonic()
    prepare_screen()  # also where the user called spark-submit directly
    use_compiled_pyspark()
    try:
        arguments = parse_arguments(job, sys.argv[1:] if argv is None else argv)
        path = _output(arguments)
    except UserError as error:
        return fail(error)
    _log_to(path / "run.log")
    signal.signal(signal.SIGINT, _interrupt)
    keeps = arguments.leaves_directory
    interval = _SAMPLE_SECONDS if job != "recommend" and arguments.profile else None
    profile = Profile(path / "resources", interval)
    with monitor.record(
        path, _show_phases(arguments, profile), interval=interval, extensions=[REPORT_SECTIONS]
    ) as recorder:
        run = Run(arguments, arguments.config, path, recorder, profile, started)
        code, ended = 0, run.ended
        try:
            if job != "recommend":  # that has the settings of the model
                run.say(f"{job} {arguments.config.name}: master {arguments.master}, writing to {path}")
                write_config(run.config, path / "config.toml")
            try:
                body(run)
            finally:
                recorder.stop_sampling()
        except (Exception, KeyboardInterrupt) as error:
            _log.debug("".join(traceback.format_exception(error)))
            code, ended = _failed(run, error)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing interrupts the end
            if not _interrupts:
                profile.end()
                _stop_spark()
            profile.gather()
            if not keeps:
                _forget(path)
        seconds = round(time.monotonic() - run.started, 1)
    if keeps:
        _finish(run, {**ended, "seconds": seconds})
        if code == 0:
            early = ", stopped early" if ended["status"] == STOPPED else ""
            run.say(f"done in {seconds:,.0f} s{early}: {path}")
    return code


def exit_with(code: int) -> None:
    """Ends the process with that code."""
    code = close_screen(code, "howdah")
    if _interrupts:
        os._exit(code)  # the JVM waits for the end of an interrupted call: nothing may call it any more
    sys.exit(code)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    """Ends the body, wherever it is. Recorded, because the code that it ends may turn the exception into another."""
    _interrupts.append(number)
    for handler in _log.handlers:  # errors of interrupted calls go to run.log, not to the screen
        if isinstance(handler, logging.FileHandler) and handler.stream:
            os.dup2(handler.stream.fileno(), 2)
    raise KeyboardInterrupt


def _failed(run: Run, error: BaseException) -> tuple[int, dict[str, Any]]:
    """Prints the reason; the exit code, and the content of run.json."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    text, code = ("stopped by the user", 130) if _interrupts else explain(error, run.arguments, run.path)
    _log.error(f"howdah: {text}")
    fits_not = {"does_not_fit": True} if isinstance(error, DoesNotFit) or directory.is_of_memory(repr(error)) else {}
    return code, {"status": FAILED, "error": text, "phase": run.recorder.current, **fits_not}


def _finish(run: Run, ended: dict[str, Any]) -> None:
    """Makes the report, then run.json; run.json first after an interrupt or on a full disk."""
    hurry = bool(_interrupts) or FULL in ended.get("error", "")
    try:
        if hurry:
            directory.finish(run.path, **ended)
        for what, draw in run.at_end:
            run.draw(what, draw)
        _report(run, ended)
        if not hurry:
            directory.finish(run.path, **ended)
    except OSError as error:
        _log.error(f"howdah: run.json cannot be written: {error.strerror}")


def _report(run: Run, ended: dict[str, Any]) -> None:
    """Makes the report of a run that was sampled."""
    samples = run.path / "resources" / "samples.jsonl"
    if not run.arguments.leaves_directory or not samples.exists() or not samples.stat().st_size:
        return
    from monitor.report import make_report  # late: with what it needs a quarter of a second

    run.draw("the report", lambda: run.say(f"report: {make_report(run.path, ended)}"))


def _output(arguments: Arguments) -> Path:
    """The run directory: the launcher's, or a new one where the user called spark-submit directly."""
    if not arguments.leaves_directory:
        return Path(tempfile.mkdtemp(prefix="howdah-"))
    output = arguments.options.output
    path = Path(output) if output else Path("runs") / f"{arguments.config.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    path = path.resolve()
    if not (path / "resources").is_dir():
        directory.create(path)
    return path


def _forget(path: Path) -> None:
    """Closes the log and removes the temporary directory of a job that leaves nothing."""
    for handler in [handler for handler in _log.handlers if isinstance(handler, logging.FileHandler)]:
        handler.close()
        _log.removeHandler(handler)
    shutil.rmtree(path, ignore_errors=True)


def _log_to(path: Path) -> None:
    """Sends all messages with their times to run.log, and those from INFO on to the screen."""
    logging.raiseExceptions = False  # on a full disk the screen stays readable
    _log.setLevel(logging.DEBUG)
    file = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    screen = ScreenHandler()
    screen.setLevel(logging.INFO)
    screen.setFormatter(logging.Formatter("%(message)s"))
    _log.handlers[:] = [file, screen]
    _log.propagate = False


def _show_phases(arguments: Arguments, profile: Profile) -> Callable[[PhaseRecord], None]:
    """A listener for phases: it prints their begin and end and informs the profile."""
    phases = _PHASES_OF.get(arguments.job, PHASES)

    def show(record: PhaseRecord) -> None:
        profile.hear(record)
        name = record["name"]
        number = f"[{phases.index(name) + 1}/{len(phases)}] " if name in phases else ""
        if record["event"] == "start":
            _log.info(f"{number}{name} ...")
        elif record["status"] == "done":
            _log.info(f"{number}{name}: {record['wall_seconds']:,.1f} s")

    return show


def _submitted() -> dict[str, str]:
    """The properties that spark-submit was given."""
    from pyspark import SparkConf, SparkContext

    SparkContext._ensure_initialized()
    return dict(SparkConf().getAll())


def _stop_spark() -> None:
    if "pyspark.sql" not in sys.modules:
        return
    from pyspark.sql import SparkSession

    spark = SparkSession.getActiveSession()
    if spark is not None:
        try:
            spark.stop()
        except Exception as error:  # the JVM may be gone already
            _log.debug(f"stopping Spark: {error}")
