import pytest

from sightline.regions.reports.words import Phrases, fits, lowered, spans_of, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("15mm", ["15", "mm"]),
        ("1.2x0.9cm", ["1.2", "x", "0.9", "cm"]),
        ("t8-t9", ["t8", "t9"]),
        ("clear - no mass", ["clear", "-", "no", "mass"]),
        ("lobe (3; 188 and 322), base", ["lobe", "(3; 188 and 322)", ",", "base"]),
        ("(previously 8 mm)", ["previously", "8", "mm"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words
    assert [text[begin:end] for begin, end in spans_of(text)] == words


@pytest.mark.parametrize(
    ("word", "pattern", "fit"),
    [
        ("nodules", "nodul*", True),
        ("micronodule", "nodul*", False),
        ("micronodule", "*nodul*", True),
        ("noncalcified", "*calcif*", False),
        ("noncalcified", "noncalc*", True),
        ("masses", "mass", False),
    ],
)
def test_patterns(word: str, pattern: str, *, fit: bool) -> None:
    assert fits(word, pattern) is fit


def test_phrases_are_found_everywhere_at_once() -> None:
    phrases = Phrases([("ground glass", 1), ("glass opac*", 2), ("glass", 3)])
    assert phrases.find(["a", "ground", "glass", "opacity"]) == [(1, 3, 1), (2, 3, 3), (2, 4, 2)]
    assert phrases.find([]) == []


def test_lower_case_keeps_the_length() -> None:
    assert len(lowered("İA")) == 2
    assert lowered("AB") == "ab"
