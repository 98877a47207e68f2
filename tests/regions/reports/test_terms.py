import pytest

from sightline.regions.reports.terms import read_vocabulary


@pytest.mark.parametrize("name", ["ct", "cxr"])
def test_vocabularies_are_whole(name: str) -> None:
    vocabulary = read_vocabulary(name)
    organs = {"", "lung", "heart", "vessel", "mediastinum"}
    for finding in vocabulary.findings:
        assert finding.words or finding.pairs or finding.name == "nodulegr1cm", finding.name
        assert finding.usual in organs, finding.name
        assert finding.allowed <= organs, finding.name
        for phrase in (*finding.words, *finding.unlike):
            assert phrase == phrase.lower(), phrase
            assert "-" not in phrase, phrase
    assert len(set(vocabulary.place_names)) == len(vocabulary.place_names) == 51
