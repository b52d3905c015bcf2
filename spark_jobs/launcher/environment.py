"""Environment variables: which ones Python, Spark, Java and the libraries read, and what the launcher does with each.

docs/environment.md is made from this table: `python -m spark_jobs.launcher.environment > docs/environment.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass

SET, CLEARED, KEPT, ON_CLUSTER = "set", "cleared", "kept", "kept on a cluster"
_LONGEST = 80  # characters of a value in a message


@dataclass(frozen=True)
class Variable:
    """One environment variable, or all whose names start alike (a name that ends with *).

    `value` is what it is set to, in angle brackets where that depends on the machine. `instead` is said on the screen
    where the user's value is not used. A value that may hold a secret is not `shown`.
    """

    name: str
    reader: str
    use: str
    why: str
    value: str = ""
    instead: str = ""
    shown: bool = True

    def matches(self, name: str) -> bool:
        """Whether it is the variable of that name."""
        return name.startswith(self.name[:-1]) if self.name.endswith("*") else name == self.name


# The first entry that matches a name counts. What no entry matches is kept.
_PYTHON = (
    Variable("PYTHONUTF8", "Python", SET, "paths and files are UTF-8 in every locale", "1"),
    Variable(
        "PYTHONIOENCODING", "Python", SET, "every line is shown: what the screen lacks becomes ?", "<the screen's>"
    ),
    Variable("PYTHONDONTWRITEBYTECODE", "Python", SET, "no bytecode beside the sources", "1"),
    Variable("PYTHONNOUSERSITE", "Python", SET, "packages of the environment alone, not those in ~/.local", "1"),
    Variable("PYTHONHASHSEED", "Python", SET, "Spark needs the same hashes on all machines (bin/spark-submit)", "<0>"),
    Variable(
        "PYTHONPATH", "Python", CLEARED, "other versions of the packages would be imported",
        instead="install own modules into the environment of howdah",
    ),
    Variable(
        "PYTHONOPTIMIZE", "Python", CLEARED, "TensorFlow reads docstrings, which -OO removes",
        instead="TensorFlow does not start with it",
    ),
    Variable(
        "PYTHONWARNINGS", "Python", CLEARED, "with `error` a library's warning ends the job",
        instead="warnings of libraries are not shown",
    ),
    Variable("PYTHONHOME", "Python", CLEARED, "names another Python's library"),
    Variable("PYTHONPLATLIBDIR", "Python", CLEARED, "names another Python's library"),
    Variable("PYTHONPYCACHEPREFIX", "Python", CLEARED, "every process would compile TensorFlow"),
    Variable("PYTHONSTARTUP", "Python", CLEARED, "is for the prompt"),
    Variable("PYTHONINSPECT", "Python", CLEARED, "the prompt would wait at the end of a job"),
    Variable("PYTHONSAFEPATH", "Python", CLEARED, "executors find what is shipped in the current directory"),
    Variable("PYTHONCOERCECLOCALE", "Python", CLEARED, "UTF-8 is set by PYTHONUTF8"),
    Variable("PYTHON*", "Python", KEPT, "for finding faults: PYTHONFAULTHANDLER, PYTHONUNBUFFERED, PYTHONDEVMODE, ..."),
)  # fmt: skip
_SPARK = (
    Variable(
        "PYSPARK_DRIVER_PYTHON", "Spark", SET, "jobs are programs, not notebooks", "<the Python of howdah>",
        instead="jobs run with {value}",
    ),
    Variable(
        "PYSPARK_PYTHON", "Spark", KEPT, "the Python of the executors. Where these are on this machine it is looked at "
        "before Spark starts. By default it is the Python of howdah",
    ),
    Variable(
        "PYSPARK_SUBMIT_ARGS", "Spark", CLEARED, "is for the prompt", shown=False,
        instead="give options of spark-submit after --",
    ),
    Variable("PYSPARK_*", "Spark", CLEARED, "belongs to another session of PySpark"),
    Variable(
        "SPARK_HOME", "Spark", SET, "the Spark that was tested, of the package pyspark", "<the package pyspark>",
        instead="jobs run with the Spark in {value}",
    ),
    Variable(
        "SPARK_CONF_DIR", "Spark", KEPT, "log4j2.properties and *-site.xml in it count, spark-defaults.conf does not: "
        "conf/spark takes its place, or --spark-conf",
    ),
    Variable(
        "HADOOP_CONF_DIR", "Spark", ON_CLUSTER, "plain paths would be on HDFS. Also kept where a path of the settings "
        "has a scheme, such as hdfs:",
        instead="local[N] reads plain paths from local disks; paths with a scheme keep it",
    ),
    Variable(
        "YARN_CONF_DIR", "Spark", ON_CLUSTER, "as HADOOP_CONF_DIR",
        instead="local[N] reads plain paths from local disks; paths with a scheme keep it",
    ),
    Variable(
        "SPARK_LOCAL_IP", "Spark", ON_CLUSTER, "local[N] listens to this machine alone: 127.0.0.1",
    ),
    Variable("SPARK_LOCAL_HOSTNAME", "Spark", ON_CLUSTER, "as SPARK_LOCAL_IP"),
    Variable("SPARK_PUBLIC_DNS", "Spark", ON_CLUSTER, "as SPARK_LOCAL_IP"),
    Variable("SPARK_LOCAL_DIRS", "Spark", KEPT, "folders for Spark's temporary files, instead of the run directory"),
    Variable("SPARK_LAUNCHER_OPTS", "Spark", SET, "nothing in /tmp/hsperfdata_USER", "<-XX:-UsePerfData>"),
    Variable("SPARK_SUBMIT_OPTS", "Java", KEPT, "options of the driver's JVM"),
    Variable(
        "SPARK_DRIVER_MEMORY", "Spark", CLEARED, "conf/spark says it",
        instead="set it by --set spark.driver.memory=4g",
    ),
    Variable(
        "SPARK_MEM", "Spark", CLEARED, "conf/spark says it", instead="set it by --set spark.driver.memory=4g"
    ),
    Variable(
        "SPARK_EXECUTOR_MEMORY", "Spark", CLEARED, "conf/spark says it",
        instead="set it by --set spark.executor.memory=4g",
    ),
    Variable(
        "SPARK_EXECUTOR_CORES", "Spark", CLEARED, "one executor is one worker, of one core", instead="set --workers",
    ),
    Variable(
        "SPARK_DIST_CLASSPATH", "Spark", CLEARED, "classes of another Hadoop", instead="give --jars after --",
    ),
    Variable(
        "SPARK_REMOTE", "Spark", CLEARED, "there would be no SparkContext", shown=False,
        instead="howdah does not run on Spark Connect: name the cluster by --master",
    ),
    Variable("SPARK_API_MODE", "Spark", CLEARED, "as SPARK_REMOTE"),
    Variable("SPARK_CONNECT_*", "Spark", CLEARED, "as SPARK_REMOTE"),
    Variable("SPARK_LOCAL_REMOTE", "Spark", CLEARED, "as SPARK_REMOTE"),
    Variable("MASTER", "Spark", CLEARED, "--master names it"),
    Variable("DEPLOY_MODE", "Spark", CLEARED, "the launcher watches the driver: client mode"),
    Variable(
        "SPARK_ENV_LOADED", "Spark", SET, "spark-env.sh counts on clusters alone: it may name another Java",
        "<1 with local[N]>",
    ),
    Variable("SPARK_CLASSPATH", "Spark", CLEARED, "classes of another Spark"),
    Variable("SPARK_PREPEND_CLASSES", "Spark", CLEARED, "is for Spark's developers"),
    Variable("SPARK_SCALA_VERSION", "Spark", CLEARED, "is for Spark's developers"),
    Variable("SPARK_TESTING", "Spark", CLEARED, "is for Spark's developers"),
    Variable("SPARK_SQL_TESTING", "Spark", CLEARED, "is for Spark's developers"),
    Variable("SPARK_*", "Spark", KEPT, "for Spark's daemons, which jobs do not start, and SPARK_USER"),
    Variable("HADOOP_*", "Spark", KEPT, "the user's name and tokens on a cluster"),
    Variable("ARROW_PRE_0_15_IPC_FORMAT", "Spark", CLEARED, "PySpark 4 refuses it"),
    Variable("ARROW_*", "Arrow", KEPT, "Arrow's memory and threads"),
)  # fmt: skip
_JAVA = (
    Variable(
        "JAVA_HOME", "Java", SET, "Java 17 or 21: that of JAVA_HOME, of `java` on PATH, or of --install-java",
        "<the Java that is used>", instead="jobs run with {value}",
    ),
    Variable("JAVA_TOOL_OPTIONS", "Java", KEPT, "options of every JVM"),
    Variable(
        "JDK_JAVA_OPTIONS", "Java", KEPT, "options of every JVM; a collector or a compiler in it is the driver's, too: "
        "`-XX:TieredStopAtLevel=4` for jobs in which the JVM computes for many minutes",
    ),
    Variable("_JAVA_OPTIONS", "Java", KEPT, "options of every JVM"),
    Variable("CLASSPATH", "Java", KEPT, "is not read: Spark names its classes itself"),
)  # fmt: skip
_LIBRARIES = (
    Variable(
        "KERAS_BACKEND", "Keras", SET, "models are TensorFlow's", "tensorflow",
        instead="Keras runs on {value}",
    ),
    Variable("KERAS_HOME", "Keras", SET, "no keras.json of another program", "<.venv/cache/keras>"),
    Variable(
        "KERAS_MAX_EPOCHS", "Keras", CLEARED, "training would end early, unseen", instead="set training.epochs"
    ),
    Variable(
        "KERAS_MAX_STEPS_PER_EPOCH", "Keras", CLEARED, "epochs would leave out users, unseen",
        instead="narrow the data by settings",
    ),
    Variable("KERAS_*", "Keras", CLEARED, "is for other backends"),
    Variable("TF_USE_LEGACY_KERAS", "TensorFlow", CLEARED, "models are those of Keras 3"),
    Variable("TF2_BEHAVIOR", "TensorFlow", CLEARED, "models are those of TensorFlow 2"),
    Variable("TF_*", "TensorFlow", KEPT, "messages, XLA and devices of the driver. Workers have their own"),
    Variable("CUDA_VISIBLE_DEVICES", "TensorFlow", KEPT, "the driver's devices; none by default, and none in workers"),
    Variable("OMP_NUM_THREADS", "BLAS", KEPT, "threads of the driver. A worker has one"),
    Variable("OPENBLAS_NUM_THREADS", "BLAS", KEPT, "threads of the driver. A worker has one"),
    Variable("MKL_NUM_THREADS", "BLAS", KEPT, "threads of the driver"),
    Variable("NUMBA_CACHE_DIR", "numba", SET, "kernels are compiled once, not in every run", "<.venv/cache/numba>"),
    Variable("MPLBACKEND", "Matplotlib", CLEARED, "names a backend that only a notebook has"),
    Variable("MPLCONFIGDIR", "Matplotlib", SET, "no files in the home directory", "<.venv/cache/matplotlib>"),
    Variable("MATPLOTLIBRC", "Matplotlib", CLEARED, "pictures are those of the report"),
)  # fmt: skip
_SYSTEM = (
    Variable(
        "LC_ALL", "system", SET, "Java takes the encoding of paths from it. Set where the locale is not UTF-8",
        "<C.UTF-8>",
    ),
    Variable("LANG", "system", KEPT, "the language of the system's messages"),
    Variable("LC_*", "system", KEPT, "the language of the system's messages"),
    Variable("TMPDIR", "system", SET, "temporary files lie in the run directory and go with it", "<RUN/tmp>"),
    Variable(
        "MALLOC_ARENA_MAX", "system", KEPT, "where it has no value it is 2: glibc's threads keep a tenth less memory"
    ),
    Variable("HOME", "system", KEPT, "is not needed"),
    Variable("XDG_CACHE_HOME", "system", KEPT, "the folder for caches where howdah lies in no environment of its own"),
    Variable("HOWDAH_PRELOAD", "howdah", CLEARED, "is set for each job"),
    Variable("HOWDAH_DIRECTORY", "howdah", CLEARED, "is set where Spark is not started in the current directory"),
    Variable("HOWDAH_SPARK_SECRET_FILE", "howdah", KEPT, "the file with a cluster's secret (cluster.md)"),
    Variable("HOWDAH_CLASS_ARCHIVE", "howdah", KEPT, "`off`: no archive of Spark's classes is used or made"),
    Variable("MONITOR_RUN", "howdah", KEPT, "the run of `howdah-monitor watch`"),
)  # fmt: skip
TABLE = (*_PYTHON, *_SPARK, *_JAVA, *_LIBRARIES, *_SYSTEM)


def variable(name: str) -> Variable | None:
    """The table's entry for a name; None for a variable that is kept because nothing here reads it."""
    return next((entry for entry in TABLE if entry.matches(name)), None)


