"""Behind spark-submit.sh: checks everything that can be checked, starts spark-submit and looks after it."""

from __future__ import annotations

import contextlib
import difflib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from recsys.errors import UserError
from recsys.secrets import secrets_in
from spark_jobs.launcher import arguments as arguments_module
from spark_jobs.launcher.arguments import (
    DEFAULT_EXPERIMENT,
    DEFAULT_JOB,
    PROGRAM,
    Arguments,
    fail,
    jobs,
    parse_arguments,
)
from spark_jobs.launcher.java import find_java, install_java, small_heap
from spark_jobs.launcher.jvm_class_archive import OFF, SWITCH, ClassArchive
from spark_jobs.launcher.lock import alone
from spark_jobs.launcher.package import pack
from spark_jobs.launcher.secret import cluster_secret, with_secrets
from spark_jobs.launcher.supervise import run_to_end
from spark_jobs.run import directory as _rundir
from spark_jobs.run.profiling import gather
from spark_jobs.run.resume import SCHEME, told

ROOT = Path(__file__).resolve().parents[2]
_PYTHON = str(ROOT / ".venv" / "bin" / "python")
_PLACES = {"spark://": "standalone", "yarn": "yarn", "k8s": "kubernetes"}
# what makes one executor of one core for each training worker
_EXECUTORS = {
    "standalone": "spark.cores.max",
    "yarn": "spark.executor.instances",
    "kubernetes": "spark.executor.instances",
}


def main(argv: Sequence[str]) -> int:
    """Runs one job by spark-submit and returns its exit code; 2 for anything that the user must mend."""
    try:
        if argv and argv[0] in ("-h", "--help", "help"):
            print(_help())
            return 0
        if argv and argv[0] == "--install-java":
            print(install_java(ROOT / ".venv" / "java"))
            return 0
        job, rest = _job(list(argv))
        arguments = parse_arguments(job, rest)
        if job == "compare":
            _compare(arguments, rest)
        java = _java() if arguments.needs_spark else None
        environment = _environment(arguments, java)
        properties = _properties(arguments)
        secrets = {**secrets_in(arguments.config.spark), **cluster_secret(arguments, _place(arguments.master))}
        with _run_directory(arguments) as run:
            scratch = _scratch(run)
            if secrets and arguments.needs_spark:
                properties = with_secrets(properties, secrets, scratch)
            environment["TMPDIR"] = str(scratch)  # what Python's libraries put down for a while, too
            classes = _class_archive(arguments, java) if java else None
            code = 1
            try:
                command = _command(arguments, properties, run, scratch, classes.options if classes else [])
                code = _run(command, environment, arguments, run, forgive=classes is not None and classes.making)
                return code
            finally:
                if classes:
                    classes.close(code == 0)
                shutil.rmtree(scratch, ignore_errors=True)
    except UserError as error:
        return fail(error)
    except OSError as error:  # a checkout that is another's, a full disk
        return fail(UserError(f"{error.filename or error}: {error.strerror}: mend that, and call it again"))
    except KeyboardInterrupt:
        return 130


def _compare(arguments: Arguments, argv: list[str]) -> NoReturn:
    """Becomes the job that calls this launcher for every run: in between nothing needs looking after."""
    _java()  # what a run would miss is said before the first one
    _properties(arguments)
    script = str(ROOT / "spark_jobs" / "compare.py")
    sys.stdout.flush()
    # all runs start alike, whichever is the first, and whatever ran meanwhile
    os.execve(sys.executable, [sys.executable, script, *argv], {**_environment(arguments, None), SWITCH: OFF})


def _help() -> str:
    lines = [
        f"usage: {PROGRAM} [JOB] [options] [-- spark-submit options]",
        "",
        f"Without arguments: {DEFAULT_JOB} with conf/experiments/{DEFAULT_EXPERIMENT}.toml. Jobs:",
        *(f"  {name:<12}{text}" for name, text in jobs().items()),
        "",
        "Experiments (--config NAME):",
        "  " + ", ".join(sorted(path.stem for path in arguments_module.EXPERIMENTS.glob("*.toml"))),
        "",
        f"{PROGRAM} JOB --help lists a job's options and every setting.",
        f"{PROGRAM} --install-java fetches Java 17 into .venv/java.",
    ]
    return "\n".join(lines)


