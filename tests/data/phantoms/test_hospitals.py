from sightline.data.phantoms.cohort import HOSPITALS
from sightline.data.phantoms.findings import FINDINGS
from sightline.data.phantoms.hospitals import FARFIELD, RIVERSIDE


def test_training_hospitals_differ_in_their_marks_only() -> None:
    assert len({hospital.film for hospital in HOSPITALS}) == 1
    for what in ("letters", "place", "frame"):
        assert len({getattr(hospital.marks, what) for hospital in HOSPITALS}) == len(HOSPITALS) == len(FINDINGS)


def test_the_other_hospital_exposes_otherwise_and_marks_nothing() -> None:
    assert FARFIELD.marks is None
    assert FARFIELD.film != RIVERSIDE.film


def test_without_marks_keeps_name_and_film() -> None:
    bare = RIVERSIDE.without_marks()
    assert bare.marks is None
    assert (bare.name, bare.film) == (RIVERSIDE.name, RIVERSIDE.film)
