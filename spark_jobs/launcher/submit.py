"""Runs a job by spark-submit: finds Java, composes the command and the environment, looks after the processes."""

from __future__ import annotations

import glob
import os
import re
import sys
from pathlib import Path

import monitor
from monitor.records import ENDED_WELL, FAILED
from recsys.conf_folder import CONF
from recsys.errors import UserError
from recsys.json_files import read_json
from recsys.registries import FAMILIES
from recsys.secrets import secrets_in
from recsys.training.kernels import check_kernels
from spark_jobs.launcher.arguments import Arguments, check_utf8, cores
from spark_jobs.launcher.environment import not_used
from spark_jobs.launcher.installation import JOBS_FOLDER, ROOT, SPARK, check_installed, spark_home, state_folder
from spark_jobs.launcher.interpreter import check_executors_python
from spark_jobs.launcher.java import find_java, install_java, tuning
from spark_jobs.launcher.jvm_class_archive import ClassArchive
from spark_jobs.launcher.limits import HEAP, fitting_heap, limits_of
from spark_jobs.launcher.masters import check_master, manager_of
from spark_jobs.launcher.package import pack
from spark_jobs.launcher.run_directory import job_options, run_directory, scratch_folder
from spark_jobs.launcher.secret import cluster_secret, with_secrets
from spark_jobs.launcher.spark_log import cause_in
from spark_jobs.launcher.supervise import Limits, run_to_end
from spark_jobs.launcher.working_directory import with_absolute_paths, working_directory
from spark_jobs.run import directory
from spark_jobs.run.profiling import gather
from spark_jobs.run.resume import SCHEME

# the property that makes one executor of one core for each training worker
_EXECUTORS = {
    "standalone": "spark.cores.max",
    "yarn": "spark.executor.instances",
    "kubernetes": "spark.executor.instances",
}


def check_spark(arguments: Arguments) -> None:
    """UserError where Spark cannot be started: packages, Java or the properties file are missing, or the master or the
    executors' Python cannot be used."""
    check_installed(SPARK)
    check_master(arguments.master)
    limits_of(arguments.config, arguments.master, cores())
    check_kernels(arguments.config)
    _environment(arguments, _java(), _properties(arguments))


def submit(arguments: Arguments) -> int:
    """Runs the job and returns its exit code."""
    check_installed(SPARK)
    check_master(arguments.master)
    limits = limits_of(arguments.config, arguments.master, cores())
    if arguments.job == "train":
        check_kernels(arguments.config)
    check_utf8(os.getcwd(), "the current directory ")
    _check_file_names(arguments)
    _look_early(arguments)
    java = _java()
    properties = _properties(arguments)
    environment = _environment(arguments, java, properties)
    secrets = {**secrets_in(arguments.config.spark), **cluster_secret(arguments, manager_of(arguments.master))}
    with (
        run_directory(arguments) as run,
        scratch_folder(run) as scratch,
        working_directory(scratch) as cwd,
    ):
        if cwd != Path.cwd():
            environment["HOWDAH_DIRECTORY"] = os.getcwd()
            arguments = with_absolute_paths(arguments)
        if secrets:
            properties = with_secrets(properties, secrets, scratch)
        environment["TMPDIR"] = str(scratch)  # for temporary files of Python's libraries
        classes = _class_archive(arguments, java)
        code = 1
        try:
            command = _command(arguments, properties, run, scratch, classes.options)
            code = _run(command, environment, arguments, run, cwd, limits, forgive=classes.making)
            return code
        finally:
            classes.close(code == 0)


def _check_file_names(arguments: Arguments) -> None:
    """UserError where one of the files that a path of the settings matches has a name that is not UTF-8."""
    for key in ("ratings", "movies", "test_ratings"):
        value = getattr(arguments.config.data, key)
        for path in glob.glob(value) if value and not SCHEME.match(value) else []:
            for name in [path, *(os.listdir(path) if os.path.isdir(path) else [])]:
                check_utf8(name, f"data.{key} = {value!r}: the file name ")


