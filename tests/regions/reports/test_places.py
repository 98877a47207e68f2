import pytest

from sightline.regions.reports import ReportLabeller

LUNGS = {"right_upper", "right_mid", "right_lower", "left_upper", "left_mid", "left_lower", "right_lung", "left_lung"}


@pytest.fixture(scope="module")
def labeller() -> ReportLabeller:
    return ReportLabeller()


@pytest.mark.parametrize(
    ("sentence", "places"),
    [
        ("Nodule in the right upper and lower lobes.", {"nodule": "right_upper right_lower right_lung"}),
        ("Nodule in the right middle and left lower lobes.", {"nodule": "right_mid left_lower right_lung left_lung"}),
        ("Nodules in the upper lobes.", {"nodule": "right_upper left_upper right_lung left_lung"}),
        ("Nodule in the middle lobe.", {"nodule": "right_mid right_lung"}),
        ("Nodule at the base of the left lung.", {"nodule": "left_lower left_lung"}),
        ("The left lung has a nodule at the base.", {"nodule": "left_lower left_lung"}),
        ("Lingular mass.", {"mass": "left_mid left_lung"}),
        ("Mass in the right lung and nodule in the left lung.", {"mass": "right_lung", "nodule": "left_lung"}),
        ("Right mass and left nodule.", {"mass": "right_lung", "nodule": "left_lung"}),
        ("Mass or nodule in the right lung.", {"mass": "right_lung", "nodule": "right_lung"}),
        ("Right basilar mass and nodule.", {"mass": "right_lower right_lung", "nodule": "right_lower right_lung"}),
        ("Left ventricular calcification, nodule.", {"nodule": "", "calcification": ""}),
        ("Mass near the right atrium.", {"mass": ""}),
        (
            "Right mass with nodules in the lower lobes.",
            {"mass": "right_lung", "nodule": "right_lower left_lower right_lung left_lung"},
        ),
        ("Right mass; nodule in the upper lobe.", {"nodule": "right_upper left_upper right_lung left_lung"}),
        ("Nodules, larger on the left.", {"nodule": "left_lung"}),
        ("Nodule in the left lobe of the thyroid.", {"nodule": ""}),
        ("Right kidney mass.", {"mass": ""}),
    ],
)
def test_lungs_of_findings(labeller: ReportLabeller, sentence: str, places: dict[str, str]) -> None:
    labels = labeller(sentence)
    assert {name: labels.where(name) & LUNGS for name in places} == {name: set(p.split()) for name, p in places.items()}


def test_parts_of_the_body_with_the_words_of_others_are_told_apart(labeller: ReportLabeller) -> None:
    labels = labeller("Pulmonary artery calcification. Aortic valve stent. Hilar mass.")
    assert labels.where("calcification") == {"pulmonary_artery"}
    assert labels.where("stent") == {"aortic_valve"}
    assert labels.where("mass") == {"hilum"}
