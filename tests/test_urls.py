from pathlib import Path, PurePosixPath

import pytest

from sightline.urls import holds_secret, url_of, without_secrets


@pytest.mark.parametrize(
    "url",
    ["s3://bucket/a/b.csv", "gs://b", "https://host:8080/x", "memory://a/b", "file:///data/x", "abfs://c@a.net/x"],
)
def test_an_address_survives_being_a_path(url: str) -> None:
    assert url_of(Path(url)) == url_of(url) == url


@pytest.mark.parametrize("path", ["cohort", "/data/x.csv", "C:/films", "c:films", "a b:/c", "s3:"])
def test_other_paths_are_no_addresses(path: str) -> None:
    assert url_of(PurePosixPath(path)) is None


@pytest.mark.parametrize("url", ["https://me:pw@host/x", "s3://b/x?X-Amz-Signature=1", "https://h/x?"])
def test_passwords_and_queries_are_secrets(url: str) -> None:
    assert holds_secret(url)
    assert holds_secret(url_of(Path(url)) or "")


def test_a_container_or_a_port_is_no_secret() -> None:
    assert not any(holds_secret(url) for url in ("abfs://c@a.net/x", "https://host:80/a@b", "s3://b/a:b@c"))


def test_words_of_others_lose_their_secrets() -> None:
    assert without_secrets("no 'https://me:pw@h/x?sig=abc', sorry") == "no 'https://...@h/x?...', sorry"
