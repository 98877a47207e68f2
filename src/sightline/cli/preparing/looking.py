"""Looking at every file of a cohort before it is written, and writing what was left out and why."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sightline.cli.talk import Advance
from sightline.data import Case, Cohort
from sightline.data.adapters import LeftOut
from sightline.data.check import Problem, raise_on_problems, readable_cases
from sightline.data.readers.checksums import with_checksums
from sightline.runs import write_text

LEFT_OUT_NAME = "left_out.csv"
_PART = 256  # cases between two notes of what is done


def look_at_files(cohort: Cohort, out: Path, *, strict: bool, advance: Advance) -> tuple[Cohort, list[Problem]]:
    """Read every file of a cohort; the cases that cannot be used are left out, the others get their checksum.

    What has been looked at is noted in `out`, so that the same command goes on where it was stopped.

    Args:
        cohort: the images.
        out: folder for the notes, which are deleted at the end.
        strict: leave nothing out.
        advance: shown how many are done.

    Returns:
        The cohort without them, and what is wrong with each, in the order of the cases.

    Raises:
        DataError: there are any, and `strict`.
        MissingExtraError: a codec is not installed.
    """
    notes = out / ".looked_at.jsonl"
    done = _read_notes(notes)
    cases = [case for case in cohort.cases if _key(case) not in done]
    advance(len(cohort.cases) - len(cases), len(cohort.cases))
    for start in range(0, len(cases), _PART):
        part = replace(cohort, cases=tuple(cases[start : start + _PART]))
        usable, problems = readable_cases(part)
        checksums = {case.id: case.sha256 for case in with_checksums(usable).cases}
        wrong: dict[str, list[str]] = {}
        for problem in problems:
            wrong.setdefault(problem.case, []).append(problem.what)
        _write_notes(notes, [[_key(case), checksums.get(case.id, ""), wrong.get(case.id, [])] for case in part.cases])
        advance(len(cohort.cases) - len(cases) + start + len(part.cases), len(cohort.cases))
    done = _read_notes(notes)
    problems = [Problem(case.id, what) for case in cohort.cases for what in done[_key(case)][1]]
    notes.unlink(missing_ok=True)  # also where the run ends now: files may be mended before the next
    if strict:
        raise_on_problems(problems)
    left_out = {problem.case for problem in problems}
    kept = [replace(case, sha256=done[_key(case)][0]) for case in cohort.cases if case.id not in left_out]
    return replace(cohort, cases=tuple(kept)), problems


def write_left_out(out: Path, left_out: Iterable[LeftOut], problems: Iterable[Problem]) -> Path:
    """Write `left_out.csv`: images that failed a rule of selection, and those whose files cannot be used."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "reason"))
    writer.writerows((each.id, each.reason) for each in left_out)
    writer.writerows((each.case, each.what) for each in problems)
    write_text(out / LEFT_OUT_NAME, text.getvalue())
    return out / LEFT_OUT_NAME


def _key(case: Case) -> str:
    """Name the files of a case: with other files it is another case."""
    files = [case.image, case.mask, *case.class_masks.values(), *case.variants.values()]
    return json.dumps([case.id, *(str(file) for file in files if file)])


def _read_notes(notes: Path) -> dict[str, tuple[str, list[str]]]:
    """Read what has been looked at: checksum and problems; a half-written last line is cut off."""
    text = notes.read_text(encoding="utf-8") if notes.is_file() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_text(notes, whole)
    rows = [json.loads(line) for line in whole.splitlines()]
    return {key: (checksum, problems) for key, checksum, problems in rows}


def _write_notes(notes: Path, rows: Iterable[list[object]]) -> None:
    notes.parent.mkdir(parents=True, exist_ok=True)
    with notes.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
