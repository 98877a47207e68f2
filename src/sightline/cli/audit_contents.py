"""What the page of an audit shows: its figures, its worst cases with their maps, and what was audited."""

import logging
import platform
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from sightline.attribution.explainer import evaluation_mode
from sightline.data import Case
from sightline.errors import DataError, DataNotFoundError, SightlineError
from sightline.evaluation.audit import Audit, Look, Material, Section, Subject
from sightline.evaluation.audit.maps.methods import USUAL
from sightline.evaluation.audit.maps.strategy_files import read_strategies
from sightline.metrics.localisation import relevance_share_inside
from sightline.reporting import GalleryMap, GalleryRow
from sightline.reporting.audit_figures import cam_figure, read_cam_points, shares_inside_figure
from sightline.reporting.audit_page import AuditContent, Sheet
from sightline.reporting.page import Chart, make_chart
from sightline.reporting.planes import best_slice
from sightline.reporting.strategy_sheet import strategy_figure

_log = logging.getLogger(__name__)
_GALLERY = ("looking", "agreement", "performance")  # parts whose worst cases are shown
_EACH = 4
_CHUNK = 8


def audit_content(
    found: Audit, subject: Subject, material: Material, folder: Path, *, facts: Mapping[str, str], command: str
) -> AuditContent:
    """Gather everything that the page of an audit shows.

    Args:
        found: what the audit found.
        subject: the model.
        material: the cases.
        folder: of the audit.
        facts: more to say about what was audited.
        command: what makes the audit again.
    """
    cases = material.cases
    known = {
        "Model": subject.name,
        "Weights": f"checksum {subject.fingerprint[:12]}",
        "Cases": f"{len(cases)} of {len({case.patient for case in cases})} patients",
        "Sources": ", ".join(dict.fromkeys(case.source for case in cases if case.source)) or "unknown",
        "Classes": ", ".join(subject.classes),
        "Seed": str(material.seed),
    }
    return AuditContent(
        found,
        f"{subject.name} on {len(cases)} cases",
        charts=_charts(found, folder),
        sheets=_sheets(folder),
        gallery=_gallery(found, subject, material),
        facts={**known, **facts},
        commands=(command,),
        environment={"Python": platform.python_version(), "PyTorch": torch.__version__, "Device": str(subject.device)},
    )


def _charts(found: Audit, folder: Path) -> dict[str, tuple[Chart, ...]]:
    draw: dict[str, Callable[[Section], Chart]] = {
        "looking": _inside_chart,
        "agreement": partial(_cam_chart, folder=folder),
    }
    charts: dict[str, tuple[Chart, ...]] = {}
    for section in found.sections:
        if section.name in draw and section.numbers:
            try:
                charts[section.name] = (draw[section.name](section),)
            except (DataError, DataNotFoundError) as error:
                _log.info("no figure of %s: %s", section.name, error)
    return charts


def _inside_chart(section: Section) -> Chart:
    return make_chart(
        "inside", section.answer, lambda theme, width: shares_inside_figure(section, theme=theme, width=width)
    )


def _cam_chart(section: Section, folder: Path) -> Chart:
    points = read_cam_points(folder)
    alt = f"{section.answer} Each case is a dot."
    return make_chart("cam", alt, lambda theme, width: cam_figure(points, theme=theme, width=min(width, 560)))


def _sheets(folder: Path) -> dict[str, tuple[Sheet, ...]]:
    try:
        strategies, maps = read_strategies(folder)
    except DataNotFoundError:
        return {}
    return {
        "strategies": tuple(
            Sheet(f"Typical cases of {each.name}", strategy_figure(each, maps)) for each in strategies if each.typical
        )
    }


def _gallery(found: Audit, subject: Subject, material: Material) -> tuple[GalleryRow, ...]:
    """The worst cases of some parts, with their maps; nothing for a model that only answers."""
    if subject.model is None:
        return ()
    by_name = {case.id: case for case in material.cases}
    wanted = [
        shown.case
        for section in found.sections
        if section.name in _GALLERY
        for shown in section.cases[:_EACH]
        if shown.case in by_name
    ]
    cases = [by_name[name] for name in dict.fromkeys(wanted)]
    rows: list[GalleryRow] = []
    with evaluation_mode(subject.model):
        for start in range(0, len(cases), _CHUNK):
            some = tuple(cases[start : start + _CHUNK])
            try:
                rows += _rows(Look(subject, some, material.load(some)))
            except SightlineError as error:
                _log.warning("the page shows no maps: %s", error)
                return ()
    return tuple(rows)


def _rows(look: Look) -> list[GalleryRow]:
    maps = {method.name: method.maps(look) for method in USUAL}
    shares = {name: relevance_share_inside(drawn[:, None], look.regions[:, None]) for name, drawn in maps.items()}
    rows = []
    for index, case in enumerate(look.cases):
        image, region = look.images[index].numpy(), look.regions[index].numpy()
        slice_of, note = None, ""
        if region.ndim == 3:
            slice_of, note = best_slice(maps[USUAL[0].name][index].numpy(), region)
        seen = tuple(
            GalleryMap(
                look.subject.name,
                drawn[index].numpy() if slice_of is None else drawn[index].numpy()[slice_of],
                _answer(look, index),
                float(shares[name][index]),
                float(look.probabilities[index, look.explained[index]]),
                look.subject.classes[look.explained[index]],
                name,
                right=_right(look, index, case),
                truth_known=_right(look, index, case) is not None,
                note=note,
            )
            for name, drawn in maps.items()
            if bool(drawn[index].isfinite().all())
        )
        if seen:
            flat = (image, region) if slice_of is None else (image[:, slice_of], region[slice_of])
            rows.append(
                GalleryRow(
                    case.id,
                    flat[0],
                    _label(case, look.subject.classes),
                    seen,
                    flat[1],
                    as_it_comes=False,
                    note=note.partition(",")[0],
                    labels=_labels(case, look.subject.classes),
                )
            )
    return rows


def _answer(look: Look, index: int) -> str:
    classes, decided = look.subject.classes, look.decisions[index]
    if np.ndim(decided):
        return ", ".join(name for name, yes in zip(classes, decided, strict=True) if yes) or "none"
    return classes[int(decided)]


def _right(look: Look, index: int, case: Case) -> bool | None:
    decided = look.decisions[index]
    if isinstance(case.label, int):
        return None if case.label < 0 else bool(case.label == int(decided))
    known = [(float(value), int(yes)) for value, yes in zip(case.label, decided, strict=True) if value in (0, 1)]
    return all(value == yes for value, yes in known) if known else None


def _label(case: Case, classes: Sequence[str]) -> str:
    without = "not known" if isinstance(case.label, int) or any(value != 0 for value in case.label) else "none"
    return ", ".join(_labels(case, classes)) or without


def _labels(case: Case, classes: Sequence[str]) -> tuple[str, ...]:
    if isinstance(case.label, int):
        return (classes[case.label],) if case.label >= 0 else ()
    return tuple(name for name, value in zip(classes, case.label, strict=True) if value == 1)
