"""The process: it listens, gives slow clients up, and finishes what it has begun when it is told to stop."""

import contextlib
import signal
import socket
from collections.abc import Callable, Generator
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from sightline.errors import SettingsError
from sightline.serving.limits import Limits

_CONNECTIONS = 512
_KEEP_ALIVE_S = 5
_HEADER_BYTES = 1 << 14
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def listen(host: str, port: int) -> socket.socket:
    """Open a socket.

    Raises:
        SettingsError: the address is taken, not this machine's, or not allowed.
    """
    if not 0 <= port < 1 << 16:  # getaddrinfo takes the rest of a division
        raise SettingsError(f"port must be in 0 to 65535, got {port}")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
        except OSError:
            opened.close()
            raise
    except OSError as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(
            f"cannot listen on {host}, port {port}: {reason}; choose another --host or --port"
        ) from None
    return opened


def serve(app: FastAPI, listener: socket.socket, limits: Limits, *, began: Callable[[], None] = lambda: None) -> int:
    """Answer until a signal comes; what is in work then is finished.

    Args:
        app: from `make_app`.
        listener: from `listen`.
        limits: those of the app.
        began: called when requests are answered.

    Returns:
        The exit code: 0 after SIGTERM, 130 after SIGINT.
    """
    protocol = type("_Patient", (_Patient,), {"header_s": limits.header_s, "write_s": limits.timeout_s})
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(limits.timeout_s) + 2,
    )
    server = _Server(config, began)
    server.run(sockets=[listener])
    return 130 if signal.SIGINT in server.signals else 0


class _Server(uvicorn.Server):
    """Says when it has begun, and leaves the exit code to the caller: uvicorn raises the signal a second time."""

    def __init__(self, config: uvicorn.Config, began: Callable[[], None]) -> None:
        super().__init__(config)
        self._began = began
        self.signals: list[int] = self._captured_signals

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._began()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Patient(H11Protocol):
    """HTTP/1.1 with an end to patience: for a client that does not finish its headers, or does not take its answer."""

    header_s: float
    write_s: float
    _waiting: Any = None
    _writing: Any = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - of asyncio
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._waiting, self._writing):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._writing = self.loop.call_later(self.write_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()

    def _watch(self) -> None:
        waits = self.cycle is None or self.cycle.response_complete
        if waits and self._waiting is None:
            self._waiting = self.loop.call_later(self.header_s, self.transport.close)
        elif not waits and self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
