"""What a fetch refuses, what it says then, and that it leaves nothing behind."""

import hashlib
import io
import os
import resource
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from zip_server import (
    MOVIES,
    RATINGS,
    WHOLE,
    Server,
    ignore,
    put,
    release,
    tree,
    with_download,
    zipped,
)

from recsys.catalogue import CATALOGUE, Release
from recsys.data.sources import archives, download
from recsys.data.sources.download import fetch
from recsys.errors import DataError


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    yield running
    running.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


def refusal(dataset: Release, folder: Path, address: str) -> str:
    """The message of a fetch that must fail: one line, with the address and the remedy, and no file left."""
    before = tree(folder.parent)
    with pytest.raises(DataError) as caught:
        fetch(dataset, str(folder), url=address, progress=ignore)
    message = str(caught.value)
    assert "\n" not in message
    assert address in message
    assert f"download it by hand, unpack it into {folder}" in message and "set data.data_dir" in message
    assert tree(folder.parent) == before
    return message


def test_wrong_checksum(server: Server, folder: Path) -> None:
    archive = zipped(WHOLE)
    other = hashlib.md5(archive + b"\0").hexdigest()
    message = refusal(with_download("ml-1m", checksum=f"md5:{other}"), folder, server.offer(archive))
    assert f"its MD5 is {hashlib.md5(archive).hexdigest()}, not the published {other}" in message
    assert f"there is no ml-1m/ratings.dat in {folder}" in message


def test_wrong_checksum_in_the_published_file(server: Server, folder: Path) -> None:
    dataset = with_download("ml-1m", checksum=None, checksum_file=True)
    server.offer(b"MD5 (ml.zip) = " + b"0" * 32, "/ml.zip.md5")
    assert f"not the published {'0' * 32}" in refusal(dataset, folder, server.offer(zipped(WHOLE)))


@pytest.mark.parametrize("content", [None, b"<html>moved</html>"])
def test_no_checksum_no_download(server: Server, folder: Path, content: bytes | None) -> None:
    if content is not None:
        server.offer(content, "/ml.zip.md5")
    dataset = with_download("ml-1m", checksum=None, checksum_file=True)
    assert "checksum" in refusal(dataset, folder, server.offer(zipped(WHOLE)))
    assert server.asked == ["/ml.zip.md5"]


def test_truncated_download(server: Server, folder: Path) -> None:
    archive = zipped(WHOLE)
    message = refusal(release(archive), folder, server.offer(archive, missing_bytes=7))
    assert f"broke off after {len(archive) - 7} of {len(archive)} bytes" in message


def test_server_that_falls_silent(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.2)
    address = server.offer(zipped(WHOLE), missing_bytes=7)
    server.silent.add("/ml.zip")
    assert "timed out" in refusal(CATALOGUE["ml-1m"], folder, address)


def test_one_line_whatever_the_folder_is_called(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^data set ml-1m: .*/two lines, and it cannot be fetched from http.*404"):
        fetch(CATALOGUE["ml-1m"], str(tmp_path / "two\nlines"), url=server.address("/none.zip"), progress=ignore)


def test_not_found(server: Server, folder: Path) -> None:
    assert "HTTP status 404" in refusal(CATALOGUE["ml-1m"], folder, server.address("/none.zip"))


def test_connection_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    closed = Server()
    address = closed.address("/ml.zip")
    closed.close()
    assert "refused" in refusal(CATALOGUE["ml-1m"], folder, address)


def test_address_without_a_scheme(folder: Path) -> None:
    assert "unknown url type" in refusal(CATALOGUE["ml-1m"], folder, "mirror/ml-1m.zip")


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"", zipped(WHOLE)[:-30]])
def test_not_a_zip(server: Server, folder: Path, body: bytes) -> None:
    assert "cannot unpack it" in refusal(release(body), folder, server.offer(body))


def test_damaged_member(server: Server, folder: Path) -> None:
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_STORED) as target:
        target.writestr("ml-1m/ratings.dat", RATINGS)
        target.writestr("ml-1m/movies.dat", MOVIES)
    archive = stored.getvalue().replace(b"2::661", b"2::662")
    assert "CRC" in refusal(release(archive), folder, server.offer(archive))


def test_archive_without_the_files(server: Server, folder: Path) -> None:
    archive = zipped({"ml-1m/ratings.dat": RATINGS, "movies.dat": MOVIES})
    assert "the archive has no ml-1m/movies.dat" in refusal(release(archive), folder, server.offer(archive))