def settle(
    environment: MutableMapping[str, str], values: Mapping[str, str], on_cluster: bool, spark: bool = True
) -> list[str]:
    """Sets, clears and keeps variables as the table says.

    Args:
        environment: Changed in place.
        values: The values of variables that depend on the machine. Of those that are missing nothing changes.
        on_cluster: Whether that is kept which is kept on a cluster.
        spark: Whether the job starts Spark, whose variables otherwise concern nobody.

    Returns:
        For each value that the user may miss one line: what is not used, and what to do instead.
    """
    lines = []
    for name in sorted(environment):
        entry = variable(name)
        if entry is None or entry.use == KEPT or (entry.use == ON_CLUSTER and on_cluster):
            continue
        new = _value(entry, values)
        if entry.use == SET and new is None:
            continue
        given = environment.pop(name)
        if given not in ("", new) and (spark or entry.reader not in ("Spark", "Java")):
            lines += not_used(name, given, new or "")
    environment.update({entry.name: new for entry in TABLE if (new := _value(entry, values)) is not None})
    return lines


def not_used(name: str, given: str, value: str) -> list[str]:
    """The line that says that a value is not used, but `value` is; none where the user need not know."""
    entry = variable(name)
    if entry is None or not entry.instead:
        return []
    shown = f"={given if len(given) <= _LONGEST else given[:_LONGEST] + '...'}" if entry.shown else ""
    return [f"howdah: {name}{shown} is not used: {entry.instead.format(value=value)}"]


