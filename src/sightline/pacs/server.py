"""A DICOMweb server: how to reach it, who we are to it, and what it means when it does not answer as asked.

Who we are is never part of a command line, an address or a log. It is looked up in this order: the environment variable
`SIGHTLINE_PACS_TOKEN`, sent as a bearer token; `SIGHTLINE_PACS_USER` and `SIGHTLINE_PACS_PASSWORD`, sent as HTTP basic
authentication; the entry of the server in `~/.netrc`, or in the file that `NETRC` names.
"""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sightline.errors import DataNotFoundError, MissingExtraError, ServerError, SettingsError, SightlineError

if TYPE_CHECKING:
    from dicomweb_client.api import DICOMwebClient

_log = logging.getLogger(__name__)
_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")  # PS3.5, 9.1
_WAIT_MS = 250  # doubled before each further attempt
_LOCAL = ("localhost", "127.0.0.1", "::1")
_MEANINGS = {  # of HTTP states
    400: "does not understand the request",
    401: "refuses: it wants to know who asks; set SIGHTLINE_PACS_USER and SIGHTLINE_PACS_PASSWORD, or a token",
    403: "refuses: this user may not do that",
    405: "does not offer this service; is the address that of its DICOMweb root?",
    406: "has it in no transfer syntax that it would send",
    409: "refuses to store it",
    413: "refuses: it is too large for it",
    415: "does not take this kind of message",
}


@dataclass(frozen=True)
class Server:
    """A DICOMweb server.

    Attributes:
        url: of its DICOMweb root, such as `https://pacs.example/dicom-web`.
        timeout_s: longest wait for a connection, and for the server to say something more, s.
        attempts: how often to ask a server that is away or says that it is busy, waiting longer each time.
    """

    url: str
    timeout_s: float = 30.0
    attempts: int = 2

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            parts, known = urlsplit(""), False
        if "@" in parts.netloc:
            raise SettingsError(
                "an address must not hold a user or a password; set SIGHTLINE_PACS_USER and SIGHTLINE_PACS_PASSWORD"
            )
        if not known or parts.query or parts.fragment:
            raise SettingsError("the address of a server must be as https://pacs.example/dicom-web")
        if self.timeout_s <= 0 or self.attempts < 1:
            raise SettingsError(f"timeout must be above 0 s, got {self.timeout_s:g}, and attempts at least 1")

    @property
    def name(self) -> str:
        """What to call it in messages: host, port and path."""
        return self.url.split("://", 1)[1].rstrip("/")

    def connect(self) -> "DICOMwebClient":
        """Return a client that knows who we are; nothing is sent yet.

        Raises:
            MissingExtraError: dicomweb-client is not installed.
            SettingsError: a user is set without a password, or the reverse.
        """
        try:
            from dicomweb_client.api import DICOMwebClient
        except ImportError as error:
            raise MissingExtraError("a PACS needs the extra 'pacs': pip install 'sightline[pacs]'") from error
        session = _session()
        if session.auth is not None and self.url.startswith("http:") and urlsplit(self.url).hostname not in _LOCAL:
            _log.warning("%s is asked over http: who listens on the way reads the password; use https", self.name)
        client = DICOMwebClient(self.url.rstrip("/"), session=session, timeout=(self.timeout_s, self.timeout_s))
        client.set_http_retry_params(
            retry=self.attempts > 1, max_attempts=self.attempts, wait_exponential_multiplier=_WAIT_MS
        )
        return client

    @contextmanager
    def asked(self, what: str) -> Iterator[None]:
        """Turn whatever goes wrong while the server is asked into one line without its words.

        Args:
            what: is asked for, as the end of "while asked for ...".

        Raises:
            DataNotFoundError: the server has no such thing.
            ServerError: it is away, refuses, or answers otherwise than DICOMweb does.
        """
        import requests

        try:
            yield
        except SightlineError:
            raise
        except requests.exceptions.SSLError:
            raise ServerError(
                f"{self.name}: its certificate cannot be verified; REQUESTS_CA_BUNDLE names yours"
            ) from None
        except requests.exceptions.Timeout:
            raise ServerError(f"{self.name} said nothing for {self.timeout_s:g} s while asked for {what}") from None
        except requests.exceptions.HTTPError as error:
            state = error.response.status_code if error.response is not None else 0
            if state == 404:
                raise DataNotFoundError(f"{self.name} has no {what}, or is not the root of a DICOMweb server") from None
            meaning = _MEANINGS.get(state) or ("failed" if state >= 500 else "does not answer as asked")
            raise ServerError(f"{self.name} {meaning} (HTTP {state}, asked for {what})") from None
        except requests.exceptions.ConnectionError:
            raise ServerError(f"{self.name} cannot be reached; is it running, and is the address right?") from None
        except Exception as error:
            kind = type(error).__name__
            if kind == "RetryError":  # of a package that dicomweb-client brings
                raise ServerError(f"{self.name} is busy; asked {self.attempts} times for {what}") from None
            raise ServerError(f"{self.name} does not answer as DICOMweb does ({kind}, asked for {what})") from None


def check_uid(uid: str, what: str) -> str:
    """Return a UID that is one: digits and points, at most 64, so that it may name a file.

    Raises:
        SettingsError: it is none.
    """
    if len(uid) > 64 or not _UID.fullmatch(uid):
        raise SettingsError(f"{what} must be a UID of digits and points, at most 64 of them")
    return uid


def _session() -> Any:  # noqa: ANN401 - of requests, which comes with dicomweb-client
    import requests

    session = requests.Session()
    token = os.environ.get("SIGHTLINE_PACS_TOKEN")
    user, password = os.environ.get("SIGHTLINE_PACS_USER"), os.environ.get("SIGHTLINE_PACS_PASSWORD")
    if token:

        def bear(request: Any) -> Any:  # noqa: ANN401 - of requests
            request.headers["Authorization"] = f"Bearer {token}"
            return request

        session.auth = bear
    elif user or password:
        if not (user and password):
            raise SettingsError("SIGHTLINE_PACS_USER and SIGHTLINE_PACS_PASSWORD must both be set, or neither")
        session.auth = (user, password)
    return session