@pytest.mark.parametrize(
    "name", ["../evil", "ml-1m/../../evil", "..\\evil", "C:evil", "C:\\evil", "\\\\host\\share\\evil", "/ABSOLUTE"]
)
def test_members_outside_the_folder(server: Server, folder: Path, name: str) -> None:
    path = name.replace("/ABSOLUTE", f"{folder.parent}/evil")
    archive = zipped({**WHOLE, path: b"evil"})
    assert "unsafe member" in refusal(release(archive), folder, server.offer(archive))
    assert not list(folder.parent.rglob("*evil*"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_members_that_are_links_or_devices(server: Server, folder: Path, kind: int) -> None:
    member = zipfile.ZipInfo("ml-1m/link")
    member.create_system = 3
    member.external_attr = (kind | 0o777) << 16
    archive = zipped({**WHOLE, member: str(folder.parent).encode()})
    assert "'ml-1m/link', a link or device" in refusal(release(archive), folder, server.offer(archive))


def test_member_that_hides_another(server: Server, folder: Path) -> None:
    archive = zipped({**WHOLE, zipfile.ZipInfo("ml-1m//ratings.dat"): b"other"})
    assert "cannot unpack it" in refusal(release(archive), folder, server.offer(archive))


def test_too_large_when_unpacked(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped({**WHOLE, "ml-1m/zeros": bytes(200_000)})
    monkeypatch.setattr(archives, "MAX_BYTES", 100_000)
    assert len(archive) < 100_000
    assert "the archive has over" in refusal(release(archive), folder, server.offer(archive))


def test_too_large_to_download(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 100)
    assert "it is larger than" in refusal(CATALOGUE["ml-1m"], folder, server.offer(bytes(101)))


def test_too_many_members(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped(WHOLE)
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    assert "the archive has over 3 members" in refusal(release(archive), folder, server.offer(archive))


def test_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    message = refusal(CATALOGUE["ml-1m"], tmp_path / "file" / "data", server.offer(zipped(WHOLE)))
    assert f"cannot write to {tmp_path / 'file' / 'data'}: Not a directory" in message
    assert server.asked == []


def test_read_only_folder(server: Server, folder: Path) -> None:
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("no folder is read-only to this user (root)")
    assert f"cannot write to {folder}: Permission denied" in refusal(
        CATALOGUE["ml-1m"], folder, server.offer(zipped(WHOLE))
    )
    assert server.asked == []


@pytest.mark.parametrize(("archived", "doing"), [(os.urandom(50_000), "write to"), (bytes(50_000), "unpack it into")])
def test_disk_that_takes_no_more(server: Server, folder: Path, archived: bytes, doing: str) -> None:
    """The limit on a file's size stands for the full disk: the system refuses the write all the same."""
    archive = zipped({**WHOLE, "ml-1m/large": archived})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        message = refusal(release(archive), folder, server.offer(archive))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"cannot {doing} {folder}: File too large" in message


def test_incomplete_folder_in_the_way_is_left_alone(server: Server, folder: Path) -> None:
    put(folder / "ml-1m", "movies.dat", "mine")
    message = refusal(CATALOGUE["ml-1m"], folder, server.offer(zipped(WHOLE)))
    assert f"ratings.dat is missing from {folder / 'ml-1m'}" in message
    assert f"{folder / 'ml-1m'} is in the way" in message
    assert server.asked == []


def test_incomplete_folder_that_appears_meanwhile(server: Server, folder: Path) -> None:
    archive = zipped(WHOLE)
    with pytest.raises(DataError, match=r"cannot move it to .*ml-1m"):
        fetch(
            release(archive),
            str(folder),
            url=server.offer(archive),
            progress=lambda *_: put(folder / "ml-1m", "movies.dat"),
        )
    assert tree(folder) == ["ml-1m", "ml-1m/movies.dat"]


def test_remote_folder_is_refused(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"data\.data_dir is hdfs://host/data.*data.ratings"):
        fetch(CATALOGUE["ml-1m"], "hdfs://host/data", url=server.offer(zipped(WHOLE)))
    assert tree(tmp_path) == [] == server.asked


@pytest.mark.parametrize("raised", [KeyboardInterrupt, OSError, ValueError])
def test_what_the_callback_raises_ends_the_download(server: Server, folder: Path, raised: type[BaseException]) -> None:
    archive = zipped(WHOLE)
    during: list[str] = []

    def stop(received_bytes: int, total_bytes: int | None) -> None:
        during.extend(tree(folder))
        raise raised("stop")

    with pytest.raises(raised, match="stop"):
        fetch(release(archive), str(folder), url=server.offer(archive), progress=stop)
    partial, file = during
    assert partial.startswith(".ml-1m-") and partial.endswith(".partial") and file == f"{partial}/archive.zip"
    assert tree(folder) == []
