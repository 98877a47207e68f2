import pytest

from sightline.errors import SettingsError
from sightline.shards import read_shard, shard_of


def test_shards_are_disjoint_and_make_the_whole() -> None:
    assert [shard_of("abcdefg", read_shard(f"{number}/3")) for number in (1, 2, 3)] == [
        list("adg"),
        list("be"),
        list("cf"),
    ]
    assert shard_of("ab", (3, 3)) == []


@pytest.mark.parametrize("text", ["two", "1", "1/", "-1/2", "1/2/3"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=f"^--shard must look like 1/3, got '{text}'$"):
        read_shard(text)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/0"])
def test_a_share_that_there_is_not_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=f"^shard must be I/N with 1 <= I <= N, got {text}$"):
        read_shard(text)
