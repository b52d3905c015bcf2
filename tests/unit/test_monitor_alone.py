"""The monitor by itself: every module can be imported where only psutil, NumPy and Matplotlib are installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "monitor").rglob("*.py"))
    if path.name != "__main__.py"
]
# refuses whatever is neither of the standard library nor of the monitor nor one of the three
BLOCKED = """
import importlib, sys
ALLOWED = {"monitor", "psutil", "numpy", "matplotlib", "mpl_toolkits", "PIL", "kiwisolver", "contourpy", "cycler",
           "pyparsing", "dateutil", "six", "packaging", "fontTools"}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        # a standard library has private modules that its list of names lacks
        if top not in ALLOWED and top not in sys.stdlib_module_names and not top.startswith("_"):
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)

sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv[1])
"""


def run(code: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", BLOCKED + code, str(ROOT), *arguments]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=120)


def test_every_module_is_imported(tmp_path: Path) -> None:
    assert len(MODULES) > 30 and {"monitor", "monitor.sources.psutil_source", "monitor.spark.hosts"} <= set(MODULES)
    code = "for name in sys.argv[2:]: importlib.import_module(name)\nprint('matplotlib' in sys.modules)"
    done = run(code, *MODULES, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "False\n"  # it is imported when something is drawn


@pytest.mark.parametrize("package", ["pyspark", "pandas", "pydantic", "recsys", "spark_jobs"])
def test_the_block_works(package: str, tmp_path: Path) -> None:
    done = run(f"import {package}", cwd=tmp_path)
    assert done.returncode == 1 and f"{package} is not installed here" in done.stderr


def test_a_run_is_recorded_reported_and_compared(tmp_path: Path) -> None:
    code = """
import monitor
from monitor.compare import make_comparison
from monitor.report import make_report
for name in ("one", "two"):
    with monitor.record(name, interval=0.1, extensions=["my_job.report:EXTENSION"]), monitor.phase("work"):
        sum(range(3_000_000))
print(make_report("one").name)
print(make_comparison(["one", "two"], "compared").name)
"""
    done = run(code, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "index.html\nindex.html\n", "")
    page = (tmp_path / "one" / "report" / "index.html").read_text(encoding="utf-8")
    # what the run names is not installed: the report is whole without it, and says so
    assert "my_job.report:EXTENSION adds nothing here: ModuleNotFoundError" in page
    for title in ("What the phases cost", "The run over time", "Phase by phase", "How it was measured"):
        assert f">{title}</h2>" in page
