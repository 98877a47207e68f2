import pytest

from sightline.regions.reports import ReportLabeller


@pytest.fixture(scope="module")
def labeller() -> ReportLabeller:
    return ReportLabeller()


@pytest.mark.parametrize(
    ("sentence", "lung", "finding"),
    [
        ("Mass or nodule in the right lung.", "right_lung", "mass"),
        ("Left basilar mass and nodule.", "left_lung", "nodule"),
        ("Right lung mass with calcification.", "right_lung", "calcification"),
        ("Opacity at the left base, likely infection.", "left_lung", "infection"),
        ("Mass in the left lung with adjacent nodule.", "left_lung", "nodule"),
        ("Pleural plaques and calcification along the left hemidiaphragm.", "left_lung", "plaque"),
    ],
)
def test_neighbours_share_their_places(labeller: ReportLabeller, sentence: str, lung: str, finding: str) -> None:
    where = labeller(sentence).where(finding)
    assert {each for each in where if each.startswith(("right_l", "left_l")) and each.endswith("lung")} == {lung}


def test_statements_share_none(labeller: ReportLabeller) -> None:
    assert labeller("Mass in the left lung; there is an effusion.").where("pleural_effusion") == {"lung"}
    assert labeller("Mass in the left lung, and infection.").where("infection") == frozenset()
