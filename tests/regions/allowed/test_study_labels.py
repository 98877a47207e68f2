from collections import Counter

from sightline.regions.allowed import LEFT_LUNG, LUNG_ONLY, PLACES, RIGHT_LUNG, STUDY_LABELS, label_groups


def test_there_are_80_labels_in_four_regions() -> None:
    assert Counter(label.region for label in STUDY_LABELS.values()) == {
        "h_great_vessel": 7,
        "h_mediastinum": 6,
        "heart": 16,
        "lung": 51,
    }
    assert all(name == label.name for name, label in STUDY_LABELS.items())
    assert list(STUDY_LABELS)[:: len(STUDY_LABELS) - 1] == ["h_great_vessel_aneurysm", "lung_tree_in_bud"]


def test_each_kind_of_group_divides_the_labels() -> None:
    groups = label_groups()
    for division in (("focal", "diffuse"), ("biological", "intervention"), tuple(groups)[4:]):
        names = [name for group in division for name in groups[group]]
        assert sorted(names) == sorted(STUDY_LABELS)
    assert [len(groups[name]) for name in ("focal", "diffuse", "biological", "intervention")] == [42, 38, 62, 18]
    assert [len(groups[name]) for name in ("great_vessel", "mediastinum", "heart", "lung")] == [7, 6, 16, 51]


def test_labels_are_grouped_by_what_they_are() -> None:
    focal, intervention = (set(label_groups()[name]) for name in ("focal", "intervention"))
    assert {"lung_nodule", "heart_stent", "h_mediastinum_mass"} <= focal
    assert not {"lung_pneumonia", "heart_cardiomegaly", "heart_transplant"} & focal
    assert {"lung_chest_tube", "heart_stent", "lung_transplant"} <= intervention
    assert not {"lung_nodule", "heart_cardiomegaly"} & intervention


def test_a_place_belongs_to_one_region_and_a_lung_to_one_side() -> None:
    assert max(Counter(place for places in PLACES.values() for place in places).values()) == 1
    assert PLACES["lung"] == RIGHT_LUNG | LEFT_LUNG
    assert not RIGHT_LUNG & LEFT_LUNG
    assert {label.finding for label in STUDY_LABELS.values() if label.region != "lung"}.isdisjoint(LUNG_ONLY)
