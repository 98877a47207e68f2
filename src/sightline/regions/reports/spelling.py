"""Long words with one letter wrong, mended."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sightline.regions.reports.words import Phrases

_SHORTEST = 7
_MOST_WORDS = 200_000  # remembered


class Speller:
    """Mends words that nobody knows and that are one letter off a word of `spelling.txt`.

    Only words of seven letters and more are looked at, with the same first letter: "efusion" and "atelectesis", not
    "module". A letter may be wrong, missing, too many, or two may have changed places.

    Args:
        known: phrases whose words are right.
    """

    def __init__(self, known: Phrases[Any]) -> None:
        self._known = known
        self._remembered: dict[str, str] = {}

    def mended(self, words: Sequence[str]) -> Sequence[str]:
        """Return the words, the same list if nothing is to be mended."""
        result = words
        for at, word in enumerate(words):
            if len(word) >= _SHORTEST:
                right = self._remembered.get(word) or self._remember(word)
                if right != word:
                    result = [*result[:at], right, *result[at + 1 :]]
        return result

    def _remember(self, word: str) -> str:
        right = word if not word.isalpha() or self._known.knows(word) else _nearest(word)
        if len(self._remembered) < _MOST_WORDS:
            self._remembered[word] = right
        return right


@cache
def _right_words() -> Sequence[str]:
    lines = Path(__file__).with_name("spelling.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _nearest(word: str) -> str:
    return next((right for right in _right_words() if _one_off(word, right)), word)


def _one_off(word: str, right: str) -> bool:
    if abs(len(word) - len(right)) > 1 or word[0] != right[0] or word == right:
        return False
    shared = 0
    while shared < min(len(word), len(right)) and word[shared] == right[shared]:
        shared += 1
    if len(word) > len(right):
        return word[shared + 1 :] == right[shared:]
    if len(word) < len(right):
        return word[shared:] == right[shared + 1 :]
    swapped = (
        word[shared : shared + 2] == right[shared : shared + 2][::-1] and word[shared + 2 :] == right[shared + 2 :]
    )
    return word[shared + 1 :] == right[shared + 1 :] or swapped
