import contextlib
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from sightline.errors import SettingsError
from sightline.serving.server import listen

from .conftest import server_of


def connected(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=120)


def everything(line: socket.socket) -> bytes:
    """What comes until the other side closes."""
    return b"".join(iter(lambda: line.recv(1 << 16), b""))


@pytest.fixture(autouse=True)
def _unchanged(server: str, files: list[Path]) -> Iterator[None]:
    before = httpx.post(server + "/predict", content=files[0].read_bytes(), timeout=120)
    assert before.status_code == 200
    yield
    assert httpx.post(server + "/predict", content=files[0].read_bytes(), timeout=120).json() == before.json()


@pytest.mark.parametrize("start", [b"", b"GET /health HTTP/1.1\r\nHost: 127", b"POST"])
def test_a_client_that_does_not_finish_its_headers_is_given_up(server: str, start: bytes) -> None:
    with connected(server) as line:
        line.sendall(start)
        assert everything(line) == b"", "it would have waited for ever"


def test_a_client_that_stops_in_its_second_request_is_given_up(server: str) -> None:
    with connected(server) as line:
        line.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /hea")
        assert everything(line).count(b"HTTP/1.1 200") == 1


def test_a_client_that_goes_away_does_no_harm(server: str) -> None:
    for _ in range(5):
        with connected(server) as line:
            line.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n\x89PNG")


@pytest.mark.parametrize(
    "request_line",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 2000000 + b"\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
def test_what_is_no_http_is_refused(server: str, request_line: bytes) -> None:
    told = b""
    with connected(server) as line, contextlib.suppress(ConnectionError):  # who sends on is cut off
        line.sendall(request_line)
        told = everything(line)
    assert told.startswith(b"HTTP/1.1 4") or told == b""


def test_a_large_body_gets_its_answer_before_the_door_closes(server: str) -> None:
    large = bytes(8 << 20)
    reply = httpx.post(server + "/predict", content=large, timeout=120)
    assert (reply.status_code, list(reply.json())) == (413, ["error"])

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield large[: 1 << 16]

    reply = httpx.post(server + "/predict", content=endless(), timeout=120)
    assert (reply.status_code, list(reply.json())) == (413, ["error"])


def test_a_client_that_asks_first_need_not_send(server: str) -> None:
    with connected(server) as line:
        line.sendall(
            b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
        )
        assert everything(line).startswith(b"HTTP/1.1 413 ")


def test_what_is_in_work_is_finished_before_it_ends(run: Path, files: list[Path]) -> None:
    with server_of(run, timeout_s=60.0) as (url, process):
        body = files[0].read_bytes()
        with ThreadPoolExecutor(2) as pool:
            query = {"method": "rise", "options": '{"masks": 4000, "batch_size": 16}'}
            asked = pool.submit(httpx.post, url + "/explain", params=query, content=body, timeout=60)
            while "sightline_in_flight 1" not in httpx.get(url + "/metrics", timeout=120).text and not asked.done():
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            assert asked.result().status_code == 200, "what was in work is finished"
        _, told = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "Traceback" not in told
        assert not _children(process.pid)
        with pytest.raises(httpx.ConnectError):
            httpx.get(url + "/health")


def _children(parent: int) -> list[str]:
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if f"PPid:\t{parent}\n" in status.read_text():
                found.append(status.parent.name)
        except OSError:
            continue
    return found


def test_an_address_that_is_taken_is_one_line() -> None:
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(SettingsError, match=r"cannot listen on 127\.0\.0\.1, port \d+: Address already in use"):
            listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(SettingsError, match="choose another --host or --port"):
        listen("no.such.host.invalid", 8000)
    for port in (-1, 65536, 99999):
        with pytest.raises(SettingsError, match=f"port must be in 0 to 65535, got {port}"):
            listen("127.0.0.1", port)
