import re
from collections.abc import Callable

import numpy as np
import pytest

from sightline.data.phantoms.anatomy import RIGHT
from sightline.data.phantoms.radiographs import FINDINGS, Finding, Radiograph, write_report

Take = Callable[..., Radiograph]
WORDS: dict[Finding, str] = {
    "consolidation": r"consolidation",
    "effusion": r"effusions?",
    "nodule": r"nodul\w+|mass",
    "pneumothorax": r"pneumothora\w+",
    "cardiomegaly": r"cardiomegaly|cardiac silhouette|heart",
}
NEGATED = re.compile(r"\b(no|free of|not|without|normal)\b(?! lung markings)", re.IGNORECASE)
DOUBT = re.compile(r"cannot be excluded")


def told(text: str) -> set[Finding]:
    """The findings that a text affirms, as a simple labeller would find them, negations taken into account."""
    there: set[Finding] = set()
    for sentence in re.split(r"(?<=[.;:])\s|\n", text):
        lower = sentence.replace("with no lung markings", "").lower()
        if NEGATED.search(lower) and not DOUBT.search(lower):
            continue
        there |= {finding for finding, words in WORDS.items() if re.search(rf"\b({words})\b", lower)}
    return there


def reports(take: Take, findings: dict[Finding, float], count: int = 12) -> list[tuple[Radiograph, str]]:
    films = [take(index, findings, 64) for index in range(4)]
    return [(films[seed % 4], write_report(films[seed % 4], np.random.default_rng(seed))) for seed in range(count)]


def section(text: str, name: str) -> str:
    found = re.search(rf"{name}:(.*?)(?:\n\n|\Z)", text, re.DOTALL)
    assert found
    return found.group(1)


@pytest.mark.parametrize("severity", [0.1, 0.6])
@pytest.mark.parametrize(
    "there", [(), ("consolidation",), ("nodule", "cardiomegaly"), ("pneumothorax", "effusion"), FINDINGS]
)
def test_findings_and_impression_name_what_is_there_and_nothing_else(
    take: Take, there: tuple[Finding, ...], severity: float
) -> None:
    for _, text in reports(take, dict.fromkeys(there, severity)):
        assert told(section(text, "FINDINGS")) == set(there)
        assert told(section(text, "IMPRESSION")) == set(there)


@pytest.mark.parametrize("absent", FINDINGS)
def test_what_is_not_there_is_negated(take: Take, absent: Finding) -> None:
    for _, text in reports(take, {finding: 0.5 for finding in FINDINGS if finding != absent}):
        sentences = re.split(r"(?<=\.)\s", section(text, "FINDINGS"))
        about = [one for one in sentences if re.search(rf"\b({WORDS[absent]})\b", one.lower())]
        assert any(NEGATED.search(one) for one in about)


@pytest.mark.parametrize("finding", ["effusion", "pneumothorax", "nodule", "consolidation"])
def test_the_side_is_named(take: Take, finding: Finding) -> None:
    for film, text in reports(take, {finding: 0.6}):
        sides = {"right" if place.side == RIGHT else "left" for place in film.lesions[finding].places}
        impression = section(text, "IMPRESSION").lower()
        named = {side for side in ("right", "left") if re.search(rf"\b{side}\b", impression)}
        if "bilateral" in impression:
            named |= {"right", "left"}
        assert named == sides


def test_sizes_and_ratio_are_those_of_the_film(take: Take) -> None:
    for film, text in reports(take, {"nodule": 0.5, "cardiomegaly": 0.6}):
        largest = max(place.size_mm for place in film.lesions["nodule"].places)
        sizes = [float(a) * (10 if unit == "cm" else 1) for a, unit in re.findall(r"([\d.]+) (mm|cm)", text)]
        assert sizes
        assert all(abs(size - largest) <= 0.51 for size in sizes)
        ratios = re.findall(r"(?:CTR |ratio of )(\d\.\d+)", text)
        assert all(abs(float(ratio) - film.ratio) < 0.0051 for ratio in ratios)


def test_slight_findings_are_hedged_and_severe_ones_are_not(take: Take) -> None:
    hedge = re.compile(r"possib|probabl|may |suspicious for|suspected|questionable|cannot be excluded", re.IGNORECASE)
    slight = [bool(hedge.search(text)) for _, text in reports(take, {"effusion": 0.05}, 24)]
    severe = [bool(hedge.search(text)) for _, text in reports(take, {"effusion": 0.9}, 24)]
    assert np.mean(slight) > 0.6
    assert not any(severe)


def test_the_view_is_named_and_the_words_vary(take: Take) -> None:
    written = reports(take, {"consolidation": 0.5}, 24)
    assert all(film.patient.view in section(text, "EXAMINATION") for film, text in written)
    assert len({section(text, "FINDINGS") for _, text in written}) > 15