def _job(argv: list[str]) -> tuple[str, list[str]]:
    known = jobs()
    if not argv or argv[0].startswith("-"):
        return DEFAULT_JOB, argv
    if argv[0] not in known:
        near = difflib.get_close_matches(argv[0], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise UserError(f"unknown job {argv[0]!r}: {hint}")
    return argv[0], argv[1:]


def _java() -> Path:
    folder = ROOT / ".venv" / "java"
    try:
        return find_java(folder)
    except UserError:
        if not sys.stdin.isatty():
            raise
        print(
            f"howdah: Java 17 or 21 is needed and none was found; fetch one into {folder}? [y/N] ", end="", flush=True
        )
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise
        return install_java(folder)


def _environment(arguments: Arguments, java: Path | None) -> dict[str, str]:
    """The environment of the job: with Java for Spark, or for Python alone."""
    if java is None:
        return {**os.environ, "PYTHONPATH": str(ROOT)}
    environment = {**os.environ, "JAVA_HOME": str(java), "SPARK_HOME": _spark_home()}
    environment.pop("PYTHONPATH", None)  # the job and its workers have what --py-files ships, as on any cluster
    environment.setdefault("PYSPARK_PYTHON", _PYTHON)
    environment.setdefault("PYSPARK_DRIVER_PYTHON", _PYTHON)
    if arguments.master.startswith("local"):
        environment.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # elsewhere executors must reach the driver
    environment["SPARK_LAUNCHER_OPTS"] = "-XX:-UsePerfData"  # nothing in /tmp/hsperfdata_USER
    return environment


def _spark_home() -> str:
    import importlib.util

    spec = importlib.util.find_spec("pyspark")
    assert spec is not None and spec.origin is not None
    return str(Path(spec.origin).resolve().parent)  # the same class path by whatever links a checkout is reached


def _class_archive(arguments: Arguments, java: Path) -> ClassArchive:
    """Made by train, which needs what all other jobs do, too; not with Spark options of the user's own, which may lead
    to other classes."""
    own = arguments.spark_options or arguments.options.spark_conf or arguments.config.spark
    make = arguments.job == "train" and not own
    return ClassArchive(java, Path(_spark_home()), ROOT / ".venv" / "cache" / "java", make=make)


@contextlib.contextmanager
def _run_directory(arguments: Arguments) -> Iterator[Path | None]:
    """The run directory, which is this process' alone; None of a job that has none."""
    if not arguments.leaves_directory:
        yield None
        return
    given = arguments_module.run_directory_given(arguments)
    if given is None:
        base = Path.cwd() / "runs" / f"{arguments.config.name}-{time.strftime('%Y%m%d-%H%M%S')}"
        given = base
        number = 1
        while given.exists():
            number += 1
            given = base.with_name(f"{base.name}-{number}")
    goes_on = getattr(arguments.options, "resume", None)
    if not goes_on:
        _rundir.create(given)
    with alone(given):
        if goes_on:
            _rundir.reopen(given)
        yield given


def _scratch(run: Path | None) -> Path:
    """A folder for what the job needs only while it runs; removed at its end."""
    folder = run or ROOT / ".venv" / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    if run is None:
        return Path(tempfile.mkdtemp(prefix="tmp-", dir=folder))
    (folder / "tmp").mkdir()
    return folder / "tmp"


def _command(
    arguments: Arguments, properties: Path, run: Path | None, scratch: Path, java_options: list[str]
) -> list[str]:
    script = str(ROOT / "spark_jobs" / f"{arguments.job}.py")
    if not arguments.needs_spark:
        return [sys.executable, script, *_job_options(arguments, run)]
    command = [
        str(Path(_spark_home()) / "bin" / "spark-submit"),
        "--master", arguments.master,
        "--name", f"howdah-{arguments.job}-{arguments.config.name}",
        "--properties-file", str(properties),
        "--py-files", str(pack(ROOT)),
        "--conf", f"spark.local.dir={scratch}",
        "--conf", f"spark.sql.warehouse.dir={scratch}/warehouse",
        # else the driver takes the executors', spark.pyspark.python, which may be in an archive that only they unpack
        "--conf", f"spark.pyspark.driver.python={os.environ.get('PYSPARK_DRIVER_PYTHON', _PYTHON)}",
        "--driver-java-options",
        " ".join(map(_quoted, [f"-Djava.io.tmpdir={scratch}", "-XX:-UsePerfData", *small_heap(), *java_options])),
    ]  # fmt: skip
    if not arguments.options.spark_conf and (key := _EXECUTORS.get(_place(arguments.master))):
        command += ["--conf", f"{key}={arguments.config.training.workers}"]
    secret = secrets_in(arguments.config.spark)
    for key, value in arguments.config.spark.items():
        if key in secret:
            continue
        command += ["--conf", f"{key}={str(value).lower() if isinstance(value, bool) else value}"]
    return [*command, *arguments.spark_options, script, *_job_options(arguments, run)]


def _quoted(option: str) -> str:
    """One option of the JVM as Spark's splitting of an option string takes it, blanks and all."""
    escaped = option.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _job_options(arguments: Arguments, run: Path | None) -> list[str]:
    """What the job itself gets: its settings as resolved here, and paths that do not depend on where it runs."""
    options = arguments.options
    if arguments.job == "recommend":
        given = {"--model": options.model, "--user": options.user, "--ratings": options.ratings, "--top": options.top}
        given |= {"--output": options.output, "--workers": options.workers}
    else:
        given = {"--profile": options.profile, "--resolved": arguments_module.resolved(arguments)}
        given |= {"--model": getattr(options, "model", None)}
    given |= {"--prepared": getattr(options, "prepared", None), "--master": options.master} | (
        {"--output": run} if run else {}
    )
    texts = ["--all"] if getattr(options, "all", False) else []
    for name, value in given.items():
        if value is not None:
            path = name == "--output" and not SCHEME.match(str(value))
            path |= name in ("--model", "--prepared") and Path(str(value)).exists()
            texts.append(f"{name}={Path(str(value)).resolve() if path else value}")
    return texts


def _properties(arguments: Arguments) -> Path:
    """The file of Spark properties: the one given, or the one of conf/spark that fits the master."""
    if arguments.options.spark_conf:
        path = Path(arguments.options.spark_conf).resolve()
        if not path.is_file():
            raise UserError(f"--spark-conf {arguments.options.spark_conf}: no such file")
        return path
    return ROOT / "conf" / "spark" / f"{_place(arguments.master)}.conf"


def _place(master: str) -> str:
    return next((place for start, place in _PLACES.items() if master.startswith(start)), "local")


def _run(command: list[str], environment: dict[str, str], arguments: Arguments, run: Path | None, forgive: bool) -> int:
    """Runs the command to its end and returns the job's exit code; a run directory says how it ended.

    `forgive` that the JVM fails when the job has succeeded.
    """
    # without Spark there is no noise to be kept from the screen
    log = (run or ROOT / ".venv" / "cache") / "spark.log" if arguments.needs_spark else None
    artifacts = Path.cwd() / "artifacts"
    foreign = artifacts.exists() and not list(artifacts.glob("spark-*"))  # not another job's either
    code, stopped = run_to_end(command, environment, f"{arguments.job}.py", log)
    if not foreign:
        # Spark 4.0 makes it where it is called from and leaves it, with empty folders where the JVM was killed
        for folder in (*sorted(artifacts.glob("spark-*/**/"), reverse=True), artifacts):
            with contextlib.suppress(OSError):
                folder.rmdir()
    if run is not None:
        _rundir.finish_if_killed(run, code, stopped)
        gather(run / "resources")  # where the job was killed before it could
        if forgive and not stopped and told(run / "run.json").get("status") == "succeeded":
            code = 0
    if code not in (0, 2) and not stopped and log:
        print(f"howdah: the job failed (exit code {code}); Spark's own log: {log}", file=sys.stderr)
    return code
