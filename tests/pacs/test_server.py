"""Whatever goes wrong between us and a server is one line; who we are is in none of them."""

import base64
import logging
import socket
import time
from pathlib import Path

import pytest

from sightline.errors import DataNotFoundError, ServerError, SettingsError
from sightline.pacs import Server, check_uid, find_studies

from .conftest import Scripted


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (400, "does not understand the request (HTTP 400"),
        (401, "it wants to know who asks; set SIGHTLINE_PACS_USER"),
        (403, "this user may not do that"),
        (406, "has it in no transfer syntax that it would send"),
        (418, "does not answer as asked (HTTP 418"),
        (500, "failed (HTTP 500, asked for studies)"),
    ],
)
def test_what_a_state_means(scripted: Scripted, state: int, words: str) -> None:
    scripted.rule = lambda path, query: (state, {"secret": "Qwertz"})
    with pytest.raises(ServerError) as caught:
        find_studies(Server(scripted.url))
    assert words in str(caught.value)
    assert "Qwertz" not in str(caught.value)
    assert caught.value.exit_code == 1


def test_what_is_not_there_is_bad_input(scripted: Scripted) -> None:
    scripted.rule = lambda path, query: (404, [])
    with pytest.raises(DataNotFoundError, match="has no studies, or is not the root of a DICOMweb server"):
        find_studies(Server(scripted.url))


def test_a_busy_server_is_asked_again(scripted: Scripted) -> None:
    scripted.rule = lambda path, query: (503, []) if len(scripted.asked) < 2 else (200, [])
    assert find_studies(Server(scripted.url)) == []
    assert len(scripted.asked) == 2
    scripted.rule = lambda path, query: (503, [])
    with pytest.raises(ServerError, match="is busy; asked 2 times for studies"):
        find_studies(Server(scripted.url))


@pytest.mark.parametrize("body", [b"<html>", b"\xff", {"Qwertz": 1}, ["Qwertz"]])
def test_an_answer_of_another_kind_is_told(scripted: Scripted, body: object) -> None:
    scripted.rule = lambda path, query: (200, body)
    with pytest.raises(ServerError, match="does not answer as DICOMweb does") as caught:
        find_studies(Server(scripted.url))
    assert "Qwertz" not in str(caught.value)


def test_a_server_that_is_away() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with pytest.raises(ServerError, match=r"cannot be reached; is it running"):
        find_studies(Server(f"http://127.0.0.1:{port}/dicom-web", attempts=1))


def test_a_server_that_says_nothing(scripted: Scripted) -> None:
    scripted.rule = lambda path, query: (time.sleep(1), (200, []))[1]
    with pytest.raises(ServerError, match=r"said nothing for 0.1 s while asked for studies"):
        find_studies(Server(scripted.url, timeout_s=0.1, attempts=1))


def test_who_we_are_comes_from_the_environment(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login erika password Hush0\n")
    netrc.chmod(0o600)
    find_studies(Server(scripted.url))
    monkeypatch.setenv("NETRC", str(netrc))
    find_studies(Server(scripted.url))
    monkeypatch.setenv("SIGHTLINE_PACS_USER", "ulrike")
    with pytest.raises(SettingsError, match="must both be set"):
        find_studies(Server(scripted.url))
    monkeypatch.setenv("SIGHTLINE_PACS_PASSWORD", "Hush1")
    find_studies(Server(scripted.url))
    monkeypatch.setenv("SIGHTLINE_PACS_TOKEN", "Hush2")
    find_studies(Server(scripted.url))
    basic = ["Basic " + base64.b64encode(pair).decode() for pair in (b"erika:Hush0", b"ulrike:Hush1")]
    assert scripted.whom == ["", *basic, "Bearer Hush2"]
    for secret in ("Hush", "ulrike", *(word.split()[1] for word in basic)):
        assert secret not in caplog.text


def test_an_address_holds_no_password_and_none_is_quoted() -> None:
    with pytest.raises(SettingsError, match="must not hold a user or a password") as caught:
        Server("https://ulrike:Hush@pacs.example/dicom-web")
    assert "Hush" not in str(caught.value)
    for url in ("pacs.example", "ftp://pacs.example", "http://", "https://x/?a=b", "http://x:port"):
        with pytest.raises(SettingsError, match="must be as https://"):
            Server(url)
    with pytest.raises(SettingsError, match="timeout must be above 0"):
        Server("https://x", timeout_s=0)


def test_a_password_over_http_is_warned_of(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("SIGHTLINE_PACS_TOKEN", "Hush")
    Server("https://pacs.example/dicom-web").connect()
    assert not caplog.text
    Server("http://pacs.example/dicom-web").connect()
    assert "pacs.example/dicom-web is asked over http" in caplog.text


@pytest.mark.parametrize("uid", ["", "1", "1..2", "../x", "1.2/3", "01.2", "1.2." + "3" * 62, "1.2\n"])
def test_a_uid_can_name_a_file(uid: str) -> None:
    assert check_uid("1.2.840.0.10", "the study") == "1.2.840.0.10"
    with pytest.raises(SettingsError, match="the study must be a UID"):
        check_uid(uid, "the study")
