import numpy as np

from sightline.regions.reports.matrix import Matrix
from sightline.regions.reports.mentions import Mention
from sightline.regions.reports.terms import possible_places, read_vocabulary

VOCABULARY = read_vocabulary("ct")
MATRIX = Matrix(VOCABULARY)


def mention(finding: str, *places: str) -> Mention:
    return Mention(finding, 0, frozenset(places), ((0, 1),))


def filled(matrix: np.ndarray, value: float = 1) -> set[tuple[str, str]]:
    return {(MATRIX.findings[row], MATRIX.places[column]) for row, column in np.argwhere(matrix == value)}


def test_without_a_place_it_is_elsewhere_unless_it_has_one() -> None:
    assert filled(MATRIX.of([mention("mass")], [1])) == {("mass", "other_location")}
    assert filled(MATRIX.of([mention("mass"), mention("mass", "lung")], [1, 1])) == {("mass", "lung")}


def test_certain_wins_over_unknown() -> None:
    for order in ([1, np.nan], [np.nan, 1]):
        assert filled(MATRIX.of([mention("mass", "lung")] * 2, order)) == {("mass", "lung")}
    assert np.isnan(MATRIX.of([mention("mass", "lung")], [np.nan])).sum() == 1


def test_findings_are_kept_where_they_can_be() -> None:
    findings = {finding.name: finding for finding in VOCABULARY.findings}
    everywhere = frozenset({"left_lung", "heart", "aorta", "liver"})
    assert possible_places(findings["pneumonia"], everywhere) == {"left_lung", "lung"}
    assert possible_places(findings["cabg"], everywhere) == {"heart"}
    assert possible_places(findings["mass"], everywhere) == {"left_lung", "liver"}
    assert possible_places(findings["stent"], everywhere) == everywhere


def test_what_is_unknown_is_unknown_throughout() -> None:
    assert np.isnan(MATRIX.unknown()).all()
    assert MATRIX.unknown().shape == (84, 52)
