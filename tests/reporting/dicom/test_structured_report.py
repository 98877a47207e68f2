from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from sightline.reporting.dicom import NOTICE, Maker, Result, Source, make_objects

from .conftest import PROBABILITIES


@pytest.fixture(scope="module")
def objects(film_result: Result, film: Source, maker: Maker) -> dict[str, pydicom.Dataset]:
    return make_objects(film_result, film, maker)


@pytest.fixture
def report(objects: dict[str, pydicom.Dataset], written: Path) -> pydicom.Dataset:
    objects["report"].save_as(written, enforce_file_format=True)
    return pydicom.dcmread(written)


def items(node: pydicom.Dataset) -> Iterator[pydicom.Dataset]:
    """All content items, parents first."""
    yield node
    for child in node.get("ContentSequence") or []:
        yield from items(child)


def code(item: pydicom.Dataset, keyword: str = "ConceptNameCodeSequence") -> tuple[str, str]:
    sequence = item.get(keyword)
    return (str(sequence[0].CodeValue), str(sequence[0].CodingSchemeDesignator)) if sequence else ("", "")


def groups(report: pydicom.Dataset) -> dict[str, dict[tuple[str, str], float]]:
    """Measurements of each group by their code, by the name that the group is tracked under."""
    found = {}
    for item in items(report):
        if code(item) == ("125007", "DCM"):
            name = next(str(each.TextValue) for each in items(item) if code(each) == ("112039", "DCM"))
            found[name] = {
                code(each): float(each.MeasuredValueSequence[0].NumericValue)
                for each in items(item)
                if each.get("ValueType") == "NUM"
            }
    return found


def test_each_class_has_its_probability_and_the_explained_one_its_share(report: pydicom.Dataset) -> None:
    found = groups(report)
    assert found.keys() == PROBABILITIES.keys()
    for name, probability in PROBABILITIES.items():
        assert found[name]["122157", "DCM"] == pytest.approx(probability)
        assert (("RELEVANCE_INSIDE", "99SIGHTLINE") in found[name]) == (name == "pneumonia")
    assert found["pneumonia"]["RELEVANCE_INSIDE", "99SIGHTLINE"] == pytest.approx(0.4)


def test_classes_are_coded(report: pydicom.Dataset) -> None:
    findings = [code(each, "ConceptCodeSequence") for each in items(report) if code(each) == ("121071", "DCM")]
    assert findings[:2] == [("17621005", "SCT"), ("233604007", "SCT")]
    assert findings[2][1] == "99SIGHTLINE"
    assert [each.CodingSchemeDesignator for each in report.CodingSchemeIdentificationSequence] == ["99SIGHTLINE"]


def test_it_says_by_what_it_was_made_and_not_to_rely_on_it(report: pydicom.Dataset, maker: Maker) -> None:
    texts = [str(each.TextValue) for each in items(report) if each.get("ValueType") == "TEXT"]
    assert NOTICE in texts
    assert "isnet (resnet18)" in texts
    assert maker.software in texts
    assert f"weights sha256: {maker.weights_sha256}" in texts
    assert 'options: {"epsilon": 0.01}' in texts
    assert (report.VerificationFlag, report.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")


def test_references_resolve(report: pydicom.Dataset, objects: dict[str, pydicom.Dataset], film: Source) -> None:
    known = {str(made.SOPInstanceUID): str(made.SOPClassUID) for made in (film.first, *objects.values())}
    series = {str(made.SOPInstanceUID): str(made.SeriesInstanceUID) for made in (film.first, *objects.values())}
    named = {
        str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for item in items(report)
        if item.get("ValueType") == "IMAGE"
    }
    others = {str(objects[kind].SOPInstanceUID) for kind in ("map", "overlay", "region")}
    assert named == {str(film.first.SOPInstanceUID), *others}
    evidence = {}
    for study in report.CurrentRequestedProcedureEvidenceSequence:
        assert study.StudyInstanceUID == film.first.StudyInstanceUID
        for one in study.ReferencedSeriesSequence:
            for image in one.ReferencedSOPSequence:
                uid = str(image.ReferencedSOPInstanceUID)
                evidence[uid] = str(image.ReferencedSOPClassUID)
                assert series[uid] == one.SeriesInstanceUID
    assert evidence.keys() == named
    assert all(known[uid] == sop_class for uid, sop_class in evidence.items())


def test_highdicom_reads_it_as_template_1500(report: pydicom.Dataset) -> None:
    from highdicom.sr import ComprehensiveSR, MeasurementReport

    content = ComprehensiveSR.from_dataset(report).content
    assert isinstance(content, MeasurementReport)
    assert len(content.get_image_measurement_groups()) == len(PROBABILITIES)
    assert str(report.ContentTemplateSequence[0].TemplateIdentifier) == "1500"


def test_without_a_region_nothing_is_said_about_one(series_result: Result, series: Source, maker: Maker) -> None:
    report = make_objects(series_result, series, maker)["report"]
    assert all(("RELEVANCE_INSIDE", "99SIGHTLINE") not in each for each in groups(report).values())
    procedure = [code(each, "ConceptCodeSequence") for each in items(report) if code(each) == ("121058", "DCM")]
    assert procedure == [("77477000", "SCT")]
