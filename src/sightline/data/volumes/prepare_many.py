"""Many volumes, whole folders of them: found, prepared side by side, listed.

`volumes.csv` lists the volumes there are, `broken.csv` what could not be used and why. Both are written at the end;
what is there of a run that was stopped is taken over by the next one.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sightline.data.volumes.discovering import Place, Source, needs_headers, sources_at
from sightline.data.volumes.prepare import VOLUMES, Job, Outcome, prepare_volume
from sightline.data.volumes.store import STORE_SUFFIX
from sightline.machines import ATTEMPTS, Machines
from sightline.stores import put_text

VOLUMES_TABLE, BROKEN_TABLE = "volumes.csv", "broken.csv"
_FEW = 32  # places that are not worth starting processes for
Progress = Callable[[int, int], None]


def find_sources(places: Sequence[Place], machines: Machines, progress: Progress | None = None) -> list[Source]:
    """Return the volumes at places, in their order, from the headers of their files."""
    folders = [place for place in places if needs_headers(place)]
    own = machines if len(folders) > _FEW else Machines(1)
    found = dict(own.do(sources_at, folders, progress))
    return [each for place in places for each in found.get(place) or [Source(place.id, place.name, place.path)]]


def prepare_volumes(jobs: Sequence[Job], machines: Machines, progress: Progress | None = None) -> list[Outcome]:
    """Prepare volumes, in the order of the jobs.

    Raises:
        MissingExtraError: something is not installed.
        RunError: the folder cannot be written to.
        KeyboardInterrupt: Ctrl-C; the same call goes on.
    """
    outcomes = {job.store: outcome or _lost(job) for job, outcome in machines.do(prepare_volume, jobs, progress)}
    return [outcomes[job.store] for job in jobs]


def _lost(job: Job) -> Outcome:
    reason = f"{job.source.name}: ended the process that prepared it {ATTEMPTS} times; try fewer at a time"
    return Outcome(job.source.id, job.source.name, reason)


def write_tables(outcomes: Sequence[Outcome], out: Path, *, suffix: str = "") -> tuple[Path, Path]:
    """Write `volumes.csv` and `broken.csv`, with a suffix to their names; return their paths."""
    rows = [_row(outcome) for outcome in outcomes if not outcome.reason]
    head = ("id", "file", "source", "shape", "spacing_mm", "source_shape", "source_spacing_mm", "organs")
    volumes, broken = (out / f"{Path(name).stem}{suffix}.csv" for name in (VOLUMES_TABLE, BROKEN_TABLE))
    put_text(volumes, _csv(head, ([row[name] for name in head] for row in rows)))
    put_text(broken, _csv(("source", "reason"), ([o.source, o.reason] for o in outcomes if o.reason)))
    return volumes, broken


def _row(outcome: Outcome) -> dict[str, str]:
    about = outcome.about
    return {
        "id": outcome.id,
        "file": f"{VOLUMES}/{outcome.id}{STORE_SUFFIX}",
        "source": outcome.source,
        "shape": _sizes(about.get("shape", ())),
        "spacing_mm": _sizes(about.get("spacing_mm", ())),
        "source_shape": _sizes(about.get("source_shape", ())),
        "source_spacing_mm": _sizes(about.get("source_spacing_mm", ())),
        "organs": organs_words(about),
    }


def organs_words(about: Mapping[str, Any]) -> str:
    """Say how the organs of a volume are: `ok`, or what is wrong; nothing if they were not asked for."""
    quality = about.get("organs_quality")
    if quality is None:
        return ""
    return "ok" if quality["passed"] else "; ".join(quality["reasons"]) or "failed"


def _sizes(numbers: Iterable[float]) -> str:
    return " x ".join(f"{number:g}" for number in numbers)


def _csv(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()
