"""The chunks of an audit, measured over many processes."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from sightline.cli.auditing import Work
from sightline.cli.talk import Advance
from sightline.cli.working import lost_work
from sightline.data import Case
from sightline.evaluation.audit import Folder, Material, Part, Subject, measure_chunks
from sightline.machines import Kept, Machines, absolute

_OPENED: Kept[tuple[Subject, Material]] = Kept()  # in this process


@dataclass(frozen=True)
class Unit:
    """A chunk of an audit, and all that a process needs to measure it.

    Attributes:
        command: drawn anew by each command, so that nothing is kept beyond it.
        work: what is audited on what.
        parts: of the audit.
        number: of the chunk.
    """

    command: str
    work: Work
    parts: tuple[Part, ...]
    number: int


def measure_unit(unit: Unit) -> bool:
    """Measure a chunk; model and images are opened with the first one of a command that a process gets."""
    with _OPENED.of(unit.command, unit.work.open) as (subject, material):
        measure_chunks(subject, material, unit.parts, Folder(unit.work.folder), [unit.number])
    return True


def measure_over(
    machines: Machines, work: Work, parts: Sequence[Part], chunks: Mapping[int, tuple[Case, ...]], advance: Advance
) -> None:
    """Measure chunks of an audit that this process has begun.

    Args:
        machines: where.
        work: what is audited on what.
        parts: of the audit.
        chunks: cases by the number of the chunk.
        advance: shown how many are done.

    Raises:
        LostWorkError: a chunk ended every process that took it up; the others are measured.
        SightlineError: an image cannot be used, or a process sees other files.
    """
    command, elsewhere = uuid4().hex, _elsewhere(work)
    units = [Unit(command, elsewhere, tuple(parts), number) for number in chunks]
    done = {unit.number for unit, result in machines.do(measure_unit, units, advance) if result}
    if lost := [[case.id for case in cases] for number, cases in chunks.items() if number not in done]:
        raise lost_work(lost, work.folder)


def _elsewhere(work: Work) -> Work:
    """The same for a process in another folder."""
    words: Namespace = absolute(work.arguments)
    if Path(words.model).exists():
        words = Namespace(**{**vars(words), "model": str(Path(words.model).absolute())})
    return replace(absolute(work), arguments=words)
