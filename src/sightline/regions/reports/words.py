"""Words of a sentence, and phrases looked up in them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_WORD = re.compile(  # places in the images, "(3; 188 and 322)", are one word that says nothing
    r"[a-wyz][a-z]*\d*|[,;:?]|\d*\.?\d+|x(?=\d)|x[a-z]*\d*|"
    r"\((?:[\d\s;:,./&-]|and|series|image|slice|se|im)+\)|(?<=\s)[-\u2013\u2014]+(?=\s)"
)
_MOST_WORDS = 200_000  # remembered; beyond them the memory of a dictionary starts anew
Value = TypeVar("Value")


def words_of(text: str) -> list[str]:
    """Cut a text in lower case into words, numbers and the marks that part statements.

    >>> words_of("a 1.2x0.9cm ground-glass nodule, unchanged")
    ['a', '1.2', 'x', '0.9', 'cm', 'ground', 'glass', 'nodule', ',', 'unchanged']
    """
    return _WORD.findall(text)


def lowered(text: str) -> str:
    """The text in lower case, as long as it was."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def spans_of(text: str) -> list[tuple[int, int]]:
    """Begin and end of each of `words_of(text)` in the text."""
    return [match.span() for match in _WORD.finditer(text)]


@dataclass(slots=True, eq=False)
class _Node(Generic[Value]):
    """Where one stands after some words of a phrase."""

    values: list[Value] = field(default_factory=list)
    exact: dict[str, "_Node[Value]"] = field(default_factory=dict)
    patterns: dict[str, "_Node[Value]"] = field(default_factory=dict)

    def after(self, word: str) -> list["_Node[Value]"]:
        """Nodes that a word leads to."""
        ahead = [self.exact[word]] if word in self.exact else []
        fitting = self.patterns.items() if word[0].isalpha() else ()
        return ahead + [node for pattern, node in fitting if fits(word, pattern)]


class _State(Generic[Value]):
    """All nodes that some words lead to, and, of the words met so far, where each leads from here."""

    __slots__ = ("_longer", "ends", "known", "values")

    def __init__(self, nodes: Sequence[_Node[Value]]) -> None:
        self.values = tuple(value for node in nodes for value in node.values)
        self._longer = [node for node in nodes if node.exact or node.patterns]
        self.ends = not self._longer  # no phrase goes on
        self.known: dict[str, _State[Value] | None] = {}

    def step(self, word: str) -> "_State[Value] | None":
        """Where a word leads; `None` if no phrase has it here."""
        return self.known[word] if word in self.known else self.after(word)

    def after(self, word: str) -> "_State[Value] | None":
        """Find out where a word leads that was not met here before."""
        if len(self.known) > _MOST_WORDS:
            self.known.clear()
        nodes = [after for node in self._longer for after in node.after(word)]
        state = self.known[word] = _State(nodes) if nodes else None
        return state


def fits(word: str, pattern: str) -> bool:
    """Tell whether a word is the pattern, whose `*` stands for any letters before or after it.

    What begins with "non" fits only what begins so, too: a noncalcified nodule is not calcified.
    """
    if not pattern.endswith("*"):
        return word == pattern
    stem = pattern.strip("*")
    if word.startswith("non") and len(word) > 5 and not stem.startswith("non"):
        return False
    return stem in word if pattern.startswith("*") else word.startswith(stem)


class Phrases(Generic[Value]):
    """A dictionary from phrases to values, looked up everywhere in a sentence at once.

    A phrase is words apart by a blank; `nodul*` is any word that begins so, `*adenopath*` any that holds it.

    Args:
        entries: phrases and what each stands for; several values may share a phrase.
    """

    def __init__(self, entries: Iterable[tuple[str, Value]]) -> None:
        root: _Node[Value] = _Node()
        self._later_words: set[str] = set()
        self._later_patterns: set[str] = set()
        for phrase, value in entries:
            node = root
            for position, word in enumerate(phrase.split()):
                if position:
                    (self._later_patterns if word.endswith("*") else self._later_words).add(word)
                branch = node.patterns if word.endswith("*") else node.exact
                node = branch.setdefault(word, _Node())
            node.values.append(value)
        self._first = _State([root])

    def find(self, words: Sequence[str]) -> list[tuple[int, int, Value]]:
        """Return begin, end and value of every phrase in the words, by where they begin, longer ones last."""
        found: list[tuple[int, int, Value]] = []
        first, count = self._first, len(words)
        known = first.known
        for start, word in enumerate(words):
            state = known[word] if word in known else first.after(word)
            end = start + 1
            while state is not None:
                for value in state.values:
                    found.append((start, end, value))  # noqa: PERF401 - faster than extend for one or none
                if state.ends or end == count:
                    break
                following = words[end]
                end += 1
                state = state.known[following] if following in state.known else state.after(following)
        return found

    def knows(self, word: str) -> bool:
        """Tell whether a phrase may begin with the word."""
        return self._first.step(word) is not None

    def values(self, word: str) -> tuple[Value, ...] | None:
        """Values of a word that is a phrase of its own or none; `None` if it is also a part of longer ones."""
        state = self._first.step(word)
        if state is not None and not state.ends:
            return None
        if word in self._later_words or any(fits(word, pattern) for pattern in self._later_patterns):
            return None
        return state.values if state is not None else ()
