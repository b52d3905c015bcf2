"""Finding and fetching a release, against a real server on this machine and archives made here."""

import hashlib
import io
import os
import stat
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

from recsys.catalogue import CATALOGUE
from recsys.data.sources.download import ProgressBar, fetch, find
from recsys.errors import DataError

DATA = Path(__file__).parents[2].parent / "shared" / "data"


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


# --- find


@pytest.mark.parametrize("place", ["", "ml-10M100K", "ml-10m"])
def test_find_looks_in_the_folder_itself_and_below_it(folder: Path, place: str) -> None:
    put(folder / place, "ratings.dat", "movies.dat")
    found = find(CATALOGUE["ml-10m"], str(folder))
    assert found == folder / place
    assert found.is_absolute()


@pytest.mark.parametrize("only", ["ratings.dat", "movies.dat"])
def test_find_wants_both_files(folder: Path, only: str) -> None:
    put(folder, only)
    put(folder / "ml-1m", only)
    assert find(CATALOGUE["ml-1m"], str(folder)) is None


def test_find_does_not_join_halves_of_two_folders(folder: Path) -> None:
    put(folder, "ratings.dat", "ml-1m/movies.dat")
    assert find(CATALOGUE["ml-1m"], str(folder)) is None


def test_find_does_not_take_one_release_for_another(folder: Path) -> None:
    """All the newer releases name their files alike."""
    put(folder / "ml-20m", "ratings.csv", "movies.csv")
    assert find(CATALOGUE["ml-25m"], str(folder / "ml-20m")) is None
    assert find(CATALOGUE["ml-20m"], str(folder / "ml-20m")) == folder / "ml-20m"


def test_find_takes_relative_paths_and_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder / "ml-1m", "ratings.dat", "movies.dat")
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    assert find(CATALOGUE["ml-1m"], "data") == folder / "ml-1m"
    assert find(CATALOGUE["ml-1m"], "~/data") == folder / "ml-1m"


@pytest.mark.parametrize("name", ["ml-100k", "ml-1m", "ml-latest-small"])
def test_find_the_real_files(name: str) -> None:
    if not (DATA / name).is_dir():
        pytest.skip(f"{DATA / name} is not on this machine: MovieLens data may not be redistributed")
    assert find(CATALOGUE[name], str(DATA)) == DATA / name
    assert find(CATALOGUE[name], str(DATA / name)) == DATA / name


def test_find_is_not_content_with_the_real_movies_alone() -> None:
    if not (DATA / "ml-25m" / "movies.csv").is_file():
        pytest.skip(f"{DATA / 'ml-25m'} is not on this machine: MovieLens data may not be redistributed")
    assert find(CATALOGUE["ml-25m"], str(DATA)) is None
    assert find(CATALOGUE["ml-25m"], str(DATA / "ml-25m")) is None


# --- fetch, when all is well


def test_fetch_downloads_and_unpacks(server: Server, folder: Path) -> None:
    archive = zipped(WHOLE)
    seen: list[tuple[int, int | None]] = []
    address = server.offer(archive)
    target = fetch(release(archive), str(folder), url=address, progress=lambda *state: seen.append(state))
    assert target == folder / "ml-1m" == find(release(archive), str(folder))
    assert tree(folder) == ["ml-1m", "ml-1m/more", "ml-1m/more/README", "ml-1m/movies.dat", "ml-1m/ratings.dat"]
    assert (target / "ratings.dat").read_bytes() == RATINGS
    assert (target / "movies.dat").read_bytes() == MOVIES
    assert seen[-1] == (len(archive), len(archive))


def test_fetch_makes_the_folder_with_usual_permissions(server: Server, tmp_path: Path) -> None:
    archive = zipped(WHOLE)
    target = fetch(release(archive), str(tmp_path / "a" / "b"), url=server.offer(archive), progress=ignore)
    (tmp_path / "usual").mkdir()
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


def test_fetch_uses_the_published_address(server: Server, folder: Path) -> None:
    archive = zipped(WHOLE)
    checksum = release(archive).downloads[0].checksum
    dataset = with_download("ml-1m", url=server.offer(archive, "/published.zip"), checksum=checksum)
    fetch(dataset, str(folder), progress=ignore)
    assert server.asked == ["/published.zip"]


def test_fetch_reports_many_pieces_in_order(server: Server, folder: Path) -> None:
    archive = zipped({**WHOLE, "ml-1m/noise": os.urandom(1_000_000)})
    seen: list[int] = []
    fetch(release(archive), str(folder), url=server.offer(archive), progress=lambda n, _: seen.append(n))
    assert len(seen) > 3 and seen == sorted(set(seen)) and seen[-1] == len(archive)


def test_fetch_without_a_declared_length(server: Server, folder: Path) -> None:
    archive = zipped(WHOLE)
    server.files["/ml.zip"] = (200, archive, None)
    seen: list[int | None] = []
    fetch(release(archive), str(folder), url=server.address("/ml.zip"), progress=lambda _, total: seen.append(total))
    assert set(seen) == {None}


