"""Unpacking what was downloaded: regular files alone, below one folder, and no more bytes than any data set has."""

from __future__ import annotations

import gzip
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path, PureWindowsPath
from typing import IO
from urllib.error import HTTPError, URLError

from recsys.catalogue import Kind

MAX_BYTES = 8 * 2**30
"""What a download, and all that it unpacks to, may be: the largest, of Amazon's reviews, unpacks to 4.5 GB or so."""
MAX_MEMBERS = 1_000
"""How many entries an archive may have: the largest of the catalogue has fewer than 30."""
CHUNK_BYTES = 256 * 1024


class Failure(Exception):
    """Why a data set could not be fetched, in a few words: `fetch` adds the address and the remedy."""


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turns what networks, disks and archives raise into a `Failure` that says what was being done."""
    try:
        yield
    except HTTPError as error:
        error.close()
        raise Failure(f"{doing}: HTTP status {error.code} {error.reason}") from error
    except URLError as error:
        raise Failure(f"{doing}: {error.reason}") from error
    except OSError as error:
        raise Failure(f"{doing}: {error.strerror or error}") from error
    # RuntimeError is zipfile's for an encrypted member, and NotImplementedError's base for an unknown compression
    except (
        HTTPException,
        ValueError,
        EOFError,
        RuntimeError,
        struct.error,
        zlib.error,
        zipfile.BadZipFile,
        tarfile.TarError,
    ) as error:
        raise Failure(f"{doing}: {error or type(error).__name__}") from error


def unpack(packed: Path, kind: Kind, target: Path) -> None:
    """Unpacks an archive into the folder `target`, or one file to the path `target`; `packed` may be moved.

    Raises:
        Failure: a member is unsafe, or there is more than MAX_BYTES or MAX_MEMBERS.
        OSError, ValueError and others that `explained` knows: the archive is damaged, or the disk is full.
    """
    if kind == "zip":
        _unpack_zip(packed, target)
    elif kind == "tar.gz":
        _unpack_tar(packed, target)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        if kind == "gz":
            with gzip.open(packed) as source:
                _copy(source, target)
        else:
            packed.rename(target)


def _unpack_zip(archive: Path, into: Path) -> None:
    with zipfile.ZipFile(archive) as source:
        members = source.infolist()
        # zipfile never yields more than a member's declared size, so that the declared sizes bound what is written
        _check_size(len(members), sum(member.file_size for member in members))
        # the upper half is the Unix mode; 0 where the archive was made elsewhere
        kinds = [stat.S_IFMT(member.external_attr >> 16) for member in members]
        targets = [
            _target(into, member.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR))
            for member, kind in zip(members, kinds, strict=True)
        ]
        for member, target in zip(members, targets, strict=True):
            if member.is_dir():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with source.open(member) as content:
                _copy(content, target)


def _unpack_tar(archive: Path, into: Path) -> None:
    """In one pass: a member is looked at before it is written, and the caller uses none if one of them is refused."""
    members = size_bytes = 0
    with gzip.open(archive) as unzipped, tarfile.open(fileobj=unzipped, mode="r|") as source:
        for member in source:
            members, size_bytes = members + 1, size_bytes + member.size
            _check_size(members, size_bytes)
            target = _target(into, member.name, member.isreg() or member.isdir())
            if not member.isreg():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            content = source.extractfile(member)
            assert content is not None  # of a regular file
            with content:
                _copy(content, target)
        # gzip's own checksum stands behind the last byte, and tarfile stops before it
        for _ in _chunks(unzipped):
            pass


def _target(into: Path, name: str, plain: bool) -> Path:
    """Where a member goes; Windows' rules for paths know both separators and drive letters."""
    path = PureWindowsPath(name)
    # "./" is the archive's folder itself
    if path.anchor or ".." in path.parts or not name.strip():
        raise Failure(f"the archive has the unsafe member {name!r}, a path outside its folder")
    if not plain:
        raise Failure(f"the archive has the unsafe member {name!r}, a link or device")
    return into.joinpath(*path.parts)


def _check_size(members: int, size_bytes: int) -> None:
    if members > MAX_MEMBERS or size_bytes > MAX_BYTES:
        raise Failure(f"the archive has over {MAX_MEMBERS} members or {MAX_BYTES / 1e9:.1f} GB, as no data set has")


def _copy(source: IO[bytes] | gzip.GzipFile, target: Path) -> None:
    """Copies to a new file; one that is there already was unpacked from a member of the same name."""
    with open(target, "xb") as out:
        for chunk in _chunks(source):
            out.write(chunk)


def _chunks(source: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    read_bytes = 0
    while chunk := source.read(CHUNK_BYTES):
        read_bytes += len(chunk)
        _check_size(1, read_bytes)
        yield chunk
