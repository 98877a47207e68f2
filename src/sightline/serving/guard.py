"""What stands before the endpoints: who may ask, how much, and for how long.

It is plain ASGI: a body is counted as it comes, and is never whole in memory.
"""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from sightline.serving.limits import Limits
from sightline.serving.metrics import Metrics

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ASKING = ("/predict", "/explain")
OPEN = ("/health", "/ready")
PATHS = (*ASKING, *OPEN, "/metrics", "/model", "/openapi.json")
_DRAIN_BYTES, _DRAIN_S = 64 << 20, 2.0
_BROWSER = {"x-content-type-options": "nosniff", "cache-control": "no-store"}


class Guard:
    """Wraps an application.

    Args:
        app: that answers.
        limits: what one request, and all of them, may take.
        metrics: told of each request.
        token: that a request must bear; empty for none.
        hosts: names by which the server may be called; empty for any. Without a token it is these that keep the pages
            of other sites in a browser on the same machine from asking, also by DNS rebinding.
    """

    def __init__(
        self, app: App, *, limits: Limits, metrics: Metrics, token: str = "", hosts: tuple[str, ...] = ()
    ) -> None:
        self._app, self._limits, self._metrics = app, limits, metrics
        self._token, self._hosts = token.encode(), frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application do it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, path = time.monotonic(), scope["path"]
        exchange = _Exchange(receive, send, self._limits, scope["headers"])
        scope.setdefault("state", {})["until"] = exchange.until
        asking = path in ASKING
        try:
            if refusal := self._refusal(path, _headers(scope)):
                return await refusal(scope, exchange.receive, exchange.send)
            self._metrics.in_flight += asking
            try:
                await self._app(scope, exchange.receive, exchange.send)
            finally:
                self._metrics.in_flight -= asking
        finally:
            label = path if path in PATHS else "other"
            self._metrics.answered(label, exchange.status, time.monotonic() - began)
        return None

    def _refusal(self, path: str, headers: Mapping[str, str]) -> JSONResponse | None:
        if self._hosts:
            origin = headers.get("origin")
            for host in (_host("//" + headers.get("host", "")), "" if origin is None else _host(origin) or "?"):
                if host and host not in self._hosts:
                    known = ", ".join(sorted(self._hosts))
                    return refused(403, f"called by the name or from a page of {host[:100]}; known here are {known}")
        if self._token and path not in OPEN:
            given = headers.get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(given, b"Bearer " + self._token):
                words = "a token is needed: send the header 'Authorization: Bearer TOKEN'"
                return refused(401, words, {"www-authenticate": "Bearer"})
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._limits.max_bytes:
            return refused(413, too_large(self._limits))
        if headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            return refused(415, "a body must come as it is, without Content-Encoding")
        if path in ASKING and self._metrics.in_flight >= self._limits.queue:
            return busy("the server is busy; try again")
        return None


def refused(status: int, words: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return an error as everywhere: one line."""
    return JSONResponse({"error": " ".join(words.split())}, status, headers=dict(headers or {}))


def busy(words: str) -> JSONResponse:
    """Return the answer to a request that there is no room for."""
    return refused(503, words, {"retry-after": "1"})


def too_large(limits: Limits) -> str:
    """What to say to a body that is too large."""
    return f"the body is larger than the {limits.max_bytes} bytes that are taken here"


class _Exchange:
    """One request and its answer: counts what comes, and closes a connection that was not read to its end."""

    def __init__(self, receive: Receive, send: Send, limits: Limits, headers: list[tuple[bytes, bytes]]) -> None:
        self._receive, self._send, self._limits = receive, send, limits
        self.until = time.monotonic() + limits.timeout_s
        self.status, self._came = 500, 0
        names = {name for name, _ in headers}
        self._ended = not names & {b"content-length", b"transfer-encoding"}
        self._waits = b"expect" in names  # for 100 Continue, before it sends a body

    async def receive(self) -> Message:
        try:
            async with asyncio.timeout(max(self.until - time.monotonic(), 0)):
                message = await self._receive()
        except TimeoutError:
            words = f"the body did not come within {self._limits.timeout_s:g} s"
            raise HTTPException(408, words) from None
        self._waits = False
        self._note(message)
        if self._came > self._limits.max_bytes:
            raise HTTPException(413, too_large(self._limits))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", [])) + [(k.encode(), v.encode()) for k, v in _BROWSER.items()]
            if not self._ended:
                await self._drain()
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        await self._send(message)

    def _note(self, message: Message) -> None:
        self._came += len(message.get("body", b""))
        self._ended = self._ended or not message.get("more_body", False)

    async def _drain(self) -> None:
        """Take some of what still comes: to close on a client that sends would take the answer from it."""
        most = self._came + _DRAIN_BYTES
        try:
            async with asyncio.timeout(_DRAIN_S):
                while not (self._ended or self._waits) and self._came < most:
                    self._note(await self._receive())
        except TimeoutError:
            pass


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _host(address: str) -> str:
    """The name in an address, without its port."""
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return "?"
