import pytest

from sightline.addresses import is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_only_this_machine_reaches_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "192.168.0.7", "localhost.example.org", "127.1", ""])
def test_others_may_reach_the_rest(host: str) -> None:
    assert not is_loopback(host)
