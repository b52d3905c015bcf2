"""The folder of a catalogue data set on this machine: where it is, else downloaded, verified and unpacked.

A download lives in a hidden folder `.<name>-*.partial` inside the data folder until it is whole; it then moves into
place by one rename. Whatever goes wrong, and on Ctrl-C, that folder is removed; only a killed process leaves it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import struct
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PureWindowsPath
from typing import TextIO
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen
from urllib.response import addinfourl

from recsys.data.sources.catalogue import CATALOGUE, Release
from recsys.errors import DataError

TIMEOUT_SECONDS = 30
"""How long a connection may stay silent."""
MAX_BYTES = 4 * 2**30
"""What an archive, and all of its files together, may be: the largest release unpacks to 1.2 GB."""
MAX_MEMBERS = 1_000
"""How many entries an archive may have: the largest release has fewer than 30."""
_CHUNK_BYTES = 256 * 1024
_UNKNOWN_TOTAL_STEP_BYTES = 10_000_000

Progress = Callable[[int, int | None], None]
"""Called after each piece with the bytes received and the bytes in all (None: the server did not say)."""


class _Failure(Exception):
    """Why a data set could not be fetched, in a few words: `fetch` adds the address and the remedy."""


def find(release: Release, data_dir: str) -> Path | None:
    """The absolute path of the folder in which both the ratings and the movies file lie; None where none has both.

    The order is: `data_dir`/<folder of the archive>, `data_dir`/<name>, `data_dir` itself. The last is skipped where
    it has the name of another release, as several releases have the same file names.
    """
    return next((folder for folder in _candidates(release, data_dir) if not _missing(release, folder)), None)


def fetch(release: Release, data_dir: str, *, url: str | None = None, progress: Progress | None = None) -> Path:
    """The folder of the data set's files: the one that `find` finds, else a download into `data_dir`.

    Args:
        release: a release of the catalogue.
        data_dir: a local folder; made where it is absent and a download is needed.
        url: an address to use in place of the published one, for a mirror; the checksum stays the published one.
            Where the catalogue has none, it is read from the same address with ".md5" added.
        progress: called after each piece; what it raises ends the download. None draws a bar on standard error.

    Raises:
        DataError: nothing usable came of it (no network, wrong checksum, unsafe archive, read-only folder, full
            disk, an incomplete folder in the way); one line with the address, what was missing and the remedy.
    """
    if "://" in data_dir:
        raise DataError(
            f"data.data_dir is {data_dir}, but data set {release.name} is looked for, and downloaded, on local disks "
            "only: give a local folder, or name its files with data.ratings and data.movies instead of data.dataset"
        )
    folder = find(release, data_dir)
    if folder is not None:
        return folder
    root, address = _absolute(data_dir), url or release.url
    bar = None
    if progress is None:
        print(f"{release.name}: downloading {address} into {root}", file=sys.stderr)
        progress = bar = ProgressBar(release.name)
    try:
        return _install(release, root, address, progress)
    except _Failure as failure:
        absence = _absence(release, data_dir)
        problem = f"data set {release.name}: {absence}, and it cannot be fetched from {address}: {failure}"
        remedy = f"download it by hand, unpack it into {root} or another folder, and set data.data_dir to that folder"
        raise DataError(" ".join(f"{problem}; remedy: {remedy}".split())) from failure
    finally:
        if bar is not None:
            bar.close()


class ProgressBar:
    """Shows a download's progress: on a terminal one line, rewritten; elsewhere a line for every 10 %."""

    def __init__(self, label: str, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """`stream` is standard error by default; `clock` gives seconds."""
        self._label, self._stream, self._clock = label, stream or sys.stderr, clock
        self._terminal = self._stream.isatty()
        self._started_seconds = clock()
        self._drawn_seconds = float("-inf")
        self._step = 0
        self._width = 0

    def __call__(self, received_bytes: int, total_bytes: int | None) -> None:
        """Shows the state, unless the last one shown is hardly older."""
        now_seconds = self._clock()
        if self._terminal:
            if now_seconds - self._drawn_seconds < 0.1 and received_bytes != total_bytes:
                return
            self._drawn_seconds = now_seconds
        else:
            step = received_bytes * 10 // total_bytes if total_bytes else received_bytes // _UNKNOWN_TOTAL_STEP_BYTES
            if step <= self._step:
                return
            self._step = step
        speed = received_bytes / 1e6 / max(now_seconds - self._started_seconds, 1e-3)
        text = f"{received_bytes / 1e6:.1f} MB, {speed:.1f} MB/s"
        if total_bytes:
            percent = received_bytes * 100 // total_bytes
            text = f"{percent:3d} % of {total_bytes / 1e6:.1f} MB, {speed:.1f} MB/s"
            if self._terminal:
                text = f"[{'#' * (percent // 5):<20}] {text}"
        text = f"{self._label}: {text}"
        self._stream.write(f"\r{text:<{self._width}}" if self._terminal else f"{text}\n")
        self._stream.flush()
        self._width = len(text)

    def close(self) -> None:
        """Ends the line on a terminal, so that what is printed next starts on its own."""
        if self._terminal and self._width:
            self._stream.write("\n")
            self._stream.flush()
            self._width = 0


def _absolute(data_dir: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(data_dir)))


