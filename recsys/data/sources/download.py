"""The folder of a catalogue data set on this machine: where it is, else downloaded, verified and unpacked.

A download lives in a hidden folder `.<name>-*.partial` inside the data folder until it is whole; it then moves into
place by one rename. Whatever goes wrong, and on Ctrl-C, that folder is removed; only a killed process leaves it.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import TextIO
from urllib.request import Request, urlopen
from urllib.response import addinfourl

from recsys.catalogue import CATALOGUE, Download, Release
from recsys.data.sources import archives
from recsys.data.sources.archives import CHUNK_BYTES, Failure, explained, unpack
from recsys.errors import DataError

TIMEOUT_SECONDS = 30
"""How long a connection may stay silent."""
_UNKNOWN_TOTAL_STEP_BYTES = 10_000_000
_CHECKSUM_NAMES = {"md5": "MD5", "sha256": "SHA-256", "git": "Git id"}

Progress = Callable[[int, int | None], None]
"""Called after each piece with the bytes received and the bytes in all (None: the server did not say)."""


def find(release: Release, data_dir: str) -> Path | None:
    """The absolute path of the folder in which the files of the ratings and of the movies, if it has any, lie.

    The order is: `data_dir`/<folder of the archive>, `data_dir`/<name>, `data_dir` itself. The last is skipped where
    it has the name of another data set, as several have the same file names. None where no folder has all of them.
    """
    return next((folder for folder in _candidates(release, data_dir) if not _missing(release, folder)), None)


def fetch(release: Release, data_dir: str, *, url: str | None = None, progress: Progress | None = None) -> Path:
    """The folder of the data set's files: the one that `find` finds, else a download into `data_dir`.

    Args:
        release: a data set of the catalogue.
        data_dir: a local folder; made where it is absent and a download is needed.
        url: an address to use in place of the published one, for a mirror; the checksum stays the published one. Where
            it is published in a file, that is read from the same address with ".md5" added. Of a data set of several
            downloads it is the address of the folder that they are in.
        progress: called after each piece, of each download; what it raises ends the download. None draws a bar on
            standard error.

    Raises:
        DataError: nothing usable came of it (no network, wrong checksum, unsafe archive, read-only folder, full
            disk, an incomplete folder in the way), or nobody offers it for download; one line with the address, what
            was missing and the remedy.
    """
    if "://" in data_dir:
        raise DataError(
            f"data.data_dir is {data_dir}, but data set {release.name} is looked for, and downloaded, on local disks "
            "only: give a local folder, or name its files with data.ratings and data.movies instead of data.dataset"
        )
    folder = find(release, data_dir)
    if folder is not None:
        return folder
    root = _absolute(data_dir)
    if not release.downloads:
        text = f"data set {release.name}: {_absence(release, data_dir)}, and it cannot be downloaded: {release.by_hand}"
        raise DataError(" ".join(f"{text}, below {root} or another folder that data.data_dir names".split()))
    addresses = [_address(download, url, len(release.downloads)) for download in release.downloads]
    try:
        return _install(release, root, addresses, progress)
    except Failure as failure:
        absence = _absence(release, data_dir)
        problem = f"data set {release.name}: {absence}, and it cannot be fetched from {', '.join(addresses)}: {failure}"
        remedy = f"download it by hand, unpack it into {root} or another folder, and set data.data_dir to that folder"
        raise DataError(" ".join(f"{problem}; remedy: {remedy}".split())) from failure


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
    layouts = [layout for layout in (release.ratings, release.movies) if layout is not None]
    return [layout.path for layout in layouts if layout.path_in(folder) is None]


def _absence(release: Release, data_dir: str) -> str:
    if release.movies is not None:
        for folder in _candidates(release, data_dir):
            missing = _missing(release, folder)
            if len(missing) == 1:
                return f"{missing[0]} is missing from {folder}"
    return f"there is no {release.folder}/{release.ratings.path} in {_absolute(data_dir)}"


def _address(download: Download, url: str | None, downloads: int) -> str:
    if url is None or downloads == 1:
        return url or download.url
    return f"{url.rstrip('/')}/{download.url.rsplit('/', 1)[1]}"


@contextmanager
def _reported(
    release: Release, download: Download, address: str, root: Path, progress: Progress | None
) -> Iterator[Progress]:
    """The progress of one download: the caller's own, else a bar, after a line that says what comes."""
    if progress is not None:
        yield progress
        return
    unchecked = f" (no checksum is known: {download.unchecked_because})" if download.unchecked_because else ""
    print(f"{release.name}: downloading {address} into {root}{unchecked}", file=sys.stderr)
    bar = ProgressBar(release.name)
    try:
        yield bar
    finally:
        bar.close()


