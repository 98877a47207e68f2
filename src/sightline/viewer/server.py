"""Serve the page: on this machine alone, or with a token to others."""

import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass

import uvicorn

from sightline.addresses import is_loopback
from sightline.errors import SettingsError
from sightline.viewer.app import create_app
from sightline.viewer.desk import Desk

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_GRACE_S = 5


@dataclass(frozen=True, eq=False)
class Page:
    """A page that can be opened.

    Attributes:
        address: of the page, with its token if it has one.
        port: that it is served at.
        socket: bound.
        server: not yet running.
    """

    address: str
    port: int
    socket: socket.socket
    server: uvicorn.Server

    def serve(self) -> None:
        """Answer until Ctrl-C or a signal to end, then finish what was begun."""
        with suppress(KeyboardInterrupt):
            self.server.run(sockets=[self.socket])


def prepare_page(
    desk: Desk, *, host: str = "127.0.0.1", port: int = 0, any_port: bool = False, token: bool = False
) -> Page:
    """Bind the address of a page.

    Args:
        desk: answers its questions.
        host: to bind to. Where others can reach it, a token is demanded.
        port: 0 takes any that is free.
        any_port: take any that is free also where this one is taken.
        token: demand a token also on this machine, which others may be logged in to.

    Raises:
        SettingsError: the address cannot be bound.
    """
    local = is_loopback(host)
    secret = secrets.token_urlsafe(24) if token or not local else ""
    bound = _bind(host, port, any_port=any_port)
    port = int(bound.getsockname()[1])
    names = _LOCAL | {host.strip("[]").casefold()}
    if not local:
        names |= {socket.gethostname().casefold(), socket.getfqdn().casefold()}
    app = create_app(desk, hosts=names, numbers=not local, token=secret)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=_GRACE_S, ws="none"
    )
    shown = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    query = f"?token={secret}" if secret else ""
    return Page(f"http://{shown}:{port}/{query}", port, bound, uvicorn.Server(config))


def _bind(host: str, port: int, *, any_port: bool) -> socket.socket:
    if not 0 <= port <= 65535:  # some systems count on from 0
        raise SettingsError(f"cannot serve at {host}, port {port}: there is none above 65535; choose another")
    try:
        kind, _, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(kind, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen()  # who asks before the page is up, waits
    except (OSError, OverflowError) as error:
        if any_port:
            return _bind(host, 0, any_port=False)
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"cannot serve at {host}, port {port}: {reason}; choose another with --port") from None
    return bound
