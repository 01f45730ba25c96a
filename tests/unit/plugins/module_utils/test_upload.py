# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads to a proxy that is made to misbehave."""

from __future__ import annotations

import hashlib
import threading
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import upload
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import HaError, Refused

SIZE = 5_000_001


class FakeProxy:
    """Answers each HEAD and POST by the script, then 200; keeps what came."""

    def __init__(self) -> None:
        self.heads: list[tuple[int, str]] = []
        self.posts: list[tuple[int, str] | str] = []
        self.seen: list[tuple[str, str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                outer.seen.append(("HEAD", self.path, self.headers["Authorization"]))
                status, _text = outer.heads.pop(0) if outer.heads else (200, "")
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self) -> None:
                step = outer.posts.pop(0) if outer.posts else (200, "")
                length = int(self.headers["Content-Length"])
                if step == "cut":
                    self.rfile.read(length // 2)
                    self.close_connection = True
                    return
                digest, left = hashlib.sha256(), length
                while left:
                    block = self.rfile.read(min(left, 1 << 16))
                    digest.update(block)
                    left -= len(block)
                outer.seen.append(("POST", self.path, digest.hexdigest()))
                status, text = int(step[0]), str(step[1])
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_args: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProxy]:
    monkeypatch.setattr(upload, "_FIRST_PAUSE", 0.01)
    server = FakeProxy()
    yield server
    server.close()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(range(251)) * (SIZE // 251 + 1))
    with path.open("r+b") as stream:
        stream.truncate(SIZE)
    return path


class Sending:
    """One call of send() with tokens that are counted and progress that is kept."""

    def __init__(self, proxy: FakeProxy) -> None:
        self._proxy = upload.Proxy(proxy.url)
        self.tokens = 0
        self.told: list[int] = []

    def token(self) -> str:
        self.tokens += 1
        return f"t{self.tokens}"

    def __call__(self, path: Path, retries: int = 3) -> int:
        def progress(sent: int, total: int) -> None:
            self.told.append(sent)
            assert total == path.stat().st_size

        return upload.send(self._proxy, str(path), "d", token=self.token, retries=retries, progress=progress)


@pytest.fixture
def send(proxy: FakeProxy) -> Sending:
    return Sending(proxy)


def test_all_bytes_come_with_a_token_and_progress(proxy: FakeProxy, send: Sending, image: Path) -> None:
    assert send(image) == SIZE
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    path = "/v1beta1/upload-async"
    assert proxy.seen == [("HEAD", path, "Bearer t1"), ("POST", path, digest)]
    assert send.told[0] == 0 and send.told[-1] == SIZE and send.told == sorted(send.told)


@pytest.mark.parametrize(
    ("heads", "posts", "tokens"),
    [
        ([], ["cut", "cut"], 3),
        ([(503, ""), (401, "")], [], 3),
        ([], [(503, "not ready")], 2),
        ([(404, "")], [], 1),
        ([], [(409, "")], 1),
        ([], [(503, "rejecting Upload Request for PVC d that already finished uploading")], 1),
    ],
)
def test_what_is_tried_again_with_a_new_token(
    proxy: FakeProxy, send: Sending, image: Path, heads: list[Any], posts: list[Any], tokens: int
) -> None:
    proxy.heads, proxy.posts = heads, posts
    assert send(image) == SIZE
    assert send.tokens == tokens


@pytest.mark.parametrize(
    ("status", "text", "fix"),
    [
        (400, "effective image size is larger", "Give a larger size"),
        (413, "", "Raise the largest body"),
        (500, "Unable to convert source data", "Check that the file is a disk image"),
    ],
)
def test_what_will_not_mend_itself_is_told_at_once(
    proxy: FakeProxy, send: Sending, image: Path, status: int, text: str, fix: str
) -> None:
    proxy.posts = [(status, text)]
    with pytest.raises(HaError, match=f"d: could not be uploaded: {text or 'the upload proxy answered 413'}") as caught:
        send(image)
    assert fix in caught.value.fix and send.tokens == 1


def test_attempts_are_bounded(proxy: FakeProxy, send: Sending, image: Path) -> None:
    proxy.posts = ["cut"] * 10
    with pytest.raises(HaError, match="could not be uploaded"):
        send(image, retries=2)
    assert send.tokens == 3


def test_no_data_is_sent_to_a_server_that_is_not_ready(proxy: FakeProxy, send: Sending, image: Path) -> None:
    proxy.heads = [(503, "")] * 10
    with pytest.raises(HaError, match="the upload proxy answered 503"):
        send(image, retries=1)
    assert [kind for kind, *_more in proxy.seen] == ["HEAD", "HEAD"]


def test_memory_stays_within_a_few_blocks(send: Sending, tmp_path: Path) -> None:
    path = tmp_path / "large.img"
    with path.open("wb") as stream:
        stream.truncate(64 << 20)
    tracemalloc.start()
    try:
        assert send(path) == 64 << 20
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


def test_a_proxy_that_nobody_serves(image: Path) -> None:
    nobody = upload.Proxy("http://127.0.0.1:9")
    with pytest.raises(HaError, match="could not be uploaded: http://127.0.0.1:9") as caught:
        upload.send(nobody, str(image), "d", token=lambda: "t", retries=0, progress=lambda _sent, _total: None)
    assert "upload_proxy_url" in caught.value.fix


PUBLISHED = {"status": {"uploadProxyURL": "cdi.example.com", "uploadProxyCA": "PEM"}}


@pytest.mark.parametrize(
    ("url", "ca", "verify", "expected"),
    [
        (None, None, True, upload.Proxy("https://cdi.example.com", None, "PEM")),
        ("http://localhost:8080/", None, True, upload.Proxy("http://localhost:8080", None, "PEM")),
        (None, "/ca.pem", True, upload.Proxy("https://cdi.example.com", "/ca.pem")),
        ("https://l", None, False, upload.Proxy("https://l", None, None, False)),
    ],
)
def test_where_uploads_go(url: str | None, ca: str | None, verify: bool, expected: upload.Proxy) -> None:
    assert upload.proxy_of(lambda: PUBLISHED, url, ca, verify=verify) == expected


def test_a_proxy_without_an_address() -> None:
    with pytest.raises(Refused, match="CDI publishes no address of its upload proxy. Give upload_proxy_url"):
        upload.proxy_of(dict, None, None)


QCOW2 = b"QFI\xfb" + bytes(20) + (3 << 30).to_bytes(8, "big")


@pytest.mark.parametrize(
    ("head", "length", "size"),
    [(QCOW2, 500, 3 << 30), (b"\x1f\x8b" + bytes(30), 500, None), (bytes(32), 500, 500), (b"", 0, 0)],
)
def test_the_size_of_the_disk_in_a_file(head: bytes, length: int, size: int | None) -> None:
    assert upload.disk_size(head, length) == size


@pytest.mark.parametrize(
    ("data", "size", "why"),
    [(QCOW2, 2 << 30, "more than the 2147483648"), (b"", None, "is empty"), (None, None, "No such file")],
)
def test_a_file_that_cannot_be_uploaded(tmp_path: Path, data: bytes | None, size: int | None, why: str) -> None:
    path = tmp_path / "disk"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(Refused, match=f"d: cannot be uploaded: .*{why}"):
        upload.check_file(str(path), size, "d")


def test_a_file_that_fits(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(QCOW2)
    upload.check_file(str(tmp_path / "disk"), 3 << 30, "d")
    upload.check_file(str(tmp_path / "disk"), None, "d")
