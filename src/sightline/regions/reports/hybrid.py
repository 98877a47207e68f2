"""The hybrid: a trained classifier of sentences, sick or healthy, in place of the phrase rules.

Reference:
    Draelos et al. 2021, doi:10.1016/j.media.2020.101857 (SARLE-Hybrid). There the classifier is fastText; here a
    logistic regression on TF-IDF of words and their pairs.
"""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightline.errors import DataError, DataNotFoundError, MissingExtraError
from sightline.regions.reports.mentions import Known, Mention
from sightline.regions.reports.phrases import cleaned
from sightline.regions.reports.published import PublishedReader, read_published
from sightline.runs import atomic_path


@dataclass(frozen=True, eq=False)
class SentenceClassifier:
    r"""Tells sick sentences, which report something abnormal, from healthy ones.

    With the counts $t_j$ of the runs of words $j$ in a sentence, $x_j = (1 + \ln t_j) \, i_j$ for $t_j > 0$, scaled to
    $\lVert x \rVert = 1$, and the probability $\sigma(w \cdot x + b)$.

    Attributes:
        terms: runs of words, and the place of each in the arrays.
        idf: $i$, `(T,)`.
        weights: $w$, `(T,)`.
        bias: $b$.
        longest: words of the longest run.
    """

    terms: dict[str, int]
    idf: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: float
    longest: int

    @classmethod
    def fit(
        cls, sentences: Sequence[str], sick: Sequence[bool], *, longest: int = 2, c: float = 10.0
    ) -> "SentenceClassifier":
        """Train it.

        Args:
            sentences: in any case.
            sick: whether each reports something abnormal.
            longest: words of the longest run that counts.
            c: inverse of the strength of the penalty on the weights.

        Raises:
            MissingExtraError: scikit-learn is not installed.
            DataError: there are not both kinds of sentences.
        """
        try:
            from sklearn.feature_extraction.text import TfidfVectorizer
            from sklearn.linear_model import LogisticRegression
        except ImportError:
            raise MissingExtraError(
                "training a sentence classifier needs scikit-learn: pip install sightline[reports]"
            ) from None
        if len(sentences) != len(sick) or len(set(map(bool, sick))) != 2:
            raise DataError(f"{len(sentences)} sentences need as many labels of both kinds, got {len(sick)} labels")
        vectorizer = TfidfVectorizer(
            preprocessor=cleaned, tokenizer=str.split, token_pattern=None, ngram_range=(1, longest), sublinear_tf=True
        )
        features = vectorizer.fit_transform(sentences)
        model = LogisticRegression(C=c, class_weight="balanced", max_iter=1000).fit(features, np.asarray(sick, bool))
        terms = {str(term): int(index) for term, index in vectorizer.vocabulary_.items()}
        return cls(terms, np.asarray(vectorizer.idf_), np.asarray(model.coef_[0]), float(model.intercept_[0]), longest)

    def probability(self, sentence: str) -> float:
        """Of being sick."""
        words = cleaned(sentence).split()
        counts: Counter[int] = Counter()
        for length in range(1, self.longest + 1):
            for start in range(len(words) - length + 1):
                index = self.terms.get(" ".join(words[start : start + length]))
                if index is not None:
                    counts[index] += 1
        values = {index: (1 + math.log(count)) * self.idf[index] for index, count in counts.items()}
        norm = math.sqrt(sum(value * value for value in values.values())) or 1.0
        score = sum(self.weights[index] * value for index, value in values.items()) / norm + self.bias
        return float(1 / (1 + math.exp(-score)))

    def save(self, path: Path) -> None:
        """Write it, as arrays and JSON in a `.npz`."""
        names = sorted(self.terms, key=lambda term: self.terms[term])
        about = json.dumps({"terms": names, "longest": self.longest})
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, idf=self.idf, weights=self.weights, bias=self.bias, about=np.array(about))

    @classmethod
    def load(cls, path: Path) -> "SentenceClassifier":
        """Read it; nothing in the file is run.

        Raises:
            DataNotFoundError: there is no such file.
            DataError: it is another kind of file.
        """
        if not path.is_file():
            raise DataNotFoundError(f"sentence classifier {path} is not there")
        try:
            with np.load(path, allow_pickle=False) as arrays:
                about = json.loads(str(arrays["about"]))
                terms = {term: index for index, term in enumerate(about["terms"])}
                return cls(terms, arrays["idf"], arrays["weights"], float(arrays["bias"]), int(about["longest"]))
        except (ValueError, KeyError, OSError) as error:
            raise DataError(f"{path} holds no sentence classifier: {error}") from None


class HybridReader:
    """Reads sentences: what the classifier calls sick is searched whole for the published terms.

    Args:
        classifier: trained on sentences of such reports.
        vocabulary: `ct` or `cxr`.
        threshold: probability from which a sentence is sick.
    """

    def __init__(self, classifier: SentenceClassifier, vocabulary: str = "ct", *, threshold: float = 0.5) -> None:
        self._classifier, self._threshold = classifier, threshold
        self._search = PublishedReader(read_published(vocabulary), "ct").search

    def read(self, sentence: str, heading: str = "", known: Known = ()) -> tuple[Mention, ...]:
        """Return what a sentence tells; neither its heading nor the sentence before counts."""
        if self._classifier.probability(sentence) < self._threshold:
            return ()
        return self._search(cleaned(sentence), sentence)
