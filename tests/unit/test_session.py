"""A session for notebooks: what it says where Spark cannot start. That it works, the notebooks themselves show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_without_java_one_line_says_what_to_do(tmp_path: Path) -> None:
    environment = {**os.environ, "JAVA_HOME": str(tmp_path / "no java")}
    ended = subprocess.run(
        [sys.executable, "-c", "import recsys, sys; print('before', file=sys.stderr); recsys.local_session(1)"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    first, *_, last = ended.stderr.splitlines()
    assert first == "before"
    assert last.startswith("recsys.errors.UserError: Spark does not start: ")
    assert "no java/bin/java" in last
    assert last.endswith("it needs Java 17 or 21, set JAVA_HOME to it")
