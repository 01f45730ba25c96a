# Copyright: (c) 2026, The virtops.kubevirt_ha contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads: from scripted answers, for what a real server cannot be made to do."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path
from typing import Any

import pytest
import urllib3
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils import downloads
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.downloads import DownloadFailed, Source, download
from ansible_collections.virtops.kubevirt_ha.plugins.module_utils.errors import ConnectionFailed

SOURCE = Source("https://host.svc/volumes/a/disk.img?x=1", headers={"token": "hunter2"})


class Answer:
    """One scripted answer; after its pieces the connection breaks where `cut`."""

    def __init__(self, status: int, *pieces: bytes, cut: bool = False, **headers: Any) -> None:
        self.status, self._pieces, self._cut = status, list(pieces), cut
        self.headers = {key.replace("_", "-"): str(value) for key, value in headers.items()}
        self.largest = 0

    def read(self, amount: int, decode_content: bool = True) -> bytes:
        self.largest = max(self.largest, amount)
        if self._pieces:
            return self._pieces.pop(0)
        if self._cut:
            raise urllib3.exceptions.ProtocolError("cut")
        return b""

    def close(self) -> None:
        pass


class Pool:
    def __init__(self, *answers: Answer | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, dict[str, str]]] = []

    def request(self, _method: str, url: str, headers: dict[str, str], **_more: Any) -> Answer:
        self.asked.append((url, headers))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def run(*answers: Answer | Exception, source: Source = SOURCE, **more: Any) -> tuple[Any, Pool]:
        pool = Pool(*answers)
        monkeypatch.setattr(downloads, "_pool", lambda _source: pool)
        return download(source, str(tmp_path / "file"), pause=0, **more), pool

    return run


def test_a_file_is_there_as_a_whole_and_for_its_owner_only(play: Any, tmp_path: Path) -> None:
    answer = Answer(200, b"abc", b"def", Content_Length=6)
    found, pool = play(answer)
    path = tmp_path / "file"
    assert (found.size, found.resumed, found.sha256) == (6, 0, hashlib.sha256(b"abcdef").hexdigest())
    assert path.read_bytes() == b"abcdef" and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path] and answer.largest == 1 << 20
    assert pool.asked[0][0] == SOURCE.url and "Range" not in pool.asked[0][1] and "Host" not in pool.asked[0][1]


def test_gone_on_with_where_the_server_can(play: Any, tmp_path: Path) -> None:
    rest = Answer(206, b"def", Content_Range="bytes 3-5/6", Content_Length=3)
    found, pool = play(Answer(200, b"abc", cut=True, Content_Length=6), rest)
    assert (tmp_path / "file").read_bytes() == b"abcdef" and found.resumed == 1
    assert pool.asked[1][1]["Range"] == "bytes=3-"
    assert found.sha256 == hashlib.sha256(b"abcdef").hexdigest()


def test_begun_anew_where_it_cannot(play: Any, tmp_path: Path) -> None:
    found, _pool = play(Answer(200, b"abcd", cut=True), Answer(200, b"xyz"))
    assert (tmp_path / "file").read_bytes() == b"xyz" and found.size == 3
    assert found.sha256 == hashlib.sha256(b"xyz").hexdigest()


def test_an_end_before_the_end_is_no_end(play: Any, tmp_path: Path) -> None:
    # Some versions of urllib3 hand over a body that is too short without a word.
    short = Answer(200, b"abc", Content_Length=6)
    found, _pool = play(short, Answer(206, b"def", Content_Range="bytes 3-5/6", Content_Length=3))
    assert (tmp_path / "file").read_bytes() == b"abcdef" and found.resumed == 1


def test_a_server_that_is_not_ready_is_asked_again(play: Any) -> None:
    found, pool = play(Answer(503), urllib3.exceptions.ProtocolError("refused"), Answer(200, b"a"))
    assert found.resumed == 2 and len(pool.asked) == 3


