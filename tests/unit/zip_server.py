"""A server on this machine that hands out archives made by a test, and what the tests of downloads share beside it."""

import dataclasses
import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from recsys.catalogue import CATALOGUE, Release

RATINGS = b"1::1193::5::978300760\n2::661::3::978302109\n"
MOVIES = "73::Misérables, Les (1995)::Drama|Musical\n".encode("latin-1")
WHOLE: dict[str | zipfile.ZipInfo, bytes] = {
    "ml-1m/": b"",
    "ml-1m/ratings.dat": RATINGS,
    "ml-1m/movies.dat": MOVIES,
    "ml-1m/more/README": b"read me",
}


def zipped(members: dict[str | zipfile.ZipInfo, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def release(archive: bytes, name: str = "ml-1m") -> Release:
    """A release of the catalogue whose published checksum is that of `archive`."""
    return with_download(name, checksum=f"md5:{hashlib.md5(archive).hexdigest()}")


def with_download(name: str, **changes: Any) -> Release:
    """A release of the catalogue that has one download, with something else said of it."""
    (download,) = CATALOGUE[name].downloads
    return dataclasses.replace(CATALOGUE[name], downloads=(dataclasses.replace(download, **changes),))


class Server:
    """Serves `files`: path to (status, body, declared length); keeps the paths asked for.

    After the body of a path in `silent` the connection stays open, without a word, until `close`.
    """

    def __init__(self) -> None:
        self.files: dict[str, tuple[int, bytes, int | None]] = {}
        self.asked: list[str] = []
        self.silent: set[str] = set()
        self._closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                status, body, length = outer.files.get(self.path, (404, b"none", 4))
                self.send_response(status)
                if length is not None:
                    self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)
                if self.path in outer.silent:
                    outer._closing.wait(60)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def offer(self, body: bytes, path: str = "/ml.zip", status: int = 200, missing_bytes: int = 0) -> str:
        """Serves `body`, its last `missing_bytes` announced but not sent; the address."""
        self.files[path] = (status, body[: len(body) - missing_bytes], len(body))
        return self.address(path)

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def ignore(received_bytes: int, total_bytes: int | None) -> None:
    pass


def put(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")