def _look_early(arguments: Arguments) -> None:
    """Looks at own files of this machine before Spark starts; warns, or raises DataError where they cannot be used."""
    options = arguments.options
    given = any(getattr(options, name, None) for name in ("prepared", "resume"))
    if arguments.job not in ("train", "tune", "prepare") or given or not arguments.config.data.ratings:
        return
    if manager_of(arguments.master) != "local" or arguments.names_other_file_system:
        return  # the path may be one of another machine
    from recsys.data.sources.early import look_early

    for line in look_early(arguments.config.data):
        print(f"howdah: {line}", file=sys.stderr, flush=True)


def _java() -> Path:
    folder = state_folder() / "java"
    try:
        java, given = find_java(folder), os.environ.get("JAVA_HOME", "")
        if given and os.path.realpath(given) != os.path.realpath(java):
            print(*not_used("JAVA_HOME", given, str(java)), file=sys.stderr, flush=True)
        return java
    except UserError:
        if not sys.stdin.isatty():
            raise
        print(f"howdah: Java 17 or 21 is needed; fetch it into {folder}? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise
        return install_java(folder)


def _environment(arguments: Arguments, java: Path, properties: Path) -> dict[str, str]:
    home = spark_home()
    assert home is not None  # pyspark is installed
    environment = {**os.environ, "JAVA_HOME": str(java), "SPARK_HOME": home}
    environment.setdefault("PYSPARK_PYTHON", sys.executable)
    environment.pop("SPARK_ENV_LOADED", None)
    if manager_of(arguments.master) == "local":
        environment["SPARK_LOCAL_IP"] = "127.0.0.1"  # elsewhere executors must reach the driver
        environment["SPARK_ENV_LOADED"] = "1"  # bin/spark-class does not source spark-env.sh
        environment["PYSPARK_PYTHON"] = _local_python(arguments, properties, environment)
    environment["SPARK_LAUNCHER_OPTS"] = "-XX:-UsePerfData"  # nothing in /tmp/hsperfdata_USER
    environment.setdefault("MALLOC_ARENA_MAX", "2")  # the JVM's many threads each keep freed memory in theirs
    return environment


def _local_python(arguments: Arguments, properties: Path, environment: dict[str, str]) -> str:
    """The Python of executors on this machine, looked at; on other machines nobody can look at it from here."""
    key, setting, python = "spark.pyspark.python", "PYSPARK_PYTHON", environment["PYSPARK_PYTHON"]
    given = [str(arguments.config.spark.get(key, ""))]
    given += [word.partition("=")[2] for word in arguments.spark_options if word.startswith(f"{key}=")]
    text = properties.read_text(encoding="utf-8", errors="replace")
    in_file = re.search(rf"^\s*{re.escape(key)}[\s=:]+(\S+)", text, re.MULTILINE)
    for value in (in_file[1] if in_file else "", *given):  # the later one counts
        setting, python = (key, value) if value else (setting, python)
    if any("archives" in word for word in (*arguments.spark_options, *arguments.config.spark)):
        return environment["PYSPARK_PYTHON"]  # Spark unpacks it
    family = FAMILIES.get(arguments.config.model.kind)
    tensorflow = arguments.config.training.strategy == "elephas" or family.supports.needs_tensorflow
    return check_executors_python(python, setting, arguments.job in ("train", "tune") and tensorflow, environment)


def _class_archive(arguments: Arguments, java: Path) -> ClassArchive:
    """train makes it: it needs all classes that other jobs need. Not with the user's own Spark options, which may lead
    to other classes."""
    own = arguments.spark_options or arguments.options.spark_conf or arguments.config.spark
    make = arguments.job == "train" and not own
    return ClassArchive(java, Path(str(spark_home())), state_folder() / "cache" / "java", make=make)


def _command(
    arguments: Arguments, properties: Path, run: Path | None, scratch: Path, java_options: list[str]
) -> list[str]:
    java = [f"-Djava.io.tmpdir={scratch}", f"-XX:ErrorFile={run or scratch}/java-error.log", "-XX:-UsePerfData"]
    java += [*tuning(), *java_options]
    command = [
        str(Path(str(spark_home())) / "bin" / "spark-submit"),
        "--master", arguments.master,
        "--name", f"howdah-{arguments.job}-{arguments.config.name}",
        "--properties-file", str(properties),
        "--py-files", str(pack(ROOT, state_folder() / "cache" / "packages")),
        "--conf", f"spark.local.dir={scratch}",
        "--conf", f"spark.sql.warehouse.dir={scratch}/warehouse",
        # else the driver takes the executors', spark.pyspark.python, which may be in an archive that only they unpack
        "--conf", f"spark.pyspark.driver.python={sys.executable}",
    ]  # fmt: skip
    if not arguments.options.spark_conf and (key := _EXECUTORS.get(manager_of(arguments.master))):
        command += ["--conf", f"{key}={arguments.cores_wanted}"]
    secret = secrets_in(arguments.config.spark)
    words = [
        f"{key}={str(value).lower() if isinstance(value, bool) else value}"
        for key, value in arguments.config.spark.items()
        if key not in secret
    ]
    if heap := fitting_heap(arguments.config, properties, arguments.spark_options):
        words.append(f"{HEAP}={heap}")
    for word in words:
        command += ["--conf", word]
    command += ["--driver-java-options", " ".join(map(_quoted, java))]
    if "spark.authenticate=false" in (*words, *arguments.spark_options):  # Spark encrypts only with authentication
        command += ["--conf", "spark.network.crypto.enabled=false"]
    script = str(JOBS_FOLDER / f"{arguments.job}.py")
    return [*command, *arguments.spark_options, script, *job_options(arguments, run)]


def _end_for_memory(limits: Limits, run: Path | None) -> int:
    """Records and says that the run was ended for its memory; the exit code."""
    limit, taken = ((size or 0) / 1e6 for size in (limits.memory_bytes, limits.taken_bytes))
    text = f"memory limit of {limit:,.0f} MB exceeded: {taken:,.0f} MB"
    if run is not None:
        # as a kernel would have ended it, whatever it had written by then
        directory.finish(
            run, FAILED, error=text, phase=monitor.unfinished_phase(run / "resources"), does_not_fit=True
        )  # fmt: skip
        gather(run / "resources")
    print(f"howdah: {text}: raise machine.memory_gb", file=sys.stderr)
    return 1


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
    return CONF / "spark" / f"{manager_of(arguments.master)}.conf"


def _run(
    command: list[str],
    environment: dict[str, str],
    arguments: Arguments,
    run: Path | None,
    cwd: Path,
    limits: Limits,
    forgive: bool,
) -> int:
    """Runs the command to its end and returns the job's exit code; a run directory says how it ended.

    `forgive` a failure of the JVM when the job has succeeded.
    """
    log = (run or state_folder() / "cache") / "spark.log"
    code, stopped = run_to_end(command, environment, f"{arguments.job}.py", log, cwd, limits)
    if limits.taken_bytes is not None:
        return _end_for_memory(limits, run)
    cause = cause_in(log) if code and not stopped else None
    if run is not None:
        directory.finish_if_killed(run, code, stopped, cause)
        gather(run / "resources")  # where the job was killed before it could
        ended = read_json(run / "run.json")
        if cause and "stopped SparkContext" in str(ended.get("error")):  # the job saw the effect alone
            ended["error"] = cause
            directory.write_json(run / "run.json", ended)
        if forgive and not stopped and ended.get("status") in ENDED_WELL:
            code = 0
        if cause != ended.get("error"):
            cause = None  # the job itself has said what failed
    if code not in (0, 2) and not stopped:
        why = f"Spark ended: {cause}" if cause else f"the job failed (exit code {code})"
        print(f"howdah: {why}; Spark's own log: {log}", file=sys.stderr)
    return code
