from pathlib import Path

import pytest

from sightline.errors import DataError, SettingsError
from sightline.stores.mirror import address_checked, mirrored, store_url, stores_folder


@pytest.mark.parametrize("url", ["s3://bucket/a/b.png", "https://host:80/x", "file:///data/x", "abfs://c@a.net/x"])
def test_a_mirrored_file_knows_its_address(url: str, cache: Path) -> None:
    assert mirrored(url).is_relative_to(cache)
    assert store_url(mirrored(url)) == url


def test_files_elsewhere_have_none(cache: Path) -> None:
    assert store_url(Path("/data/s3/b/x.png")) is None
    assert store_url(cache) is store_url(cache / "s3") is None
    assert store_url(cache.with_name("stores2") / "s3" / "b" / "x") is None


@pytest.mark.parametrize("url", ["s3://", "s3://..", "s3://../x", "s3://a/../.."])
def test_what_leads_out_of_the_mirror_is_refused(url: str) -> None:
    with pytest.raises(DataError, match="names no folder"):
        mirrored(url)


def test_the_folder_follows_the_custom_of_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SIGHTLINE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert stores_folder() == tmp_path / "sightline" / "stores"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    stores_folder.__globals__["_folder"].cache_clear()
    assert stores_folder() == tmp_path / "me" / ".cache" / "sightline" / "stores"
    stores_folder.__globals__["_folder"].cache_clear()


def test_a_secret_is_refused_and_not_repeated() -> None:
    for refuse in (lambda url: address_checked(Path(url)), mirrored):
        with pytest.raises(SettingsError, match="must not be an address with a password") as refused:
            refuse("https://me:hush@host/x?sig=hush2")
        assert "hush" not in str(refused.value)
