import pytest

from sightline.regions.reports.phrases import ACTIONS, PhraseRule, abnormal_part, cleaned, read_phrase_rules


def test_there_are_57_rules_of_ct_in_their_order() -> None:
    rules = read_phrase_rules("ct")
    assert [rule.trigger for rule in rules[:3]] == [" no ", " not ", " within normal limits"]
    assert rules[-1].trigger == " risk "
    assert {rule.action for rule in rules} <= ACTIONS.keys()


def test_a_sentence_is_cleaned() -> None:
    assert cleaned("Ground-glass, 1.2 cm (new).") == " ground glass 1.2 cm new "


@pytest.mark.parametrize(
    ("sentence", "left"),
    [
        ("the heart is enlarged without pericardial effusion", "the heart is enlarged"),
        ("the lungs are clear", ""),
        ("the lungs are clear status post surgery", "status post surgery"),
        ("no nodule and a mass", "and a mass"),
        ("no change in the nodule", "change in the nodule"),
        ("not excluded pneumonia", "not excluded pneumonia"),
        ("not seen", ""),
        ("heart is normal", ""),
        ("consolidation has resolved", ""),
        ("consolidation has nearly resolved", "consolidation has nearly resolved"),
        ("resolution of the nodule", ""),
        ("please see the nodule", ""),
        ("nodule please", "nodule please"),
        ("noncalcified nodule", "nodule"),
        ("non calcified nodule", "nodule"),
        ("patent vessels with calcification", "with calcification"),
        ("mass subcentimeter mediastinal nodes", "mass s"),
        ("within normal limits size mass", "size mass"),
    ],
)
def test_what_is_left(sentence: str, left: str) -> None:
    assert abnormal_part(cleaned(sentence), read_phrase_rules("ct")).strip() == left


def test_before_takes_the_last_hit_and_after_the_first() -> None:
    rule = PhraseRule(" x ", "", 0, ())
    assert ACTIONS["before"](" a x b x c ", rule) == "c "
    assert ACTIONS["after"](" a x b x c ", rule) == " a "
    assert ACTIONS["one_before"](" a b x c ", rule) == " a "


@pytest.mark.parametrize(
    ("rules", "sentence", "left"),
    [
        ("cxr_positive", "possible pneumonia", "possible pneumonia"),
        ("cxr_negative", "opacity possible pneumonia", "opacity"),
        ("cxr_negative", "opacity atelectasis versus pneumonia", "opacity"),
        ("cxr_negative", "pneumonia cannot be excluded", ""),
        ("cxr_positive", "no pneumonia", ""),
    ],
)
def test_radiograph_rules(rules: str, sentence: str, left: str) -> None:
    assert abnormal_part(cleaned(sentence), read_phrase_rules(rules)).strip() == left
