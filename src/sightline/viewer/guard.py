"""Who may ask: the address that a browser names, the page that asks, and a token where others could reach the port.

- The `Host` header must name this machine, so that no foreign name can be made to point here (DNS rebinding).
- A request of a foreign page (`Sec-Fetch-Site`, `Origin`) is refused.
- With a token, a request must carry it in a cookie or as `Authorization: Bearer`. A page opened with `?token=` gets the
  cookie, which no script can read, and an address without the token.
"""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "sightline-token"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Lets a request through to the application, or answers it itself.

    Args:
        app: the application behind.
        hosts: names that a `Host` header may have; any address in numbers is let through if `numbers`.
        numbers: whether addresses in numbers are, which cannot be rebound.
        token: that a request must carry; empty for none.
    """

    def __init__(self, app: App, *, hosts: frozenset[str], numbers: bool = False, token: str = "") -> None:
        self._app, self._hosts, self._numbers, self._token = app, hosts, numbers, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if not self._is_ours(headers.get("host", "")):
            await _answer(send, 421, "this server is not asked by that name; use the address that it printed")
        elif _is_foreign(headers):
            await _answer(send, 403, "only the page of this server may ask it")
        elif self._token and not self._knows(headers):
            await self._ask_for_token(scope, send)
        else:
            await self._app(scope, receive, _with_headers(send))

    def _is_ours(self, host: str) -> bool:
        name = urlsplit(f"//{host}").hostname if host and not set(host) & set("@/\\ ") else None
        if name is None:
            return False
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._numbers

    def _knows(self, headers: dict[str, str]) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        cookies = (each.strip().partition("=") for each in headers.get("cookie", "").split(";"))
        given = [value for name, _, value in cookies if name == COOKIE]
        given += [bearer] if scheme.lower() == "bearer" else []
        return any(hmac.compare_digest(value.encode(), self._token.encode()) for value in given)

    async def _ask_for_token(self, scope: Scope, send: Send) -> None:
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        is_page = scope["path"] == "/" and scope["method"] == "GET"
        if is_page and hmac.compare_digest(asked.encode(), self._token.encode()):
            cookie = f"{COOKIE}={self._token}; HttpOnly; SameSite=Strict; Path=/"
            await _answer(send, 303, "", {"location": "/", "set-cookie": cookie})
        else:
            await _answer(send, 401, "this page needs its token: open the whole address that `sightline view` printed")


def _is_foreign(headers: dict[str, str]) -> bool:
    """Whether another site asks; what is typed into the address bar, and programs, are not foreign."""
    if headers.get("sec-fetch-site", "none") in ("cross-site", "same-site"):
        return headers.get("sec-fetch-mode") != "navigate" or headers.get("sec-fetch-dest") != "document"
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _ in message.get("headers", [])}
            more = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in there]
            message = {**message, "headers": [*message.get("headers", []), *more]}
        await send(message)

    return sent


async def _answer(send: Send, status: int, text: str, headers: dict[str, str] | None = None) -> None:
    all_headers = {"content-type": "text/plain; charset=utf-8", **HEADERS, **(headers or {})}
    lines = [(name.encode(), value.encode()) for name, value in all_headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": text.encode()})
