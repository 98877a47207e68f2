"""Who may ask: names of the host, foreign pages, and the token."""

import pytest
from fastapi.testclient import TestClient

from sightline.viewer.app import create_app
from sightline.viewer.desk import Desk

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def client_at(desk: Desk, host: str = "localhost", *, numbers: bool = False, token: str = "") -> TestClient:
    app = create_app(desk, hosts=LOCAL, numbers=numbers, token=token)
    return TestClient(app, base_url=f"http://{host}", follow_redirects=False)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8642", 200),
        ("127.0.0.1:8642", 200),
        ("[::1]:8642", 200),
        ("LOCALHOST", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("evil.example@localhost", 421),
        ("192.168.0.7", 421),
        ("", 421),
    ],
)
def test_only_names_of_this_machine_are_answered(desk: Desk, host: str, status: int) -> None:
    assert client_at(desk).get("/api/overview", headers={"host": host}).status_code == status


def test_addresses_in_numbers_are_answered_where_others_may_ask(desk: Desk) -> None:
    client = client_at(desk, numbers=True, token="secret")
    assert client.get("/", headers={"host": "192.168.0.7:80"}).status_code == 401
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421


def test_foreign_pages_may_neither_read_nor_write(desk: Desk) -> None:
    client = client_at(desk)
    review = {"run": "plain", "bias": "on", "case": "case-4", "mark": "agree"}
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
        assert client.put("/api/reviews", json=review, headers=headers).status_code == 403
        assert client.get("/api/overview", headers=headers).status_code == 403
    assert client.get("/api/cases", params={"mark": "any"}).json()["total"] == 0
    own = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    assert client.put("/api/reviews", json=review, headers=own).status_code == 200
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.get("/", headers=link).status_code == 200


def test_a_token_is_asked_for_and_becomes_a_cookie(desk: Desk) -> None:
    client = client_at(desk, token="secret")
    assert client.get("/").status_code == 401
    assert client.get("/", params={"token": "guess"}).status_code == 401
    assert client.get("/api/overview", params={"token": "secret"}).status_code == 401
    opened = client.get("/", params={"token": "secret"})
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert client.get("/api/overview").status_code == 200  # by the cookie
    plain = client_at(desk, token="secret")
    assert plain.get("/api/overview", headers={"authorization": "Bearer secret"}).status_code == 200
    assert plain.get("/api/overview", headers={"authorization": "Bearer other"}).status_code == 401


def test_every_answer_has_a_strict_policy(client: TestClient) -> None:
    for path in ("/", "/static/main.js", "/api/overview", "/api/subjects/99", "/nothing"):
        headers = client.get(path).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert headers["x-content-type-options"] == "nosniff"
    assert client.get("/docs").status_code == client.get("/openapi.json").status_code == 404
