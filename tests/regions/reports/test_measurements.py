import pytest

from sightline.regions.reports import ReportLabeller
from sightline.regions.reports.measurements import nearest_size, sizes
from sightline.regions.reports.words import words_of


@pytest.mark.parametrize(
    ("text", "mm"),
    [
        ("8 mm nodule", [8]),
        ("1.2 x 0.9 x 1.1 cm", [12]),
        ("1.2 cm x 14 mm", [14]),
        ("8 to 13 mm", [13]),
        ("increased from 8 to 13 mm", [13]),
        ("decreased from 13 to 8 mm", [8]),
        ("increased from 8 mm to 13 mm", [13]),
        ("8 mm, previously 12 mm", [8]),
        ("tip 4 cm above the carina", []),
        ("1.25 mm slices", []),
        ("sub 6 mm, less than 1 cm", []),
        ("series 4 image 32", []),
        (".8 cm", [8]),
    ],
)
def test_sizes_are_those_of_now(text: str, mm: list[float]) -> None:
    assert [size.mm for size in sizes(words_of(text))] == pytest.approx(mm)


def test_a_size_is_of_the_nearest() -> None:
    words = words_of("15 mm nodule and a lymph node of 8 mm")
    found = sizes(words)
    nodule, node = words.index("nodule"), words.index("node")
    assert nearest_size(found, nodule, nodule + 1, [node]) == 15
    assert nearest_size(found, node, node + 1, [nodule]) == 8
    assert nearest_size([], 0, 1) is None


@pytest.mark.parametrize(
    ("text", "large"),
    [
        ("1.1 cm nodule.", True),
        ("1.0 cm nodule.", False),
        ("Nodule and 2 cm mass.", False),
        ("Nodules in both lungs, the largest 1.4 cm in the right lower lobe.", True),
    ],
)
def test_nodules_above_a_centimetre(text: str, *, large: bool) -> None:
    assert ("nodulegr1cm" in ReportLabeller()(text).present) is large


def test_lymph_nodes_above_a_centimetre_are_enlarged() -> None:
    assert ReportLabeller()("Hilar lymph node of 12 mm.").where("lymphadenopathy") == {"hilum"}
    assert ReportLabeller()("Hilar lymph node of 9 mm.").value("lymphadenopathy") == 0