def _candidates(release: Release, data_dir: str) -> list[Path]:
    root = _absolute(data_dir)
    folders = [root / release.folder, root / release.name]
    others = {name for other in CATALOGUE.values() if other.name != release.name for name in (other.name, other.folder)}
    if root.name not in others:
        folders.append(root)
    return list(dict.fromkeys(folders))


def _missing(release: Release, folder: Path) -> list[str]:
    # os.path.isfile is false, where Path.is_file raises, for what may not be looked at
    return [path for path in (release.ratings.path, release.movies.path) if not os.path.isfile(folder / path)]


def _absence(release: Release, data_dir: str) -> str:
    for folder in _candidates(release, data_dir):
        missing = _missing(release, folder)
        if len(missing) == 1:
            return f"{missing[0]} is missing from {folder}"
    return f"there is no {release.folder}/{release.ratings.path} in {_absolute(data_dir)}"


@contextmanager
def _explained(doing: str) -> Iterator[None]:
    """Turns what networks, disks and archives raise into a `_Failure` that says what was being done."""
    try:
        yield
    except HTTPError as error:
        error.close()
        raise _Failure(f"{doing}: HTTP status {error.code} {error.reason}") from error
    except URLError as error:
        raise _Failure(f"{doing}: {error.reason}") from error
    except OSError as error:
        raise _Failure(f"{doing}: {error.strerror or error}") from error
    # RuntimeError is zipfile's for an encrypted member, and NotImplementedError's base for an unknown compression
    except (HTTPException, ValueError, EOFError, RuntimeError, struct.error, zlib.error, zipfile.BadZipFile) as error:
        raise _Failure(f"{doing}: {error or type(error).__name__}") from error


def _install(release: Release, root: Path, address: str, progress: Progress) -> Path:
    """Downloads, verifies and unpacks into `root`; the folder's final path."""
    target = root / release.folder
    with _explained(f"cannot look into {target}"):
        # asked before the download, not after it: only an empty folder can be renamed over
        in_the_way = os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir()))
    if in_the_way:
        raise _Failure(f"{target} is in the way of the download, complete it or move it away")
    with _explained(f"cannot write to {root}"):
        root.mkdir(parents=True, exist_ok=True)
        partial = tempfile.TemporaryDirectory(
            prefix=f".{release.name}-", suffix=".partial", dir=root, ignore_cleanup_errors=True
        )
    with partial:
        archive, unpacked = Path(partial.name, "archive.zip"), Path(partial.name, "unpacked")
        expected = release.md5 or _published_md5(f"{address}.md5")
        actual = _download(address, archive, progress)
        if actual != expected:
            raise _Failure(f"its MD5 is {actual}, not the published {expected} (damaged on the way, or another file)")
        with _explained(f"cannot unpack it into {root}"):
            _unpack(archive, unpacked)
        missing = _missing(release, unpacked / release.folder)
        if missing:
            raise _Failure(f"the archive has no {release.folder}/{missing[0]}")
        try:
            os.rename(unpacked / release.folder, target)
        except OSError as error:
            # another process was faster: its folder is as good, and may be in use
            if _missing(release, target):
                raise _Failure(f"cannot move it to {target}: {error.strerror}") from error
    return target


