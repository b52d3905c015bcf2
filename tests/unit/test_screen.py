"""What programs print reaches any screen: ASCII, closed, full, or one whose reader has gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.screen import screen_encoding

ROOT = Path(__file__).parents[2]
PROGRAM = """
import logging, os, sys
from monitor.screen import ScreenHandler, close_screen, prepare_screen, say
prepare_screen()
say("Noć größe")
logging.basicConfig(handlers=[ScreenHandler()], format="%(message)s")
logging.warning("log: größe \\udce9")
print("Fehler: größe", file=sys.stderr)
file = open("opened", "w+")
os.write(1, b"by its number\\n")
file.seek(0)
assert file.read() == ""
sys.exit(close_screen(0, "howdah"))
"""


def program(folder: Path, redirection: str = "", **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Runs PROGRAM in `folder`, its streams redirected as a shell does."""
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LC_", "LANG"))}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    command = ["sh", "-c", f'"$0" program.py {redirection}', sys.executable]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=60)


@pytest.mark.parametrize(
    ("variables", "encoding", "shown"),
    [
        ({"PYTHONIOENCODING": "ascii"}, "ascii", "No? gr??e\nlog: gr??e ?\nby its number\n"),
        ({"PYTHONIOENCODING": "latin-1"}, "latin-1", "No? größe\nlog: größe ?\nby its number\n"),
        ({"PYTHONIOENCODING": "utf-8"}, "utf-8", "Noć größe\nlog: größe ?\nby its number\n"),
        ({"LC_ALL": "C"}, "utf-8", "Noć größe\nlog: größe ?\nby its number\n"),
        ({"LC_ALL": "absent"}, "utf-8", "Noć größe\nlog: größe ?\nby its number\n"),
        ({"PYTHONIOENCODING": "ascii:backslashreplace"}, "ascii",
         "No\\u0107 gr\\xf6\\xdfe\nlog: gr\\xf6\\xdfe \\udce9\nby its number\n"),
    ],
)  # fmt: skip
def test_every_line_is_shown(tmp_path: Path, variables: dict[str, str], encoding: str, shown: str) -> None:
    ended = program(tmp_path, **variables)
    assert (ended.returncode, ended.stdout.decode(encoding)) == (0, shown)
    assert ended.stderr.decode(encoding).startswith("Fehler: gr")


@pytest.mark.parametrize(("redirection", "said"), [(">&-", "Fehler: größe\n"), (">&- 2>&-", ""), ("<&- >&- 2>&-", "")])
def test_a_closed_screen_is_no_failure(tmp_path: Path, redirection: str, said: str) -> None:
    ended = program(tmp_path, redirection)
    assert (ended.returncode, ended.stdout, ended.stderr.decode()) == (0, b"", said)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_a_full_screen_lost_is_said_and_fails(tmp_path: Path, unbuffered: str) -> None:
    code = (
        "import logging, sys\nfrom monitor.screen import ScreenHandler, close_screen, prepare_screen\n"
        "prepare_screen()\nlogging.basicConfig(handlers=[ScreenHandler()])\nlogging.warning('lost')\n"
        "sys.exit(close_screen(0, 'howdah'))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, stdout=full, stderr=subprocess.PIPE, timeout=60
        )
    said = b"howdah: standard output cannot be written: No space left on device\n"
    assert (ended.returncode, ended.stderr) == (1, said)


def test_a_reader_that_has_gone_is_no_failure(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom monitor.screen import close_screen, prepare_screen, say\nprepare_screen()\n"
        "sys.stdin.readline()\nsay('one')\nsay('two')\nprint('three')\n"
        "sys.stderr.write('to its end')\nsys.exit(close_screen(3, 'howdah'))\n"
    )
    reads, writes = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=writes, stderr=subprocess.PIPE
    )
    os.close(writes)
    os.close(reads)  # the reader ends before the first line
    _, errors = process.communicate(b"go\n", timeout=60)
    assert (process.returncode, errors) == (3, b"to its end")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ascii", "ascii:replace"),
        ("latin-1:strict", "iso8859-1:replace"),
        ("utf-8:surrogateescape", "utf-8:replace"),
        ("ascii:xmlcharrefreplace", "ascii:xmlcharrefreplace"),
        ("no-such-code", "utf-8:replace"),
        ("ascii:no-such-way", "ascii:replace"),
        (":ignore", "utf-8:ignore"),
    ],
)
def test_what_the_variable_says_counts_where_it_can(monkeypatch: pytest.MonkeyPatch, given: str, expected: str) -> None:
    monkeypatch.setattr("locale.nl_langinfo", lambda _: "UTF-8")
    monkeypatch.setenv("PYTHONIOENCODING", given)
    assert screen_encoding() == expected


@pytest.mark.parametrize(
    ("codeset", "expected"),
    [("ANSI_X3.4-1968", "utf-8"), ("ISO-8859-15", "iso8859-15"), ("UTF-8", "utf-8"), ("", "utf-8"), ("x", "utf-8")],
)
def test_otherwise_the_locale_counts(monkeypatch: pytest.MonkeyPatch, codeset: str, expected: str) -> None:
    monkeypatch.setattr("locale.nl_langinfo", lambda _: codeset)
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    assert screen_encoding() == f"{expected}:replace"