def _value(entry: Variable, values: Mapping[str, str]) -> str | None:
    if entry.use != SET or not entry.value.startswith("<"):
        return entry.value if entry.use == SET else None
    return values.get(entry.name)


_HEAD = """# Environment variables

What the launcher (`./spark-submit.sh`, `howdah`) does with environment variables that Python, Spark, Java and the
libraries read, and why. Made by `python -m spark_jobs.launcher.environment > docs/environment.md`.

- *set*: to the value that is shown, whatever it was before.
- *cleared*: jobs do not see it.
- *kept*: jobs see the user's value. This also holds for all variables that are not listed.
- *kept on a cluster*: cleared with `--master local[N]`.

Where a value is not used that the user may miss, the launcher says so on standard error, in a line for each variable:

```text
howdah: KERAS_BACKEND=torch is not used: Keras runs on tensorflow
```

The first row that fits a name counts. A name that ends with `*` stands for all that start so.

The library (`import recsys`) sets `KERAS_BACKEND` when it imports Keras. Where they have no value yet it also sets
`TF_CPP_MIN_LOG_LEVEL` and `CUDA_VISIBLE_DEVICES`, and in `local_session` `PYSPARK_PYTHON`. It clears nothing.

With a current directory that cannot be written Spark starts in the run directory's `tmp`: write paths in options after
`--` absolute there.

| variable | read by | what the launcher does | why |
| --- | --- | --- | --- |
"""


def environment_page() -> str:
    """docs/environment.md."""
    return _HEAD + "".join(f"| {' | '.join(_cells(entry))} |\n" for entry in TABLE)


def _cells(entry: Variable) -> Iterator[str]:
    yield f"`{entry.name}`"
    yield entry.reader
    value = entry.value.strip("<>")
    yield f"{entry.use}: {f'`{value}`' if entry.value == value else value}" if value else entry.use
    said = f" ({entry.instead.format(value=value)})" if entry.instead else ""
    yield f"{entry.why}{said}".replace("|", "\\|")


if __name__ == "__main__":
    print(environment_page(), end="")
