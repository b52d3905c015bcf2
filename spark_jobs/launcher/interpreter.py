"""Pythons and the locale: the one that this program runs in, and the one of executors on this machine."""

from __future__ import annotations

import contextlib
import locale
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from recsys.errors import UserError

_UTF8_LOCALES = ("C.UTF-8", "C.utf8", "en_US.UTF-8", "UTF-8")  # the first that the system has
_MODULES = ("lazy_loader", "numpy", "pandas", "pyarrow", "pydantic", "scipy.sparse")  # what workers import
_SECONDS = 60
# prints the version, and why modules cannot be imported; TensorFlow, which takes seconds, is only looked for
_LOOK = """
import importlib, importlib.util, sys
print("%d.%d" % sys.version_info[:2])
for name in sys.argv[1].split(","):
    try:
        importlib.import_module(name)
    except Exception as error:
        print(name.partition(".")[0])
for name in filter(None, sys.argv[2].split(",")):
    if importlib.util.find_spec(name) is None:
        print(name)
"""


def restart_if_needed() -> None:
    """Starts this program anew where Python has read variables at its start that jobs do not run with.

    They are PYTHONOPTIMIZE and, in a locale that is not UTF-8, PYTHONUTF8. Otherwise it does nothing.
    """
    optimized = sys.flags.optimize and os.environ.get("PYTHONOPTIMIZE")
    encoded = sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1"
    if optimized or encoded:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONOPTIMIZE"}
        os.execve(sys.executable, sys.orig_argv, {**environment, "PYTHONUTF8": "1"})


def utf8_locale() -> str | None:
    """The locale to set LC_ALL to where the current one is not UTF-8; None where it is, or the system has none.

    The locale of this process stays as it is.
    """
    if locale.nl_langinfo(locale.CODESET).upper().replace("-", "") == "UTF8":
        return None
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in _UTF8_LOCALES:
            with contextlib.suppress(locale.Error):
                locale.setlocale(locale.LC_CTYPE, name)
                return name
        return None
    finally:
        locale.setlocale(locale.LC_CTYPE, before)


def check_executors_python(python: str, setting: str, tensorflow: bool, environment: Mapping[str, str]) -> str:
    """The path of a Python on this machine that can run the workers.

    Args:
        python: A path, or a name on PATH.
        setting: What names it, for messages: PYSPARK_PYTHON.
        tensorflow: Whether workers import TensorFlow.
        environment: The environment that it will run in.

    Raises:
        UserError: There is no such Python, it is of another version, or modules are missing.
    """
    found = shutil.which(python)
    remedy = f"leave {setting} out: jobs then run with {sys.executable}"
    if found is None:
        raise UserError(f"{setting}={python}: no such program: {remedy}")
    path = os.path.abspath(found)
    if path == os.path.abspath(sys.executable):
        return path
    command = [path, "-c", _LOOK, ",".join(_MODULES), "tensorflow,elephas" if tensorflow else ""]
    try:
        asked = subprocess.run(
            command, env=dict(environment), cwd=Path(path).anchor, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=True,
        )  # fmt: skip
        version, *missing = asked.stdout.split()
    except (OSError, subprocess.SubprocessError, ValueError):
        raise UserError(f"{setting}={python}: is no Python that starts: {remedy}") from None
    ours = "{}.{}".format(*sys.version_info[:2])
    if version != ours:
        raise UserError(f"{setting}={python}: is Python {version}, and the driver's is {ours}: {remedy}")
    if missing:
        raise UserError(
            f"{setting}={python}: has no {', '.join(missing)}: install what requirements.lock names there, or {remedy}"
        )
    return path
