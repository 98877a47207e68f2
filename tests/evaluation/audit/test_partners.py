import numpy as np

from sightline.evaluation.audit.partners import differing, generator_of, other_class, other_source, partner_of

from .made import cohort_of, labels_of, multilabels

NAN = float("nan")


def test_a_draw_depends_on_the_seed_and_the_words_alone() -> None:
    def draw(seed: int, *words: str) -> float:
        return float(generator_of(seed, *words).random())

    assert draw(0, "outside", "case-1") == draw(0, "outside", "case-1")
    assert len({draw(0, "a", "b"), draw(1, "a", "b"), draw(0, "b", "a"), draw(0, "ab")}) == 4


def test_partners_are_other_patients_who_fit_each_as_likely() -> None:
    cases = cohort_of(labels_of(12), pairs=True).cases
    drawn = [partner_of(cases[0], cases, generator_of(0, str(i)), other_class) for i in range(600)]
    names, counts = np.unique([case.id for case in drawn if case], return_counts=True)
    fit = [c.id for c in cases if c.patient != cases[0].patient and c.label != cases[0].label]
    assert list(names) == fit
    assert counts.min() > 0.6 * 600 / len(fit)


def test_nobody_fits() -> None:
    cases = cohort_of([0, 0, 0], sources=("east",)).cases
    assert partner_of(cases[0], cases, generator_of(0), other_class) is None
    assert partner_of(cases[0], cases, generator_of(0), other_source) is None
    assert partner_of(cases[0], cases[:1], generator_of(0)) is None


def test_an_unknown_source_is_not_another_one() -> None:
    known, unknown = cohort_of([0], sources=("east",)).cases[0], cohort_of([0], sources=()).cases[0]
    assert not other_source(known, unknown)
    assert not other_source(unknown, known)


def test_labels_differ_where_both_are_certain() -> None:
    one, other, third = cohort_of([(1.0, 0.0, NAN), (0.0, 0.0, 1.0), (0.5, NAN, 1.0)], task="multilabel").cases
    assert differing(one, other) == (0,)
    assert differing(one, third) == ()
    single = cohort_of([2, 1, -1]).cases
    assert differing(single[0], single[1]) == (1,), "towards the other's class"
    assert differing(single[0], single[2]) == ()
    assert other_class(single[0], single[1])
    many = cohort_of(multilabels(20), task="multilabel").cases
    assert all(differing(a, b) == differing(b, a) for a in many for b in many)
