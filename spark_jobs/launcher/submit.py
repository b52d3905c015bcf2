"""Runs a job by spark-submit: finds Java, composes the command and the environment, looks after the processes."""

from __future__ import annotations

import contextlib
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from recsys.conf_folder import CONF
from recsys.errors import UserError
from recsys.secrets import secrets_in
from spark_jobs.launcher.arguments import Arguments
from spark_jobs.launcher.installation import JOBS_FOLDER, ROOT, SPARK, check_installed, state_folder
from spark_jobs.launcher.java import find_java, install_java, small_heap
from spark_jobs.launcher.jvm_class_archive import ClassArchive
from spark_jobs.launcher.package import pack
from spark_jobs.launcher.run_directory import job_options, run_directory, scratch_folder
from spark_jobs.launcher.secret import cluster_secret, with_secrets
from spark_jobs.launcher.supervise import run_to_end
from spark_jobs.run import directory
from spark_jobs.run.profiling import gather
from spark_jobs.run.resume import read_json

_MANAGERS = {"spark://": "standalone", "yarn": "yarn", "k8s": "kubernetes"}
# the property that makes one executor of one core for each training worker
_EXECUTORS = {
    "standalone": "spark.cores.max",
    "yarn": "spark.executor.instances",
    "kubernetes": "spark.executor.instances",
}


def check_spark(arguments: Arguments) -> None:
    """UserError where Spark cannot be started: packages, Java or the properties file are missing."""
    check_installed(SPARK)
    _java()
    _properties(arguments)


def submit(arguments: Arguments) -> int:
    """Runs the job and returns its exit code."""
    check_installed(SPARK)
    java = _java()
    environment = _environment(arguments, java)
    properties = _properties(arguments)
    secrets = {**secrets_in(arguments.config.spark), **cluster_secret(arguments, _manager(arguments.master))}
    with run_directory(arguments) as run, scratch_folder(run) as scratch:
        if secrets:
            properties = with_secrets(properties, secrets, scratch)
        environment["TMPDIR"] = str(scratch)  # for temporary files of Python's libraries
        classes = _class_archive(arguments, java)
        code = 1
        try:
            command = _command(arguments, properties, run, scratch, classes.options)
            code = _run(command, environment, arguments, run, forgive=classes.making)
            return code
        finally:
            classes.close(code == 0)


def _java() -> Path:
    folder = state_folder() / "java"
    try:
        return find_java(folder)
    except UserError:
        if not sys.stdin.isatty():
            raise
        print(f"howdah: Java 17 or 21 is needed; fetch it into {folder}? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise
        return install_java(folder)


def _environment(arguments: Arguments, java: Path) -> dict[str, str]:
    environment = {**os.environ, "JAVA_HOME": str(java), "SPARK_HOME": _spark_home()}
    environment.setdefault("PYSPARK_PYTHON", sys.executable)
    environment.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    if arguments.master.startswith("local"):
        environment.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # elsewhere executors must reach the driver
    environment["SPARK_LAUNCHER_OPTS"] = "-XX:-UsePerfData"  # nothing in /tmp/hsperfdata_USER
    return environment


def _spark_home() -> str:
    spec = find_spec("pyspark")
    assert spec is not None and spec.origin is not None
    return str(Path(spec.origin).resolve().parent)  # the same class path by whatever links a checkout is reached


def _class_archive(arguments: Arguments, java: Path) -> ClassArchive:
    """train makes it: it needs all classes that other jobs need. Not with the user's own Spark options, which may lead
    to other classes."""
    own = arguments.spark_options or arguments.options.spark_conf or arguments.config.spark
    make = arguments.job == "train" and not own
    return ClassArchive(java, Path(_spark_home()), state_folder() / "cache" / "java", make=make)


def _command(
    arguments: Arguments, properties: Path, run: Path | None, scratch: Path, java_options: list[str]
) -> list[str]:
    python = os.environ.get("PYSPARK_DRIVER_PYTHON", sys.executable)
    command = [
        str(Path(_spark_home()) / "bin" / "spark-submit"),
        "--master", arguments.master,
        "--name", f"howdah-{arguments.job}-{arguments.config.name}",
        "--properties-file", str(properties),
        "--py-files", str(pack(ROOT, state_folder() / "cache" / "packages")),
        "--conf", f"spark.local.dir={scratch}",
        "--conf", f"spark.sql.warehouse.dir={scratch}/warehouse",
        # else the driver takes the executors', spark.pyspark.python, which may be in an archive that only they unpack
        "--conf", f"spark.pyspark.driver.python={python}",
        "--driver-java-options",
        " ".join(map(_quoted, [f"-Djava.io.tmpdir={scratch}", "-XX:-UsePerfData", *small_heap(), *java_options])),
    ]  # fmt: skip
    if not arguments.options.spark_conf and (key := _EXECUTORS.get(_manager(arguments.master))):
        command += ["--conf", f"{key}={arguments.config.training.workers}"]
    secret = secrets_in(arguments.config.spark)
    for key, value in arguments.config.spark.items():
        if key in secret:
            continue
        command += ["--conf", f"{key}={str(value).lower() if isinstance(value, bool) else value}"]
    script = str(JOBS_FOLDER / f"{arguments.job}.py")
    return [*command, *arguments.spark_options, script, *job_options(arguments, run)]


def _quoted(option: str) -> str:
    """An option of the JVM as Spark's splitting of an option string takes it, blanks and all."""
    escaped = option.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _properties(arguments: Arguments) -> Path:
    """The file of Spark properties: the user's, or the one of conf/spark that fits the master."""
    if arguments.options.spark_conf:
        path = Path(arguments.options.spark_conf).resolve()
        if not path.is_file():
            raise UserError(f"--spark-conf {arguments.options.spark_conf}: no such file")
        return path
    return CONF / "spark" / f"{_manager(arguments.master)}.conf"


def _manager(master: str) -> str:
    """The cluster manager that a master URL names, as conf/spark names its file."""
    return next((name for start, name in _MANAGERS.items() if master.startswith(start)), "local")


def _run(command: list[str], environment: dict[str, str], arguments: Arguments, run: Path | None, forgive: bool) -> int:
    """Runs the command to its end and returns the job's exit code; a run directory says how it ended.

    `forgive` a failure of the JVM when the job has succeeded.
    """
    log = (run or state_folder() / "cache") / "spark.log"
    artifacts = Path.cwd() / "artifacts"
    foreign = artifacts.exists() and not list(artifacts.glob("spark-*"))  # not another job's either
    code, stopped = run_to_end(command, environment, f"{arguments.job}.py", log)
    if not foreign:
        # Spark 4.0 makes it in the current directory and leaves it, with empty folders where the JVM was killed
        for folder in (*sorted(artifacts.glob("spark-*/**/"), reverse=True), artifacts):
            with contextlib.suppress(OSError):
                folder.rmdir()
    if run is not None:
        directory.finish_if_killed(run, code, stopped)
        gather(run / "resources")  # where the job was killed before it could
        if forgive and not stopped and read_json(run / "run.json").get("status") == "succeeded":
            code = 0
    if code not in (0, 2) and not stopped:
        print(f"howdah: the job failed (exit code {code}); Spark's own log: {log}", file=sys.stderr)
    return code
