import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

import sightline.answering.answerer
from sightline.answering import Answerer
from sightline.serving import Limits
from sightline.serving.guard import Guard
from sightline.serving.metrics import Metrics


@pytest.fixture(scope="module")
def guarded(start: Callable[..., TestClient], answerer: Answerer) -> TestClient:
    return start(answerer, token="open-sesame", hosts=())


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer open-sesam"},
        {"authorization": "Bearer open-sesame "},
        {"authorization": "Basic open-sesame"},
        {"authorization": "open-sesame"},
        {"authorization": "Bearer öpen"},
        {"cookie": "token=open-sesame"},
    ],
)
@pytest.mark.parametrize("path", ["/model", "/metrics", "/openapi.json", "/predict", "/nowhere"])
def test_without_the_token_nothing_is_told(guarded: TestClient, path: str, header: dict[str, str]) -> None:
    ask = guarded.post if path == "/predict" else guarded.get
    reply = ask(path, headers={key: value.encode("latin-1") for key, value in header.items()})
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer TOKEN" in reply.json()["error"]


def test_with_the_token_all_is_answered(guarded: TestClient, files: list[Path]) -> None:
    token = {"authorization": "Bearer open-sesame"}
    assert guarded.get("/model", headers=token).status_code == 200
    assert guarded.post("/predict", content=files[0].read_bytes(), headers=token).status_code == 200
    assert guarded.get("/model", headers=token | {"host": "elsewhere.org"}).status_code == 200
    assert guarded.get("/health").status_code == guarded.get("/ready").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example:8000"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "[::bad"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://[bad"},
    ],
)
def test_pages_of_others_cannot_ask(client: TestClient, headers: dict[str, str], files: list[Path]) -> None:
    reply = client.post("/predict", content=files[0].read_bytes(), headers=headers)
    assert reply.status_code == 403
    assert reply.json()["error"].endswith("known here are 127.0.0.1")


@pytest.mark.parametrize("headers", [{"host": "127.0.0.1"}, {"origin": "http://127.0.0.1:8000"}, {"host": ""}])
def test_pages_of_its_own_can(client: TestClient, headers: dict[str, str], files: list[Path]) -> None:
    assert client.post("/predict", content=files[0].read_bytes(), headers=headers).status_code == 200


def test_who_finds_no_room_is_told_when_to_come_back(
    start: Callable[..., TestClient], answerer: Answerer, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, free, inside = start(answerer, queue=2), threading.Event(), threading.Event()
    plain = sightline.answering.answerer.classify

    def blocked(*arguments: object) -> object:
        inside.set()
        free.wait(30)
        return plain(*arguments)

    def ask() -> int:
        return client.post("/predict", content=files[0].read_bytes()).status_code

    monkeypatch.setattr(sightline.answering.answerer, "classify", blocked)
    with ThreadPoolExecutor(2) as pool:
        try:
            asked = [pool.submit(ask) for _ in range(2)]
            inside.wait(30)
            until = time.monotonic() + 30
            while "sightline_in_flight 2" not in client.get("/metrics").text and time.monotonic() < until:
                time.sleep(0.01)
            reply = client.post("/predict", content=files[0].read_bytes())
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
            assert reply.json() == {"error": "the server is busy; try again"}
            assert client.get("/health").status_code == 200
        finally:
            free.set()
        assert [each.result() for each in asked] == [200, 200]
    assert ask() == 200


def test_who_waits_too_long_is_told_so(
    start: Callable[..., TestClient], answerer: Answerer, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, free = start(answerer, timeout_s=0.5), threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(sightline.answering.answerer, "classify", lambda *_: free.wait(30))
        reply = client.post("/predict", content=files[0].read_bytes())
        free.set()
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert reply.json() == {"error": "no time was left to answer; try again"}


@pytest.mark.parametrize("named", ["content-length", "transfer-encoding"])
def test_a_body_that_drips_is_refused_and_the_door_closes(named: str) -> None:
    sent: list[Any] = []

    async def drip() -> dict[str, Any]:
        if not dripped:
            dripped.append(True)
            return {"type": "http.request", "body": b"x", "more_body": True}
        await asyncio.sleep(60)
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    async def read(request: Request) -> Response:
        await request.body()
        return Response()

    dripped: list[bool] = []
    inner = Starlette(routes=[Route("/predict", read, methods=["POST"])])
    metrics = Metrics()
    guard = Guard(inner, limits=Limits(timeout_s=0.2), metrics=metrics)
    headers = [(named.encode(), b"100")]
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": headers, "query_string": b""}
    asyncio.run(guard(scope, drip, send))
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert b"the body did not come within 0.2 s" in sent[1]["body"]
    assert metrics.requests["/predict", 408] == 1
    assert metrics.in_flight == 0


def test_answers_are_not_kept_or_guessed_at_by_a_browser(client: TestClient) -> None:
    reply = client.get("/model")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "no-store"
