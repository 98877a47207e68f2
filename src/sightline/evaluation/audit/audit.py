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

    Returns:
        The sections; a part that cannot be run says why, with the verdict `unknown`.

    Raises:
        RunError: the folder holds something else.
        SightlineError: an image cannot be used.
    """
    chunk, unfit, fit = _begin(subject, material, parts, folder, chunk, again=again)
    with evaluation_mode(*([subject.model] if subject.model is not None else [])):
        columns = _measure(subject, material, fit, folder, chunk, unfit, progress)
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

    Raises:
        RunError: the folder holds something else.
        SettingsError: there is no such share.
        SightlineError: an image cannot be used.
    """
    shard_of((), shard)
    chunk, unfit, fit = _begin(subject, material, parts, folder, chunk, again=False)
    with evaluation_mode(*([subject.model] if subject.model is not None else [])):
        _measure(subject, material, fit, folder, chunk, unfit, progress, shard)


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


def _measure(
    subject: Subject,
    material: Material,
    parts: Sequence[Part],
    folder: Folder,
    chunk: int,
    unfit: dict[str, str],
    progress: Callable[[int, int | None], None] | None,
    shard: Shard = (1, 1),
) -> dict[str, Columns]:
    """Measure what is not there yet; a part that the model turns out not to suit is added to `unfit`."""
    chosen = {part.name: tuple(part.chosen(subject, material)) for part in parts}
    wanted = {part.name: {case.id for case in chosen[part.name]} for part in parts}
    groups = [material.cases[start : start + chunk] for start in range(0, len(material.cases), chunk)]
    pieces: dict[str, list[dict[str, Any]]] = {part.name: [] for part in parts}
    own = shard_of(list(enumerate(groups)), shard)
    for done, (number, group) in enumerate(own, start=1):
        missing: list[tuple[Part, tuple[Case, ...]]] = []
        for part in parts:
            cases = tuple(case for case in group if case.id in wanted[part.name])
            if not cases or unfit[part.name]:
                continue
            kept = folder.read_chunk(part.name, number)
            if kept is None:
                missing.append((part, cases))
            else:
                pieces[part.name].append(kept)
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
            pieces[part.name].append(values)
        if progress is not None:
            progress(done, len(own))
    if shard != (1, 1):
        return {}
    return {
        name: Columns(chosen[name], {of: np.concatenate([piece[of] for piece in found]) for of in found[0]})
        for name, found in pieces.items()
        if found and not unfit[name]
    }
