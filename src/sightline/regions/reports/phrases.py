"""The published phrase rules: a fixed list of triggers that shorten a sentence until what is left is abnormal.

Each rule sees what the one before it left. A sentence of which nothing is left is healthy; what is left goes to the
term search (`published.py`).

Reference:
    Draelos et al. 2021, doi:10.1016/j.media.2020.101857, appendix; the code of its authors (SARLE).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sightline.errors import DataError
from sightline.regions.reports.terms import listed, table_rows

_PUBLISHED = Path(__file__).parent / "published"
_PUNCTUATION = re.compile(r"[^\w\s.]|_")


@dataclass(frozen=True)
class PhraseRule:
    """A line of the table of phrase rules.

    Attributes:
        trigger: without it in the sentence nothing is done; its blanks count.
        action: a key of `ACTIONS`.
        count: how many words around the trigger the action looks at.
        words: that the action looks for.
    """

    trigger: str
    action: str
    count: int
    words: tuple[str, ...]


@cache
def read_phrase_rules(name: str = "ct") -> tuple[PhraseRule, ...]:
    """Read the rules, in the order in which they are applied.

    Args:
        name: `ct`, `cxr_positive` (uncertain findings are kept) or `cxr_negative` (they are not).

    Raises:
        DataError: a line names no action.
    """
    file = _PUBLISHED / f"{name}_phrases.txt"
    rules = []
    for trigger, action, words in table_rows(file):
        verb, _, count = action.partition(" ")
        if verb not in ACTIONS:
            raise DataError(f"{file}: {action!r} is none of {', '.join(ACTIONS)}")
        rules.append(PhraseRule(trigger.replace("_", " "), verb, int(count or 0), listed(words)))
    return tuple(rules)


def cleaned(sentence: str) -> str:
    """The sentence in lower case, punctuation but "." made blank, with one blank between words and at both ends."""
    return f" {' '.join(_PUNCTUATION.sub(' ', sentence.lower()).rstrip(' .').split())} "


def abnormal_part(sentence: str, rules: Sequence[PhraseRule]) -> str:
    """Return what is left of a cleaned sentence; only blanks if it is healthy.

    >>> abnormal_part(" the heart is enlarged without pericardial effusion ", read_phrase_rules())
    ' the heart is enlarged '
    """
    for rule in rules:
        if rule.trigger in sentence:
            sentence = ACTIONS[rule.action](sentence, rule)
    return sentence


def _delete(_: str, __: PhraseRule) -> str:
    return ""


def _drop(sentence: str, rule: PhraseRule) -> str:
    return sentence.replace(rule.trigger, " ")


def _before(sentence: str, rule: PhraseRule) -> str:
    return sentence.rpartition(rule.trigger)[2]


def _after(sentence: str, rule: PhraseRule) -> str:
    return sentence.partition(rule.trigger)[0] + " "


def _until(sentence: str, rule: PhraseRule) -> str:
    """Delete from the trigger to the first of the words."""
    before, _, after = sentence.partition(rule.trigger)
    found = [at for at in (after.find(word) for word in rule.words) if at >= 0]
    return f"{before} {after[min(found) :]}" if found else f"{before} "


def _unless_after(sentence: str, rule: PhraseRule) -> str:
    near = sentence.partition(rule.trigger)[2].split()[: rule.count]
    return sentence if any(word in " ".join(near) for word in rule.words) else ""


def _unless_before(sentence: str, rule: PhraseRule) -> str:
    near = sentence.partition(rule.trigger)[0].split()[-rule.count :]
    return sentence if any(word in " ".join(near) for word in rule.words) else ""


def _first(sentence: str, rule: PhraseRule) -> str:
    return "" if sentence.split()[:1] == [rule.trigger] else sentence


def _one_before(sentence: str, rule: PhraseRule) -> str:
    """Keep what is before the trigger without its last word."""
    return f" {' '.join(sentence.partition(rule.trigger)[0].split()[:-1])} "


def _patent(sentence: str, rule: PhraseRule) -> str:
    if sentence.split()[:1] == ["patent"]:
        return _until(sentence, PhraseRule(rule.trigger, "until", 0, ("status", "with")))
    return _before(sentence, rule)


def _clear(sentence: str, rule: PhraseRule) -> str:
    shortened = f" clear {_before(sentence, rule)}"
    return _until(shortened, PhraseRule(" clear", "until", 0, ("status",)))


def _subcentimeter(sentence: str, _: PhraseRule) -> str:
    begin, end = sentence.rfind("subcentimeter"), sentence.rfind("node")
    return sentence[:begin] + sentence[end + len("node") :] if end > begin else sentence


def _non(sentence: str, _: PhraseRule) -> str:
    """Delete "non" and the word after it, or else every word that holds it."""
    words = sentence.split()
    if "non" in words:
        at = words.index("non")
        words = words[:at] + words[at + 2 :]
    else:  # the published code changes the list that it walks through, so that some stay; here all go
        words = [word for word in words if "non" not in word]
    return f" {' '.join(words)} "


ACTIONS: Mapping[str, Callable[[str, PhraseRule], str]] = {
    "delete": _delete,
    "drop": _drop,
    "before": _before,
    "after": _after,
    "until": _until,
    "unless_after": _unless_after,
    "unless_before": _unless_before,
    "first": _first,
    "one_before": _one_before,
    "patent": _patent,
    "clear": _clear,
    "subcentimeter": _subcentimeter,
    "non": _non,
}
"""What a rule does, given that its trigger is in the sentence."""
