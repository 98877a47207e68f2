import pytest

from sightline.regions.reports import ReportLabeller


@pytest.fixture(scope="module")
def labeller() -> ReportLabeller:
    return ReportLabeller()


@pytest.mark.parametrize(
    ("sentence", "present"),
    [
        ("The heart is enlarged.", ["cardiomegaly"]),
        ("Enlarged heart.", ["cardiomegaly"]),
        ("Heart size is normal, large effusion.", ["pleural_effusion"]),
        ("Enlarged lymph nodes near the heart.", ["lymphadenopathy"]),
        ("Pleural and pericardial effusions.", ["pericardial_effusion", "pleural_effusion"]),
        ("Small pericardial and no pleural effusion.", ["pericardial_effusion"]),
        ("No pericardial and small pleural effusion.", ["pleural_effusion"]),
        ("Pericardial effusion.", ["pericardial_effusion"]),
        ("Effusion.", ["pleural_effusion"]),
        ("Thickening of the pleura.", ["pleural_thickening"]),
        ("Bronchial wall and septal thickening.", ["bronchial_wall_thickening", "septal_thickening"]),
        ("Scattered atherosclerotic calcifications.", ["atherosclerosis", "calcification", "scattered_calc"]),
        ("Dilated ventricle.", ["cardiomegaly"]),
    ],
)
def test_two_words_make_a_finding(labeller: ReportLabeller, sentence: str, present: list[str]) -> None:
    assert sorted(labeller(sentence).present) == sorted(present)
