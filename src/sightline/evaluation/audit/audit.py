"""Audit a trained model: run every part over every case, and keep what was measured on the way."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sightline.attribution.explainer import evaluation_mode
from sightline.data.cohort import Case
from sightline.errors import SettingsError
from sightline.evaluation.audit.look import Look
from sightline.evaluation.audit.material import Material
from sightline.evaluation.audit.part import Columns, Part, UnfitError
from sightline.evaluation.audit.section import Section
from sightline.evaluation.audit.store import Folder
from sightline.evaluation.audit.subject import Subject
from sightline.runs import write_json
from sightline.shards import Shard, shard_of
from sightline.showing import table_html, told_html

_log = logging.getLogger(__name__)
_MOST_CASES, _MOST_PIXELS = 32, 1 << 22  # at a time
Elsewhere = Callable[[Mapping[int, tuple[Case, ...]]], None]
"""Has chunks measured by others, given the cases of each by its number, such as by `measure_chunks` in processes."""


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        subject: name of the model.
        sections: of the parts, in their order.
    """

    subject: str
    sections: tuple[Section, ...]

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, as `audit.json` holds them."""
        return {"subject": self.subject, "sections": [section.as_dict() for section in self.sections]}

    def _repr_html_(self) -> str:
        """Show question, verdict and answer of each part in a notebook."""
        rows = [[section.name, section.question, section.verdict, section.answer] for section in self.sections]
        return told_html([f"audit of {self.subject}"]) + table_html(["part", "question", "verdict", "answer"], rows)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Audit":
        """Read back what `as_dict` gave."""
        return cls(fields["subject"], tuple(map(Section.from_dict, fields["sections"])))


def audit(
    subject: Subject,
    material: Material,
    parts: Sequence[Part],
    folder: Folder,
    *,
    chunk: int | None = None,
    again: bool = False,
    progress: Callable[[int, int | None], None] | None = None,
    elsewhere: Elsewhere | None = None,
) -> Audit:
    """Ask a model every question, on every case.

    What is measured is kept chunk by chunk; the same call after a kill goes on from there, to the same result.

    Args:
        subject: the model; it comes back as it was.
        material: the cases.
        parts: the questions.
        folder: where `audit.json` and everything else goes.
        chunk: cases at a time; by default 32, fewer where images are larger than 362 × 362 or are volumes.
        again: replace an audit with other settings.
        progress: called after each chunk with how many are done, and how many there are.
        elsewhere: measures the chunks that are not there yet; what it leaves is measured here.

    Returns:
        The sections; a part that cannot be run says why, with the verdict `unknown`.

    Raises:
        RunError: the folder holds something else.
        SightlineError: an image cannot be used.
    """
    chunk, unfit, fit = _begin(subject, material, parts, folder, chunk, again=again)
    groups = _groups(material, chunk)
    if elsewhere is not None:
        elsewhere(_left(subject, material, fit, folder, groups))
    with evaluation_mode(*([subject.model] if subject.model is not None else [])):
        columns = _columns(_measure(subject, material, fit, folder, groups, unfit, progress), subject, material, fit)
        sections = []
        for part in parts:
            if unfit[part.name]:
                section = Section(part.name, part.question, "unknown", f"Not tested: {unfit[part.name]}.")
            else:
                section = folder.read_section(part.name) or part.conclude(subject, material, columns[part.name], folder)
                folder.write_section(section)
            sections.append(section)
    found = Audit(subject.name, tuple(sections))
    write_json(folder.path / "audit.json", found.as_dict())
    return found


def measure(
    subject: Subject,
    material: Material,
    parts: Sequence[Part],
    folder: Folder,
    shard: Shard,
    *,
    chunk: int | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    elsewhere: Elsewhere | None = None,
) -> None:
    """Measure a share of the chunks, and conclude nothing: for several processes that see one folder.

    Each is given the same but for its share; `audit`, given the same, then finds what they measured.

    Args:
        subject: as in `audit`.
        material: as in `audit`.
        parts: as in `audit`.
        folder: as in `audit`.
        shard: which chunks, every N-th from the I-th on.
        chunk: as in `audit`.
        progress: as in `audit`.
        elsewhere: as in `audit`.

    Raises:
        RunError: the folder holds something else.
        SettingsError: there is no such share.
        SightlineError: an image cannot be used.
    """
    shard_of((), shard)
    chunk, unfit, fit = _begin(subject, material, parts, folder, chunk, again=False)
    groups = dict(shard_of(list(_groups(material, chunk).items()), shard))
    if elsewhere is not None:
        elsewhere(_left(subject, material, fit, folder, groups))
    with evaluation_mode(*([subject.model] if subject.model is not None else [])):
        _measure(subject, material, fit, folder, groups, unfit, progress)


def measure_chunks(
    subject: Subject,
    material: Material,
    parts: Sequence[Part],
    folder: Folder,
    numbers: Sequence[int],
    *,
    chunk: int | None = None,
) -> None:
    """Measure some chunks of an audit that another process has begun, and conclude nothing.

    Args:
        subject: as in `audit`.
        material: as in `audit`.
        parts: as in `audit`.
        folder: where the audit was begun.
        numbers: of the chunks.
        chunk: as in `audit`.

    Raises:
        RunError: this process does not see what the other one does.
        SightlineError: an image cannot be used.
    """
    chunk = chunk or _chunk_of(subject)
    folder.check(_asked(subject, material, parts, chunk))
    unfit = {part.name: part.unfit(subject, material) for part in parts}
    fit, groups = [part for part in parts if not unfit[part.name]], _groups(material, chunk)
    with evaluation_mode(*([subject.model] if subject.model is not None else [])):
        _measure(subject, material, fit, folder, {number: groups[number] for number in numbers}, unfit, None)


def _begin(
    subject: Subject, material: Material, parts: Sequence[Part], folder: Folder, chunk: int | None, *, again: bool
) -> tuple[int, dict[str, str], list[Part]]:
    """Open the folder; cases at a time, why parts cannot be run, and those that can."""
    if len({part.name for part in parts}) < len(parts):
        raise SettingsError("parts of an audit need different names")
    chunk = chunk or _chunk_of(subject)
    folder.begin(_asked(subject, material, parts, chunk), again=again)
    unfit = {part.name: part.unfit(subject, material) for part in parts}
    return chunk, unfit, [part for part in parts if not unfit[part.name]]


def _chunk_of(subject: Subject) -> int:
    return max(1, min(_MOST_CASES, _MOST_PIXELS // subject.pixels))


def _asked(subject: Subject, material: Material, parts: Sequence[Part], chunk: int) -> dict[str, Any]:
    return {
        "model": subject.fingerprint,
        "cases": [case.id for case in material.cases],
        "seed": material.seed,
        "images": material.made,
        "resampling": asdict(material.resampling),
        "chunk": chunk,
        "parts": {part.name: repr(part) for part in parts},
    }


def _groups(material: Material, chunk: int) -> dict[int, tuple[Case, ...]]:
    """Cut the cases into chunks: those of each by its number."""
    cases = material.cases
    return {number: cases[start : start + chunk] for number, start in enumerate(range(0, len(cases), chunk))}


def _left(
    subject: Subject,
    material: Material,
    parts: Sequence[Part],
    folder: Folder,
    groups: Mapping[int, tuple[Case, ...]],
) -> dict[int, tuple[Case, ...]]:
    """Chunks of which something is not measured yet."""
    chosen = _chosen(subject, material, parts)
    return {number: group for number, group in groups.items() if _kept(parts, chosen, folder, number, group)[1]}


def _chosen(subject: Subject, material: Material, parts: Sequence[Part]) -> dict[str, set[str]]:
    return {part.name: {case.id for case in part.chosen(subject, material)} for part in parts}


def _kept(
    parts: Sequence[Part], chosen: Mapping[str, set[str]], folder: Folder, number: int, group: tuple[Case, ...]
) -> tuple[dict[str, dict[str, Any]], list[tuple[Part, tuple[Case, ...]]]]:
    """What was measured of a chunk by the part, and the other parts with their cases in it."""
    there, missing = {}, []
    for part in parts:
        cases = tuple(case for case in group if case.id in chosen[part.name])
        if not cases:
            continue
        kept = folder.read_chunk(part.name, number)
        if kept is None:
            missing.append((part, cases))
        else:
            there[part.name] = kept
    return there, missing


def _measure(
    subject: Subject,
    material: Material,
    parts: Sequence[Part],
    folder: Folder,
    groups: Mapping[int, tuple[Case, ...]],
    unfit: dict[str, str],
    progress: Callable[[int, int | None], None] | None,
) -> dict[str, list[dict[str, Any]]]:
    """Measure what is not there yet; a part that the model turns out not to suit is added to `unfit`.

    Returns:
        What was measured of each chunk, by the part.
    """
    chosen = _chosen(subject, material, parts)
    pieces: dict[str, list[dict[str, Any]]] = {part.name: [] for part in parts}
    for done, (number, group) in enumerate(groups.items(), start=1):
        there, missing = _kept([part for part in parts if not unfit[part.name]], chosen, folder, number, group)
        look = Look(subject, group, material.load(group)) if missing else None
        for part, cases in missing:
            assert look is not None
            try:
                values = dict(part.measure(subject, material, look.rows(cases)))
            except UnfitError as error:
                unfit[part.name] = str(error)
                _log.warning("%s is left out: %s", part.name, error)
                continue
            folder.write_chunk(part.name, number, values)
            there[part.name] = values
        for name, values in there.items():
            pieces[name].append(values)
        if progress is not None:
            progress(done, len(groups))
    return {name: found for name, found in pieces.items() if not unfit[name]}


def _columns(
    pieces: Mapping[str, list[dict[str, Any]]], subject: Subject, material: Material, parts: Sequence[Part]
) -> dict[str, Columns]:
    """Join what was measured chunk by chunk."""
    chosen = {part.name: tuple(part.chosen(subject, material)) for part in parts}
    return {
        name: Columns(chosen[name], {of: np.concatenate([piece[of] for piece in found]) for of in found[0]})
        for name, found in pieces.items()
        if found
    }
