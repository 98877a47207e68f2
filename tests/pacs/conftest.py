import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("dicomweb_client", reason="dicomweb-client is not installed (extra 'pacs')")

from .orthanc import running, unset_environment

Answer = tuple[int, Any]  # state; what is sent: JSON, bytes, or None for nothing at all
Rule = Callable[[str, dict[str, list[str]]], Answer]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    unset_environment(monkeypatch)


@pytest.fixture(scope="session")
def archive() -> Iterator[str]:
    """Address of a real archive."""
    with running() as url:
        yield url


class Scripted:
    """A server that answers by a rule, and remembers what it was asked and by whom."""

    def __init__(self) -> None:
        self.rule: Rule = lambda path, query: (200, [])
        self.asked: list[tuple[str, str]] = []
        self.whom: list[str] = []
        self.url = ""


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            parts = urlsplit(self.path)
            server.asked.append((self.command, parts.path))
            server.whom.append(self.headers.get("Authorization") or "")
            state, body = server.rule(parts.path, parse_qs(parts.query))
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(state)
            self.send_header("Content-Type", "application/dicom+json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that does not wait for the end is no error of ours."""

    with Quiet(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        server.url = f"http://127.0.0.1:{http.server_address[1]}/dicom-web"
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
