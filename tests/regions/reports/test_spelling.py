import pytest

from sightline.regions.reports.spelling import Speller
from sightline.regions.reports.words import Phrases


@pytest.mark.parametrize(
    ("word", "right"),
    [
        ("efusion", "effusion"),
        ("efffusion", "effusion"),
        ("effusoin", "effusion"),
        ("effusian", "effusion"),
        ("infusion", "infusion"),
        ("diffusion", "diffusion"),
        ("module", "module"),
        ("calcifed", "calcified"),
    ],
)
def test_one_wrong_letter_in_a_long_word(word: str, right: str) -> None:
    assert Speller(Phrases([])).mended(["a", word]) == ["a", right]


def test_known_words_stay() -> None:
    assert Speller(Phrases([("fibroses", 1)])).mended(["fibroses"]) == ["fibroses"]
