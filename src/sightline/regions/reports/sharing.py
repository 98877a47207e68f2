"""Which places of a sentence each of its findings has.

A finding takes the places of its own part of the sentence; where there are none, those that its neighbours share with
it: "bibasilar atelectasis and consolidation", "mass or consolidation in the lingula".
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sightline.regions.reports.cues import POSSIBLE
from sightline.regions.reports.places import JOINTS, NEAR, NOUNS, Placed

_LUNG = frozenset({"lung"})
_OF_LUNGS = ("lung", "side")
_OF_ALL = ("lung", "side", "other")


@dataclass(slots=True)
class _Part:
    """A part of a sentence between two joints.

    Attributes:
        begin: its first word.
        end: after its last word.
        joint: word before it; empty where a statement begins.
        findings: first words of the findings in it.
        own: places in it, and those of the parts that hold nothing else and belong to it.
    """

    begin: int
    end: int
    joint: str
    findings: list[int]
    own: list[Placed]

    @property
    def before(self) -> bool:
        """A place stands before the first finding."""
        return bool(self.own and self.findings) and min([each.begin for each in self.own]) < self.findings[0]

    def telling(self, *, lung: bool) -> list[Placed]:
        """Places that tell where its findings are, which are in the lungs or anywhere."""
        kinds = _OF_LUNGS if lung else _OF_ALL
        return [each for each in self.own if each.kind in kinds]


class Places:
    """Which places each finding of a sentence has.

    Args:
        words: of the sentence.
        placed: the places in it.
        findings: first word of each finding.
        ends: words at which a statement begins.
        flags: see `flag_words`.
    """

    def __init__(
        self,
        words: Sequence[str],
        placed: Sequence[Placed],
        findings: Collection[int],
        ends: Collection[int],
        flags: Sequence[int],
    ) -> None:
        self._words, self._flags = words, flags
        self._parts = _cut(words, placed, sorted(findings), ends)
        self._index = {finding: index for index, part in enumerate(self._parts) for finding in part.findings}
        self._known: dict[tuple[int, bool], list[Placed]] = {}
        if len(self._parts) > 1:
            self._give_away()

    def of(self, finding: int, *, lung: bool = False) -> list[Placed]:
        """Return the places of a finding.

        Args:
            finding: its first word.
            lung: places elsewhere than in the lungs say nothing of it.
        """
        index = self._index.get(finding)
        if index is None:
            return []
        known = self._known.get((index, lung))
        if known is None:
            known = self._known[index, lung] = self._find(index, lung)
        return known

    def _find(self, index: int, lung: bool) -> list[Placed]:
        part = self._parts[index]
        telling = part.telling(lung=lung)
        if not telling:
            return part.own + self._shared(index, lung)
        if all(each.names == _LUNG for each in telling):
            after = self._neighbour(index, 1, lung)
            if after is not None and not after.before:
                return part.own + after.telling(lung=True)
        return part.own

    def _shared(self, index: int, lung: bool) -> list[Placed]:
        part = self._parts[index]
        before = self._neighbour(index, -1, lung)
        after = self._neighbour(index, 1, lung)
        if before is not None and (
            before.before or part.joint in ("with", "or", "versus", "vs") or self._apposed(part)
        ):
            return before.own
        if after is not None and not after.before:
            return after.own
        return []

    def _neighbour(self, index: int, step: int, lung: bool) -> _Part | None:
        """The nearest part of the same statement that has findings with places."""
        while True:
            if (step < 0 and not self._parts[index].joint) or not 0 <= index + step < len(self._parts):
                return None
            index += step
            part = self._parts[index]
            if step > 0 and not part.joint:
                return None
            if part.findings and part.telling(lung=lung):
                return part

    def _apposed(self, part: _Part) -> bool:
        """The part says more of the one before: "opacity at the base, likely atelectasis"."""
        words = self._words[part.begin : part.end]
        return bool(NEAR & set(words)) or bool(self._flags[part.findings[0]] & POSSIBLE if part.findings else 0)

    def _give_away(self) -> None:
        """Give the places of parts without findings to a part with some: the one before, or else the next."""
        parts = self._parts
        for index, part in enumerate(parts):
            if part.findings or not part.own:
                continue
            before = self._with_findings(index, -1)
            after = self._with_findings(index, 1)
            follows = after is not None and after.before and not self._words[part.end - 1].startswith(NOUNS)
            taker = after if after is not None and (before is None or follows) else before
            if taker is not None:
                first = taker.findings[0] if taker is before else 0
                moved = (
                    part.own
                    if taker is after
                    else [Placed(max(p.begin, first), p.end, p.names, p.kind) for p in part.own]
                )
                taker.own = taker.own + moved

    def _with_findings(self, index: int, step: int) -> _Part | None:
        while True:
            if step < 0 and not self._parts[index].joint:
                return None
            index += step
            if not 0 <= index < len(self._parts) or (step > 0 and not self._parts[index].joint):
                return None
            if self._parts[index].findings:
                return self._parts[index]


def _cut(words: Sequence[str], placed: Sequence[Placed], findings: Sequence[int], ends: Collection[int]) -> list[_Part]:
    parts: list[_Part] = []
    begin, joint, count = 0, "", len(words)
    for at in [at for at, word in enumerate(words) if word in JOINTS or at in ends] + [count]:
        if at > begin:
            inside = [each for each in placed if begin <= each.begin < at]
            parts.append(_Part(begin, at, joint, [each for each in findings if begin <= each < at], inside))
            joint = ""
        if at == count:
            break
        if words[at] in JOINTS:
            joint = "" if words[at] == ";" else ("with" if "with" in (joint, words[at]) else words[at])
            begin = at + 1
        else:
            joint, begin = "", at
    return parts
