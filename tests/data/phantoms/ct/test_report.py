import re
from collections.abc import Callable

import numpy as np
import pytest

from sightline.data.phantoms.anatomy import RIGHT
from sightline.data.phantoms.ct import CT_FINDINGS, CTFinding, CTPhantom, write_report

Scan = Callable[..., CTPhantom]
WORDS: dict[CTFinding, str] = {
    "consolidation": r"consolidati(?:on|ve)",
    "ground_glass": r"ground[- ]glass",
    "effusion": r"pleural effusions?|pleural or|pleural spaces are dry",
    "nodule": r"nodules?|mass(?:es)?",
    "coronary_calcification": r"coronary arter(?:y|ies)",
    "hiatal_hernia": r"hiat(?:al|us) hernia",
}
DENIED = re.compile(r"\b(no|free of|resolved|clear|dry|normal)\b", re.IGNORECASE)
MIXED = dict(zip(CT_FINDINGS, (0.5, 0.1, 0.7, 0.9, 0.3, 0.6), strict=True))


def told(text: str) -> set[CTFinding]:
    """The findings that a text affirms, as a simple labeller would find them."""
    there: set[CTFinding] = set()
    for sentence in re.split(r"(?<=[.:])\s|\n", text.lower()):
        if not DENIED.search(sentence):
            there |= {finding for finding, words in WORDS.items() if re.search(rf"\b(?:{words})\b", sentence)}
    return there


def reports(scan: Scan, findings: dict[CTFinding, float], count: int = 16) -> list[tuple[CTPhantom, str]]:
    scans = [scan(index, findings, 32) for index in range(4)]
    return [(scans[seed % 4], write_report(scans[seed % 4], np.random.default_rng(seed))) for seed in range(count)]


def section(text: str, name: str) -> str:
    found = re.search(rf"{name}:(.*?)(?:\n\n|\Z)", text, re.DOTALL)
    assert found
    return found.group(1)


@pytest.mark.parametrize(
    "there", [(), ("nodule",), ("effusion", "coronary_calcification"), ("ground_glass", "hiatal_hernia"), CT_FINDINGS]
)
def test_findings_and_impression_name_what_is_there_and_nothing_else(scan: Scan, there: tuple[CTFinding, ...]) -> None:
    for _, text in reports(scan, {finding: MIXED[finding] for finding in there}):
        assert told(section(text, "FINDINGS")) == set(there)
        assert told(section(text, "IMPRESSION")) == set(there)


@pytest.mark.parametrize("absent", CT_FINDINGS)
def test_what_is_not_there_is_denied_or_passed_over(scan: Scan, absent: CTFinding) -> None:
    findings = {finding: severity for finding, severity in MIXED.items() if finding != absent}
    denied = 0
    for _, text in reports(scan, findings):
        sentences = re.split(r"(?<=\.)\s", section(text, "FINDINGS").lower())
        about = [one for one in sentences if re.search(rf"\b(?:{WORDS[absent]})\b", one)]
        assert all(DENIED.search(one) for one in about)
        denied += bool(about)
    assert 8 < denied < 16


@pytest.mark.parametrize("finding", ["consolidation", "ground_glass", "effusion", "nodule"])
def test_the_sides_and_lobes_are_named_both_times(scan: Scan, finding: CTFinding) -> None:
    for phantom, text in reports(scan, {finding: 0.7}):
        places = phantom.lesions[finding].places
        for part in ("FINDINGS", "IMPRESSION"):
            words = section(text, part).lower()
            named = {side for side in ("right", "left") if re.search(rf"\b{side}\b", words)}
            named |= {"right", "left"} if "bilateral" in words else set()
            assert named == {"right" if place.side == RIGHT else "left" for place in places}
            assert set(re.findall(r"(?:right|left) \w+ lobe", words)) == {place.lobe for place in places} - {""}


def test_sizes_are_those_of_the_scan(scan: Scan) -> None:
    for phantom, text in reports(scan, {"nodule": 0.6, "hiatal_hernia": 0.4}):
        known = [place.size_mm for lesion in phantom.lesions.values() for place in lesion.places]
        sizes = [float(a) * (10 if unit == "cm" else 1) for a, unit in re.findall(r"([\d.]+) (mm|cm)", text)]
        assert len(sizes) >= 2
        assert all(min(abs(size - one) for one in known) <= 0.51 for size in sizes)


def test_a_nodule_of_more_than_three_centimetres_is_a_mass(scan: Scan) -> None:
    for phantom, text in reports(scan, {"nodule": 1.0}):
        largest = max(place.size_mm for place in phantom.lesions["nodule"].places)
        assert ("mass" in section(text, "IMPRESSION")) == (largest > 30)


def test_contrast_medium_is_named_and_the_words_vary(scan: Scan) -> None:
    written = reports(scan, {"consolidation": 0.5}, 24)
    for phantom, text in written:
        assert ("with intravenous" in section(text, "EXAMINATION")) == (phantom.blood_hu > 80)
        assert ("None." in section(text, "COMPARISON")) <= ("new since" not in text and "resolved" not in text)
    assert len({section(text, "FINDINGS") for _, text in written}) > 20
    assert not re.search(r"[{}]|  |\.\.| ,", "".join(text for _, text in written))
