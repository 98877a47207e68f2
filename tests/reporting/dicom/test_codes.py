from functools import cache

from pydicom.sr.codedict import codes

from sightline.reporting.dicom.codes import _STANDARD, OWN, SCT_OF_CLASSES, class_code, own, standard, words


@cache
def listed(scheme: str) -> dict[str, set[str]]:
    """Meanings of the codes of a scheme that DICOM lists, by value."""
    found: dict[str, set[str]] = {}
    collection = getattr(codes, scheme)
    for name in collection.concepts:
        code = collection.concepts[name]
        found.setdefault(code.value, set()).add(code.meaning.casefold())
    return found


def test_standard_codes_mean_what_the_standard_says() -> None:
    for word, (value, scheme, meaning) in _STANDARD.items():
        if scheme in ("DCM", "SCT"):
            assert any(known.startswith(meaning.casefold()) for known in listed(scheme)[value]), word
        assert standard(word).value == value


def test_snomed_codes_of_classes_that_dicom_lists_are_the_same() -> None:
    known = {value: meanings for value, meanings in listed("SCT").items() if value in dict(SCT_OF_CLASSES.values())}
    assert known.keys() >= {"36118008", "60046008", "17621005"}
    for value, meaning in SCT_OF_CLASSES.values():
        assert value not in known or meaning.casefold() in known[value]


def test_values_fit_into_a_short_string() -> None:
    assert all(len(code) <= 16 and len(own(code).meaning) <= 64 for code in OWN)
    assert len(class_code("any other class, of a long name").value) <= 16


def test_a_class_has_one_code_whatever_the_model() -> None:
    assert class_code("No_Finding").value == class_code("No_Finding").value != class_code("nodule").value
    assert class_code("Pleural_Effusion").value == "60046008"
    assert class_code("COVID-19").scheme_designator == "SCT"


def test_words_are_what_a_long_string_may_be() -> None:
    assert words("a\\b\n c\x00") == "a b c"
    assert words("病" * 99) == "病" * 21
    assert words("\n") == "unnamed"