def _published_md5(address: str) -> str:
    """The checksum in a .md5 file, whether written as `MD5 (x.zip) = <digits>` or as `<digits>  x.zip`."""
    with _explained(f"cannot read its checksum from {address}"), _opened(address) as response:
        text = response.read(4096).decode("ascii", "replace")
    digits = re.search(r"\b[0-9a-fA-F]{32}\b", text)
    if digits is None:
        raise _Failure(f"{address} holds no MD5 checksum")
    return digits[0].lower()


def _opened(address: str) -> HTTPResponse | addinfourl:
    response: HTTPResponse | addinfourl = urlopen(
        Request(address, headers={"User-Agent": "howdah"}), timeout=TIMEOUT_SECONDS
    )
    return response


def _download(address: str, archive: Path, progress: Progress) -> str:
    """Copies what lies at `address` to the new file `archive`; its MD5."""
    digest = hashlib.md5(usedforsecurity=False)
    received_bytes = 0
    with _explained("cannot download it"):
        response = _opened(address)
    with response:
        length = response.headers.get("Content-Length", "")
        total_bytes = int(length) if length.isdecimal() else None
        with _explained(f"cannot write to {archive.parent.parent}"):
            # unbuffered, so that a full disk shows at the write and not again, unexplained, when the file is closed
            out = open(archive, "xb", buffering=0)  # noqa: SIM115
        with out:
            while True:
                with _explained("the download broke off"):
                    chunk = response.read(_CHUNK_BYTES)
                if not chunk:
                    break
                received_bytes += len(chunk)
                if received_bytes > MAX_BYTES:
                    raise _Failure(f"it is larger than {MAX_BYTES / 1e9:.1f} GB, as no release is")
                digest.update(chunk)
                with _explained(f"cannot write to {archive.parent.parent}"):
                    rest = memoryview(chunk)
                    while rest:
                        rest = rest[out.write(rest) :]
                progress(received_bytes, total_bytes)
    # read(n) ends quietly where the connection does
    if total_bytes is not None and received_bytes != total_bytes:
        raise _Failure(f"the download broke off after {received_bytes} of {total_bytes} bytes")
    return digest.hexdigest()


def _unpack(archive: Path, into: Path) -> None:
    """Extracts the regular files of a zip file below `into`, after a look at every member's name and kind."""
    with zipfile.ZipFile(archive) as source:
        members = source.infolist()
        # zipfile never yields more than a member's declared size, so that the declared sizes bound what is written
        if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > MAX_BYTES:
            raise _Failure(f"the archive has over {MAX_MEMBERS} members or {MAX_BYTES / 1e9:.1f} GB, as no release has")
        targets = [(member, into.joinpath(*_safe_parts(member))) for member in members]
        for member, target in targets:
            if member.is_dir():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with source.open(member) as content, open(target, "xb") as out:
                shutil.copyfileobj(content, out, _CHUNK_BYTES)


def _safe_parts(member: zipfile.ZipInfo) -> tuple[str, ...]:
    """The member's path, part by part; Windows' rules know both separators and drive letters."""
    path = PureWindowsPath(member.filename)
    if path.anchor or ".." in path.parts or not path.parts:
        raise _Failure(f"the archive has the unsafe member {member.filename!r}, a path outside its folder")
    # the upper half is the Unix mode; 0 where the archive was made elsewhere
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _Failure(f"the archive has the unsafe member {member.filename!r}, a link or device")
    return path.parts
