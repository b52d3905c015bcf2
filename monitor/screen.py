"""What programs print: every text on any screen, and quietly nothing more once the reader has gone."""

from __future__ import annotations

import codecs
import contextlib
import io
import locale
import logging
import os
import sys


def prepare_screen() -> None:
    """Makes standard output and standard error write every text; to be called once, at a program's start.

    Characters that the screen's encoding lacks become `?`. The encoding is that of PYTHONIOENCODING, otherwise the
    locale's, and UTF-8 in the locale C. A closed stream is replaced by the null device: otherwise the next file that
    is opened takes its number, and what is printed goes into that file.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            _to_null_device(number)
    encoding, _, errors = screen_encoding().partition(":")
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            opened = open(number, "w", encoding=encoding, errors=errors, closefd=False)  # noqa: SIM115 - for good
            setattr(sys, name, opened)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=encoding, errors=errors)


def screen_encoding() -> str:
    """The screen's encoding, and what becomes of characters that it lacks, as PYTHONIOENCODING takes both."""
    given, _, errors = os.environ.get("PYTHONIOENCODING", "").partition(":")
    encoding = _of_locale()
    with contextlib.suppress(LookupError):
        encoding = codecs.lookup(given or encoding).name
    if errors in ("", "strict", "surrogateescape"):  # with these there are texts that are not written
        return f"{encoding}:replace"
    try:
        codecs.lookup_error(errors)
    except LookupError:
        return f"{encoding}:replace"
    return f"{encoding}:{errors}"


def _of_locale() -> str:
    codeset = locale.nl_langinfo(locale.CODESET)
    with contextlib.suppress(LookupError):
        name = codecs.lookup(codeset).name
        return "utf-8" if name == "ascii" else name  # the locale C says ASCII, and its screens show UTF-8 (PEP 540)
    return "utf-8"


def say(text: str = "", end: str = "\n") -> None:
    """Prints a text at once. Where the reader of standard output has ended (`| head`), nothing is printed any more."""
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        _to_null_device(1)


class ScreenHandler(logging.StreamHandler):
    """Log messages on standard output. One that cannot be written disturbs nobody, and `close_screen` says so."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    def handleError(self, record: logging.LogRecord) -> None:
        """Called where a message was not written."""
        error = sys.exc_info()[1]
        if isinstance(error, BrokenPipeError):
            _to_null_device(1)
        elif isinstance(error, OSError):
            _lost.append(error)


_lost: list[OSError] = []


def close_screen(code: int, program: str) -> int:
    """Writes what is still to be written; to be called at a program's end.

    Args:
        code: The program's exit code so far.
        program: The program's name, for the message.

    Returns:
        The exit code: 1 in place of 0 where text was lost, as on a full disk, which is said on standard error. A
        reader that has ended is no failure.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _to_null_device(1)
    except OSError as error:
        _to_null_device(1)
        _lost.append(error)
    if not _lost:
        return code
    print(f"{program}: standard output cannot be written: {_lost[0].strerror}", file=sys.stderr)
    _lost.clear()
    return code or 1


def _to_null_device(number: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null == number:
        os.set_inheritable(number, True)
    else:
        os.dup2(null, number)
        os.close(null)