def _install(release: Release, root: Path, addresses: list[str], progress: Progress | None) -> Path:
    """Downloads, verifies and unpacks into `root`; the folder's final path."""
    target = root / release.folder
    with explained(f"cannot look into {target}"):
        # asked before the download, not after it: only an empty folder can be renamed over
        in_the_way = os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir()))
    if in_the_way:
        raise Failure(f"{target} is in the way of the download, complete it or move it away")
    with explained(f"cannot write to {root}"):
        root.mkdir(parents=True, exist_ok=True)
        partial = tempfile.TemporaryDirectory(
            prefix=f".{release.name}-", suffix=".partial", dir=root, ignore_cleanup_errors=True
        )
    with partial:
        unpacked = Path(partial.name, "unpacked")
        for download, address in zip(release.downloads, addresses, strict=True):
            try:
                with _reported(release, download, address, root, progress) as report:
                    _get(download, address, root, unpacked, report)
            except Failure as failure:
                if len(addresses) == 1:
                    raise
                raise Failure(f"of {address}: {failure}") from failure
        missing = _missing(release, unpacked / release.folder)
        if missing:
            raise Failure(f"the archive has no {release.folder}/{missing[0]}")
        try:
            os.rename(unpacked / release.folder, target)
        except OSError as error:
            # another process was faster: its folder is as good, and may be in use
            if _missing(release, target):
                raise Failure(f"cannot move it to {target}: {error.strerror}") from error
    return target


def _get(download: Download, address: str, root: Path, unpacked: Path, progress: Progress) -> None:
    """Downloads one file into the folder beside `unpacked`, verifies it and unpacks it."""
    packed = unpacked.parent / f"archive.{download.kind}"
    expected = f"md5:{_published_md5(f'{address}.md5')}" if download.checksum_file else download.checksum
    _download(address, packed, progress)
    with explained("cannot read it back"):
        _verify(packed, expected)
    with explained(f"cannot unpack it into {root}"):
        unpack(packed, download.kind, unpacked / download.target)
        packed.unlink(missing_ok=True)


def _verify(file: Path, expected: str | None) -> None:
    """Compares a file with its published checksum, where there is one."""
    if expected is None:
        return
    algorithm, _, digits = expected.partition(":")
    digest = hashlib.new("sha1" if algorithm == "git" else algorithm, usedforsecurity=False)
    if algorithm == "git":
        digest.update(b"blob %d\0" % file.stat().st_size)
    with open(file, "rb") as source:
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
    if digest.hexdigest() != digits:
        name = _CHECKSUM_NAMES[algorithm]
        actual = f"its {name} is {digest.hexdigest()}, not the published {digits}"
        raise Failure(f"{actual} (damaged on the way, or another file)")


def _published_md5(address: str) -> str:
    """The checksum in a .md5 file, whether written as `MD5 (x.zip) = <digits>` or as `<digits>  x.zip`."""
    with explained(f"cannot read its checksum from {address}"), _opened(address) as response:
        text = response.read(4096).decode("ascii", "replace")
    digits = re.search(r"\b[0-9a-fA-F]{32}\b", text)
    if digits is None:
        raise Failure(f"{address} holds no MD5 checksum")
    return digits[0].lower()


def _opened(address: str) -> HTTPResponse | addinfourl:
    response: HTTPResponse | addinfourl = urlopen(
        Request(address, headers={"User-Agent": "howdah"}), timeout=TIMEOUT_SECONDS
    )
    return response


def _download(address: str, file: Path, progress: Progress) -> None:
    """Copies what lies at `address` to the new file `file`."""
    received_bytes = 0
    with explained("cannot download it"):
        response = _opened(address)
    with response:
        length = response.headers.get("Content-Length", "")
        total_bytes = int(length) if length.isdecimal() else None
        with explained(f"cannot write to {file.parent.parent}"):
            # unbuffered, so that a full disk shows at the write and not again, unexplained, when the file is closed
            out = open(file, "xb", buffering=0)  # noqa: SIM115
        with out:
            while True:
                with explained("the download broke off"):
                    chunk = response.read(CHUNK_BYTES)
                if not chunk:
                    break
                received_bytes += len(chunk)
                if received_bytes > archives.MAX_BYTES:
                    raise Failure(f"it is larger than {archives.MAX_BYTES / 1e9:.1f} GB, as no data set is")
                with explained(f"cannot write to {file.parent.parent}"):
                    rest = memoryview(chunk)
                    while rest:
                        rest = rest[out.write(rest) :]
                progress(received_bytes, total_bytes)
    # read(n) ends quietly where the connection does
    if total_bytes is not None and received_bytes != total_bytes:
        raise Failure(f"the download broke off after {received_bytes} of {total_bytes} bytes")
