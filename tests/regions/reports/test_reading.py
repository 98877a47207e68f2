import pytest

from sightline.regions.reports.cues import ABSENT, read_cues
from sightline.regions.reports.reading import SentenceReader
from sightline.regions.reports.terms import read_vocabulary


@pytest.fixture
def reader() -> SentenceReader:
    return SentenceReader(read_vocabulary("ct"), read_cues())


def test_sentences_that_differ_in_words_that_do_nothing_are_read_once(reader: SentenceReader) -> None:
    first = reader.read("There is a mild 7 mm nodule in the lingula (3:12), oddly shaped since 2019.")
    again = reader.read("There is a subtle 3 mm nodule in the lingula (4:31), weirdly curved since 2020.")
    assert again is first
    assert reader.read("There is a subtle 13 mm nodule in the lingula (4:31), weirdly curved since 2020.") != first


@pytest.mark.parametrize(
    "word", ["previously", "prior", "largest", "slices", "above", "both", "with", "change", "base"]
)
def test_words_that_are_looked_at_stay_apart(reader: SentenceReader, word: str) -> None:
    assert reader._find_plain(word) == word


def test_what_it_stands_for_is_read_with_its_places(reader: SentenceReader) -> None:
    (nodule,) = reader.read("It is unchanged.", known=(("nodule", frozenset({"left_lung"})),))
    assert (nodule.finding, nodule.places) == ("nodule", {"left_lung"})
    (nodule,) = reader.read("It is no longer seen.", known=(("nodule", frozenset({"left_lung"})),))
    assert nodule.flags == ABSENT


def test_a_heading_tells_no_finding(reader: SentenceReader) -> None:
    assert reader.read("Bones and soft tissues: intact.", "bones and soft tissues") == ()
    (tissue,) = reader.read("Bones: soft tissue swelling.", "bones")
    assert tissue.finding == "soft_tissue"
