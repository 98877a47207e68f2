import csv
from pathlib import Path

import numpy as np
import pytest

from sightline.errors import DataError, DataNotFoundError
from sightline.regions.reports import HybridReader, ReportLabeller, SentenceClassifier
from sightline.regions.reports.phrases import cleaned

HERE = Path(__file__).parent


def sentences(file: str) -> tuple[list[str], list[bool]]:
    rows = list(csv.DictReader((HERE / file).open(encoding="utf-8")))
    return [row["text"] for row in rows], [bool(row["expected"]) for row in rows]


@pytest.fixture(scope="module")
def classifier() -> SentenceClassifier:
    return SentenceClassifier.fit(*sentences("sentences.csv"))


def test_it_answers_as_scikit_learn_does(classifier: SentenceClassifier) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts, _ = sentences("held_out.csv")
    vectorizer = TfidfVectorizer(
        preprocessor=cleaned, tokenizer=str.split, token_pattern=None, ngram_range=(1, 2), sublinear_tf=True
    ).fit(sentences("sentences.csv")[0])
    scores = vectorizer.transform(texts) @ classifier.weights + classifier.bias
    ours = [classifier.probability(text) for text in texts]
    assert ours == pytest.approx(1 / (1 + np.exp(-scores)), abs=1e-12)


def test_it_learns_to_tell_sick_sentences(classifier: SentenceClassifier) -> None:
    texts, sick = sentences("held_out.csv")
    right = [(classifier.probability(text) >= 0.5) == each for text, each in zip(texts, sick, strict=True)]
    assert np.mean(right) > max(np.mean(sick), 1 - np.mean(sick))


def test_it_replaces_the_phrase_rules(classifier: SentenceClassifier) -> None:
    labeller = ReportLabeller(reader=HybridReader(classifier))
    assert labeller("Nodule in the right upper lobe.").where("nodule") >= {"right_lung"}
    assert labeller("No pleural effusion or pneumothorax.").present == ()


def test_it_is_saved_without_pickle(classifier: SentenceClassifier, tmp_path: Path) -> None:
    classifier.save(tmp_path / "c.npz")
    with np.load(tmp_path / "c.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"idf", "weights", "bias", "about"}
    again = SentenceClassifier.load(tmp_path / "c.npz")
    assert again.probability("Right mass.") == classifier.probability("Right mass.")


def test_bad_files_and_too_few_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError):
        SentenceClassifier.load(tmp_path / "c.npz")
    (tmp_path / "c.npz").write_bytes(b"no")
    with pytest.raises(DataError, match="holds no sentence classifier"):
        SentenceClassifier.load(tmp_path / "c.npz")
    with pytest.raises(DataError, match="need as many labels of both kinds"):
        SentenceClassifier.fit(["a", "b"], [True, True])
