from collections.abc import Callable

import numpy as np
import pytest

from sightline.data.phantoms.hospitals import FARFIELD, HILLCREST, RIVERSIDE
from sightline.data.phantoms.radiographs import FINDINGS, Finding, Radiograph, make_radiograph
from sightline.errors import SettingsError

Take = Callable[..., Radiograph]
SEVERITIES = (0.05, 0.5, 1.0)


def test_the_same_seed_gives_the_same_film_whatever_was_drawn_before() -> None:
    first = make_radiograph((3, 5), HILLCREST, 64)
    make_radiograph((3, 6), RIVERSIDE, 96)
    again = make_radiograph((3, 5), HILLCREST, 64)
    np.testing.assert_array_equal(first.film, again.film)
    np.testing.assert_array_equal(first.develop(HILLCREST), again.develop(HILLCREST))
    np.testing.assert_array_equal(first.lungs, again.lungs)
    assert first.lesions.keys() == again.lesions.keys()
    for finding, lesion in first.lesions.items():
        np.testing.assert_array_equal(lesion.mask, again.lesions[finding].mask)


def test_no_global_generator_is_touched() -> None:
    np.random.seed(0)  # noqa: NPY002 - the global generator is the subject
    before = np.random.get_state()[1].copy()  # type: ignore[index] # noqa: NPY002
    make_radiograph(1, RIVERSIDE, 64)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index] # noqa: NPY002


def test_another_seed_gives_another_patient() -> None:
    first, second = (make_radiograph((0, index), RIVERSIDE, 64, {}) for index in (1, 2))
    assert (first.lungs != second.lungs).any()
    assert first.patient != second.patient


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("finding", FINDINGS)
def test_a_finding_changes_the_film_exactly_in_its_mask(take: Take, finding: Finding, severity: float) -> None:
    for index in range(6):
        well, ill = take(index, {}), take(index, {finding: severity})
        mask, changed = ill.lesions[finding].mask, well.film != ill.film
        assert ill.lesions.keys() == {finding}
        assert not (changed & ~mask).any()  # to the last bit
        assert (changed & mask).sum() > 0.9 * mask.sum()  # the rest is below a step of the tone curve, or black
        assert mask.any()


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_finding_changes_nothing_else_beside_other_findings(take: Take, finding: Finding) -> None:
    other: Finding = "effusion" if finding != "effusion" else "nodule"
    for index in range(4):
        before, after = take(index, {other: 0.4}), take(index, {finding: 0.6, other: 0.4})
        moved = before.lesions[other].mask ^ after.lesions[other].mask  # where they make room for each other
        touched = after.lesions[finding].mask | moved
        if finding == "cardiomegaly" or other == "nodule":
            touched |= before.lesions[other].mask | after.lesions[other].mask
        assert not ((before.film != after.film) & ~touched).any()


@pytest.mark.parametrize(("finding", "brighter"), [(name, name != "pneumothorax") for name in FINDINGS])
def test_tissue_and_fluid_are_bright_and_free_air_is_dark(take: Take, finding: Finding, brighter: bool) -> None:
    for index in range(6):
        well, ill = take(index, {}), take(index, {finding: 0.5})
        mask = ill.lesions[finding].mask
        change = float((ill.film - well.film)[mask].mean())
        assert change > 0.03 if brighter else change < -0.03


@pytest.mark.parametrize("finding", [name for name in FINDINGS if name != "nodule"])
def test_more_severe_is_larger(take: Take, finding: Finding) -> None:
    areas = [sum(take(index, {finding: s}).lesions[finding].mask.sum() for index in range(6)) for s in SEVERITIES]
    assert areas[0] < areas[1] < areas[2]


def test_findings_in_the_lungs_lie_in_the_lungs(take: Take) -> None:
    for index in range(6):
        ill = take(index, dict.fromkeys(FINDINGS, 0.5))
        for finding in FINDINGS[:-1]:
            assert not (ill.lesions[finding].mask & ~ill.lungs).any()
        np.testing.assert_array_equal(ill.lesions["cardiomegaly"].mask, ill.heart)


def test_marks_change_nothing_in_the_lungs_and_something_outside(take: Take) -> None:
    film = take(0, {"nodule": 0.5})
    off, on = film.develop(RIVERSIDE.without_marks()), film.develop(RIVERSIDE)
    changed = on != off
    assert changed.mean() > 0.02
    assert not (changed & film.lungs).any()
    np.testing.assert_array_equal(off, np.rint(255 * film.film))


def test_hospitals_leave_marks_of_their_own(take: Take) -> None:
    film = take(0, {})
    riverside, hillcrest = film.develop(RIVERSIDE), film.develop(HILLCREST)
    assert (riverside != hillcrest).mean() > 0.02
    np.testing.assert_array_equal(film.develop(FARFIELD), film.develop(RIVERSIDE.without_marks()))


def test_findings_drawn_from_the_population_have_its_shares() -> None:
    films = [make_radiograph((1, index), HILLCREST, 32) for index in range(150)]
    for finding in FINDINGS:
        share = np.mean([finding in film.lesions for film in films])
        wanted = getattr(HILLCREST.population, finding)
        assert abs(share - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / len(films))


def test_the_patient_does_not_depend_on_the_size(take: Take) -> None:
    findings = {"consolidation": 0.6, "nodule": 0.8}
    small, large = take(3, findings, 64), take(3, findings, 128)
    pooled = large.film.reshape(64, 2, 64, 2).mean(axis=(1, 3))
    assert np.corrcoef(pooled.ravel(), small.film.ravel())[0, 1] > 0.98
    for name, lesion in small.lesions.items():
        there = large.lesions[name].mask.reshape(64, 2, 64, 2).any(axis=(1, 3))
        assert (there & lesion.mask).sum() > 0.8 * (there | lesion.mask).sum()
    assert small.patient == large.patient


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"findings": {"fracture": 0.5}}, "findings must be of consolidation, .*, got 'fracture'"),
        ({"findings": {"nodule": 1.5}}, "severity of nodule must be between 0 and 1, got 1.5"),
        ({"size": 16}, "at least 32 pixels"),
    ],
)
def test_unusable_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make_radiograph(0, RIVERSIDE, **arguments)  # type: ignore[arg-type]
