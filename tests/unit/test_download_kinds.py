"""Downloads of each kind: tar.gz, gz, plain files, one or several; verified and unpacked, or refused with a reason."""

import contextlib
import dataclasses
import gzip
import hashlib
import io
import os
import resource
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zip_server import Server, ignore, put, tree, with_download, zipped

from recsys.catalogue import CATALOGUE, Download, Release
from recsys.data.sources import archives
from recsys.data.sources.archives import Failure, unpack
from recsys.data.sources.download import fetch, find
from recsys.errors import DataError

PLAYS = b"0a\t\tu2\t31\n0b\t\tbox car\t1\n"
FOLDER, FILE = "lastfm-dataset-360K", "usersha1-artmbid-artname-plays.tsv"


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


def member(name: str, **changes: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for attribute, value in changes.items():
        setattr(info, attribute, value)
    return info


def tarred(*members: tuple[tarfile.TarInfo | str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for one, content in members:
            info = one if isinstance(one, tarfile.TarInfo) else member(one)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


WHOLE = (
    (member("./"), b""),
    (member(f"{FOLDER}/", type=tarfile.DIRTYPE), b""),
    (f"{FOLDER}/{FILE}", PLAYS),
    (f"./{FOLDER}/more/README.txt", b"read me"),
)
WHOLE[0][0].type = tarfile.DIRTYPE


def lastfm(archive: bytes) -> Release:
    return with_download("lastfm-360k", checksum=f"md5:{hashlib.md5(archive).hexdigest()}")


def goodbooks(*checksums: str | None) -> Release:
    """The data set of two plain files, with other checksums."""
    dataset = CATALOGUE["goodbooks-10k"]
    downloads = [
        dataclasses.replace(download, checksum=checksum)
        for download, checksum in zip(dataset.downloads, checksums, strict=True)
    ]
    return dataclasses.replace(dataset, downloads=tuple(downloads))


def refusal(dataset: Release, folder: Path, address: str) -> str:
    """The message of a fetch that must fail: one line, with the address and the remedy, and no file left."""
    before = tree(folder.parent)
    with pytest.raises(DataError) as caught:
        fetch(dataset, str(folder), url=address, progress=ignore)
    message = str(caught.value)
    assert "\n" not in message and address in message and "set data.data_dir" in message
    assert tree(folder.parent) == before
    return message


# --- tar.gz


def test_a_tar_archive_is_unpacked(server: Server, folder: Path) -> None:
    archive = tarred(*WHOLE)
    target = fetch(lastfm(archive), str(folder), url=server.offer(archive), progress=ignore)
    assert target == folder / FOLDER == find(lastfm(archive), str(folder))
    assert tree(folder) == [FOLDER, f"{FOLDER}/more", f"{FOLDER}/more/README.txt", f"{FOLDER}/{FILE}"]
    assert (target / FILE).read_bytes() == PLAYS


def test_a_tar_archive_with_another_checksum(server: Server, folder: Path) -> None:
    archive = tarred(*WHOLE)
    message = refusal(CATALOGUE["lastfm-360k"], folder, server.offer(archive))
    assert f"its MD5 is {hashlib.md5(archive).hexdigest()}, not the published 635e6ed3fc873aa4" in message
    assert f"there is no {FOLDER}/{FILE} in {folder}" in message


@pytest.mark.parametrize(
    "name", ["../evil", f"{FOLDER}/../../evil", "..\\evil", "C:evil", "\\\\host\\evil", "/ABSOLUTE"]
)
def test_members_of_a_tar_archive_outside_its_folder(server: Server, folder: Path, name: str) -> None:
    archive = tarred(*WHOLE, (name.replace("/ABSOLUTE", f"{folder.parent}/evil"), b"evil"))
    assert "a path outside its folder" in refusal(lastfm(archive), folder, server.offer(archive))
    assert not list(folder.parent.rglob("*evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_members_of_a_tar_archive_that_are_links_or_devices(server: Server, folder: Path, kind: bytes) -> None:
    link = member(f"{FOLDER}/link", type=kind, linkname=f"{FOLDER}/{FILE}")
    archive = tarred(*WHOLE, (link, b""))
    assert f"unsafe member '{FOLDER}/link', a link or device" in refusal(lastfm(archive), folder, server.offer(archive))


def test_a_member_behind_a_link_is_not_written(server: Server, folder: Path) -> None:
    """The link comes first and points out of the folder."""
    link = member(f"{FOLDER}/out", type=tarfile.SYMTYPE, linkname=str(folder.parent))
    archive = tarred((link, b""), (f"{FOLDER}/out/evil", b"evil"), *WHOLE)
    assert "a link or device" in refusal(lastfm(archive), folder, server.offer(archive))


def test_a_member_of_a_tar_archive_that_hides_another(server: Server, folder: Path) -> None:
    archive = tarred(*WHOLE, (f"{FOLDER}//{FILE}", b"other"))
    assert "cannot unpack it" in refusal(lastfm(archive), folder, server.offer(archive))


def test_a_tar_archive_that_is_too_large_when_unpacked(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tarred(*WHOLE, ("zeros", bytes(60_000)), ("more", bytes(60_000)))
    monkeypatch.setattr(archives, "MAX_BYTES", 100_000)
    assert len(archive) < 100_000
    assert "the archive has over" in refusal(lastfm(archive), folder, server.offer(archive))


def test_a_tar_archive_of_too_many_members(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tarred(*WHOLE)
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    assert "the archive has over 3 members" in refusal(lastfm(archive), folder, server.offer(archive))


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"", gzip.compress(b"no tar", mtime=0), zipped({"x": b"x"})])
def test_no_tar_archive(server: Server, folder: Path, body: bytes) -> None:
    assert "cannot unpack it" in refusal(lastfm(body), folder, server.offer(body))


@pytest.mark.parametrize("cut_bytes", [1, 8, 100, 5_000])
def test_a_tar_archive_that_was_cut(server: Server, folder: Path, cut_bytes: int) -> None:
    """Even where only gzip's own checksum at its end is missing."""
    archive = tarred(*WHOLE, ("noise", os.urandom(20_000)))[:-cut_bytes]
    assert "cannot unpack it" in refusal(lastfm(archive), folder, server.offer(archive))


def test_a_tar_archive_with_a_changed_byte(server: Server, folder: Path) -> None:
    """Stored, so that only gzip's own checksum tells."""
    stored = io.BytesIO()
    with gzip.GzipFile(fileobj=stored, mode="wb", compresslevel=0) as out:
        out.write(gzip.decompress(tarred(*WHOLE)))
    archive = stored.getvalue().replace(b"box car", b"box cat")
    assert "CRC" in refusal(lastfm(archive), folder, server.offer(archive))


def test_a_tar_archive_without_the_file(server: Server, folder: Path) -> None:
    archive = tarred((FILE, PLAYS))
    assert f"the archive has no {FOLDER}/{FILE}" in refusal(lastfm(archive), folder, server.offer(archive))


# --- gz


def test_a_compressed_file_is_unpacked_without_a_checksum(
    server: Server, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset, rows = CATALOGUE["amazon-gift-cards"], b"user_id,parent_asin,rating,timestamp\nA,B,5.0,1\n"
    address = server.offer(gzip.compress(rows), "/Gift_Cards.csv.gz")
    target = fetch(dataset, str(folder), url=address)
    assert tree(folder) == ["amazon-gift-cards", "amazon-gift-cards/Gift_Cards.csv"]
    assert (target / "Gift_Cards.csv").read_bytes() == rows
    said = capsys.readouterr().err.splitlines()[0]
    assert said.endswith(f"{address} into {folder} (no checksum is known: its publisher gives none)")


@pytest.mark.parametrize("body", [b"<html>moved</html>", b"\x1f\x8b", gzip.compress(b"rows" * 999, mtime=0)[:-9]])
def test_a_compressed_file_that_is_damaged(server: Server, folder: Path, body: bytes) -> None:
    assert "cannot unpack it" in refusal(CATALOGUE["amazon-books"], folder, server.offer(body))


def test_a_compressed_file_that_is_too_large(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = gzip.compress(bytes(500_000))
    monkeypatch.setattr(archives, "MAX_BYTES", 400_000)
    assert "the archive has over" in refusal(CATALOGUE["amazon-books"], folder, server.offer(body))


@pytest.mark.parametrize("kind", ["gz", "tar.gz"])
def test_a_disk_that_takes_no_more(server: Server, folder: Path, kind: str) -> None:
    """The limit on a file's size stands for the full disk: the system refuses the write all the same."""
    large = bytes(50_000)
    archive = tarred(*WHOLE, (f"{FOLDER}/large", large)) if kind == "tar.gz" else gzip.compress(large)
    dataset = lastfm(archive) if kind == "tar.gz" else CATALOGUE["amazon-books"]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        message = refusal(dataset, folder, server.offer(archive))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"cannot unpack it into {folder}: File too large" in message


# --- files, and several downloads


def test_two_files_are_fetched_from_a_mirror_and_verified(server: Server, folder: Path) -> None:
    ratings, books = b"user_id,book_id,rating\n1,1,5\n", b"book_id,title\n1,A\n"
    server.offer(ratings, "/mirror/ratings.csv")
    server.offer(books, "/mirror/books.csv")
    # git hash-object of the first file
    dataset = goodbooks(
        "git:" + hashlib.sha1(b"blob 29\0" + ratings).hexdigest(), f"sha256:{hashlib.sha256(books).hexdigest()}"
    )
    seen: list[int] = []
    target = fetch(
        dataset, str(folder), url=server.address("/mirror/"), progress=lambda received, total: seen.append(received)
    )
    assert target == folder / "goodbooks-10k"
    assert tree(folder) == ["goodbooks-10k", "goodbooks-10k/books.csv", "goodbooks-10k/ratings.csv"]
    assert (target / "ratings.csv").read_bytes() == ratings
    assert seen == [len(ratings), len(books)]
    assert server.asked == ["/mirror/ratings.csv", "/mirror/books.csv"]


def test_git_id_is_that_of_git() -> None:
    """The id of a file of the six bytes "hello\\n", as Git's book prints it."""
    assert hashlib.sha1(b"blob 6\0hello\n").hexdigest() == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_file_by_its_git_id(server: Server, folder: Path) -> None:
    dataset = goodbooks("git:ce013625030ba8dba906f756967f9e9ca394464a", None)
    server.offer(b"hello\n", "/ratings.csv")
    server.offer(b"", "/books.csv")
    assert fetch(dataset, str(folder), url=server.address(""), progress=ignore) == folder / "goodbooks-10k"


@pytest.mark.parametrize(
    ("checksum", "message"),
    [
        ("git:" + "0" * 40, "its Git id is ce013625030ba8dba906f756967f9e9ca394464a, not the published 000"),
        ("sha256:" + "0" * 64, "its SHA-256 is 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03, not"),
    ],
)
def test_one_wrong_file_of_two_is_named_and_nothing_stays(
    server: Server, folder: Path, checksum: str, message: str
) -> None:
    server.offer(b"whatever", "/ratings.csv")
    server.offer(b"hello\n", "/books.csv")
    refused = refusal(goodbooks(None, checksum), folder, server.address(""))
    assert f"of {server.address('/books.csv')}: {message}" in refused


def test_the_second_of_two_files_is_not_there(server: Server, folder: Path) -> None:
    server.offer(b"whatever", "/ratings.csv")
    refused = refusal(goodbooks(None, None), folder, server.address(""))
    assert f"of {server.address('/books.csv')}: cannot download it: HTTP status 404" in refused


def test_the_published_addresses_of_two_files_are_used(server: Server, folder: Path) -> None:
    downloads = tuple(
        Download(server.offer(b"x", f"/at/{name}"), "file", f"goodbooks-10k/{name}")
        for name in ("ratings.csv", "books.csv")
    )
    fetch(dataclasses.replace(CATALOGUE["goodbooks-10k"], downloads=downloads), str(folder), progress=ignore)
    assert server.asked == ["/at/ratings.csv", "/at/books.csv"]


def test_an_archive_without_a_folder_of_its_own_is_unpacked_into_one(server: Server, folder: Path) -> None:
    archive = zipped({"ratings.csv": b"r", "books.csv": b"b"})
    download = Download(server.offer(archive), "zip", "goodbooks-10k")
    dataset = dataclasses.replace(CATALOGUE["goodbooks-10k"], downloads=(download,))
    assert fetch(dataset, str(folder), progress=ignore) == folder / "goodbooks-10k"
    assert tree(folder) == ["goodbooks-10k", "goodbooks-10k/books.csv", "goodbooks-10k/ratings.csv"]


def test_find_takes_a_data_set_without_movies_by_its_ratings_alone(folder: Path) -> None:
    dataset = CATALOGUE["amazon-books"]
    assert find(dataset, str(folder)) is None
    put(folder, "Books.csv")
    assert find(dataset, str(folder)) == folder


# --- any content


@given(content=st.binary(max_size=2_000), names=st.lists(st.sampled_from("abc"), min_size=1, max_size=3))
def test_what_was_packed_is_unpacked(
    content: bytes, names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = tmp_path_factory.mktemp("kinds")
    name = "/".join(names)
    for number, body in enumerate((tarred((name, content)), zipped({name: content}))):
        packed, into = made / f"packed{number}", made / f"into{number}"
        packed.write_bytes(body)
        unpack(packed, "tar.gz" if number == 0 else "zip", into)
        assert (into / name).read_bytes() == content
    packed = made / "one.gz"
    packed.write_bytes(gzip.compress(content))
    unpack(packed, "gz", made / "one" / name)
    assert (made / "one" / name).read_bytes() == content


@given(body=st.binary(max_size=300), cut=st.integers(0, 600))
def test_damaged_archives_write_nothing_outside_their_folder(
    body: bytes, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = tmp_path_factory.mktemp("damaged")
    whole = gzip.decompress(tarred(("a/b", b"content")))
    packed = made / "packed"
    packed.write_bytes(gzip.compress(whole[:cut] + body + whole[cut + len(body) :]))
    with contextlib.suppress(Failure, OSError, ValueError, EOFError, tarfile.TarError):
        unpack(packed, "tar.gz", made / "into")
    assert {path.name for path in made.iterdir()} <= {"packed", "into"}