def test_futile_attempts_end(play: Any, tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed, match="could not be fetched"):
        play(*[Answer(503) for _attempt in range(5)])
    assert list(tmp_path.iterdir()) == []
    # What brought something does not count.
    cuts = [Answer(206, b"x", cut=True, Content_Range=f"bytes {n}-9/10") for n in range(1, 9)]
    last = Answer(206, b"x", Content_Range="bytes 9-9/10")
    found, _pool = play(Answer(200, b"x", cut=True), *cuts, last)
    assert found.size == 10 and found.resumed == 9


def test_a_file_that_is_begun_anew_each_time_ends(play: Any, tmp_path: Path) -> None:
    # Each attempt brings more than the one before it, and one that brings less comes between.
    growing = [Answer(200, b"x" * n, cut=True) for n in range(1, 6)]
    with pytest.raises(ConnectionFailed, match="could not be fetched"):
        play(*growing, Answer(200, b"x"))
    waving = [Answer(200, b"x" * (1 + n % 2), cut=True) for n in range(5)]
    with pytest.raises(ConnectionFailed, match="could not be fetched"):
        play(*waving, Answer(200, b"x"))
    assert list(tmp_path.iterdir()) == []
    found, _pool = play(*[Answer(200, b"x", cut=True) for _attempt in range(4)], Answer(200, b"xyz"))
    assert found.size == 3 and found.resumed == 4


def test_only_more_than_the_most_that_was_there_counts(play: Any) -> None:
    # A second beginning comes on byte by byte, and is far from where the first one was.
    slow = [Answer(206, b"x", cut=True, Content_Range=f"bytes {n}-9/10") for n in range(1, 7)]
    last = Answer(206, b"xxx", Content_Range="bytes 7-9/10")
    with pytest.raises(ConnectionFailed, match="could not be fetched"):
        play(Answer(200, b"x" * 9, cut=True), Answer(200, b"x", cut=True), *slow, last)


def test_a_download_ends_at_its_time(play: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(0, 100_000, 3600))
    monkeypatch.setattr(downloads.time, "monotonic", lambda: next(seconds))
    with pytest.raises(DownloadFailed, match="not there after 2 hours; 3 bytes came in"):
        play(Answer(200, *[b"x"] * 10), longest=7200.0)
    cuts = [Answer(206, b"x", cut=True, Content_Range=f"bytes {n}-9/10") for n in range(1, 9)]
    with pytest.raises(DownloadFailed, match="not there after 2 hours"):
        play(Answer(200, b"x", cut=True), *cuts, longest=7200.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "why", "fix"),
    [
        (Answer(401), "the server answered 401", "token"),
        (Answer(404, b"no such file"), "the server answered 404: no such file", "export is gone"),
        (Answer(206, b"x", Content_Range="bytes 7-8/9"), "the server answered 206", "state"),
    ],
)
def test_refused(play: Any, tmp_path: Path, answer: Answer, why: str, fix: str) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(DownloadFailed) as caught:
        play(answer)
    assert why in str(caught.value) and fix in str(caught.value) and "hunter2" not in str(caught.value)
    assert (tmp_path / "file").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_another_address_keeps_the_name_of_the_host(play: Any) -> None:
    source = Source(SOURCE.url, via="https://127.0.0.1:8443/", headers=SOURCE.headers)
    _found, pool = play(Answer(200, b"a"), source=source)
    url, headers = pool.asked[0]
    assert url == "https://127.0.0.1:8443/volumes/a/disk.img?x=1" and headers["Host"] == "host.svc"
    assert "hunter2" not in repr(source)


def test_a_certificate_that_does_not_fit_is_final(play: Any) -> None:
    error = urllib3.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED")
    with pytest.raises(ConnectionFailed, match="must be of the link's host"):
        play(error)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="cannot be written"):
        download(SOURCE, str(tmp_path / "no" / "file"))