def test_fetch_shows_a_bar_by_default(server: Server, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = zipped(WHOLE)
    address = server.offer(archive)
    fetch(release(archive), str(folder), url=address)
    first, last = capsys.readouterr().err.splitlines()
    assert first == f"ml-1m: downloading {address} into {folder}"
    assert last.startswith("ml-1m: 100 % of 0.0 MB, ")


def test_fetch_uses_what_is_there_without_the_network(server: Server, folder: Path) -> None:
    put(folder / "ml-1m", "ratings.dat", "movies.dat")
    assert fetch(CATALOGUE["ml-1m"], str(folder), url=server.address("/ml.zip")) == folder / "ml-1m"
    assert server.asked == []


def test_fetch_uses_an_empty_folder(server: Server, folder: Path) -> None:
    archive = zipped(WHOLE)
    (folder / "ml-1m").mkdir()
    assert fetch(release(archive), str(folder), url=server.offer(archive), progress=ignore) == folder / "ml-1m"


def test_fetch_gives_way_to_a_faster_process(server: Server, folder: Path) -> None:
    archive = zipped(WHOLE)

    def overtake(received_bytes: int, total_bytes: int | None) -> None:
        put(folder / "ml-1m", "ratings.dat", "movies.dat")

    assert fetch(release(archive), str(folder), url=server.offer(archive), progress=overtake) == folder / "ml-1m"
    assert tree(folder) == ["ml-1m", "ml-1m/movies.dat", "ml-1m/ratings.dat"]
    assert (folder / "ml-1m" / "ratings.dat").read_bytes() == b"x"


@pytest.mark.parametrize("written", ["MD5 (ml.zip) = {}\n", "{}  ml.zip\n"])
def test_fetch_reads_the_checksum_where_the_catalogue_has_none(server: Server, folder: Path, written: str) -> None:
    archive = zipped(WHOLE)
    dataset = with_download("ml-1m", checksum=None, checksum_file=True)
    server.offer(written.format(hashlib.md5(archive).hexdigest().upper()).encode(), "/ml.zip.md5")
    assert fetch(dataset, str(folder), url=server.offer(archive), progress=ignore) == folder / "ml-1m"


# --- the bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bar_of_a_failed_download_ends_its_line(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed next is the error."""
    terminal, archive = Terminal(), zipped(WHOLE)
    monkeypatch.setattr("sys.stderr", terminal)
    with pytest.raises(DataError):
        fetch(release(archive), str(folder), url=server.offer(archive, missing_bytes=7))
    assert "\r" in terminal.getvalue() and terminal.getvalue().endswith("MB/s\n")


def test_bar_elsewhere_writes_a_line_for_every_tenth() -> None:
    stream, clock = io.StringIO(), iter(range(100))
    bar = ProgressBar("ml-25m", stream, lambda: next(clock))
    for percent in (5, 12, 15, 19, 47, 100):
        bar(percent * 1_000_000, 100_000_000)
    bar.close()
    assert stream.getvalue().splitlines() == [
        "ml-25m:  12 % of 100.0 MB, 6.0 MB/s",
        "ml-25m:  47 % of 100.0 MB, 9.4 MB/s",
        "ml-25m: 100 % of 100.0 MB, 16.7 MB/s",
    ]


def test_bar_without_a_total_counts() -> None:
    stream, clock = io.StringIO(), iter((0, 1, 2, 3, 4))
    bar = ProgressBar("x", stream, lambda: next(clock))
    for megabytes in (9, 11, 12, 31):
        bar(megabytes * 1_000_000, None)
    assert stream.getvalue().splitlines() == ["x: 11.0 MB, 5.5 MB/s", "x: 31.0 MB, 7.8 MB/s"]


def test_bar_on_a_terminal_rewrites_one_line() -> None:
    stream, clock = Terminal(), iter((0.0, 1.0, 1.05, 2.0, 2.01))
    bar = ProgressBar("x", stream, lambda: next(clock))
    for megabytes in (100, 110, 1_500, 2_000):
        bar(megabytes * 1_000_000, 2_000_000_000)
    bar.close()
    bar.close()
    assert stream.getvalue().split("\r") == [
        "",
        "x: [#                   ]   5 % of 2000.0 MB, 100.0 MB/s",
        "x: [###############     ]  75 % of 2000.0 MB, 750.0 MB/s",
        "x: [####################] 100 % of 2000.0 MB, 995.0 MB/s\n",
    ]


def test_bar_on_a_terminal_leaves_nothing_of_a_longer_line() -> None:
    stream, clock = Terminal(), iter((0.0, 0.1, 100.0))
    bar = ProgressBar("x", stream, lambda: next(clock))
    bar(10_000_000, None)
    bar(10_000_001, None)
    assert stream.getvalue().split("\r") == ["", "x: 10.0 MB, 100.0 MB/s", "x: 10.0 MB, 0.1 MB/s  "]
