"""A folder for the Hugging Face Hub: weights, `config.json`, and a model card with what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sightline.models import Classifier, save_weights
from sightline.models.classifier_folder import HUB_WORDS, WEIGHTS, checksum
from sightline.runs import write_json, write_text

_NO_CARD = "# {name}\n\nNothing was written about this classifier.\n"
_USE = """
## How to use it

    pip install sightline

    from sightline.models import open_classifier
    classifier = open_classifier(Path("folder with these files"))
    logits = classifier.model(images)          # (N, {shape}), values in [0, 1], prepared as config.json says
"""


@dataclass(frozen=True)
class Measured:
    """A score that a classifier was measured to have.

    Attributes:
        data: name of the cohort.
        split: of it, and the condition where there is one.
        metric: name of the score, such as `macro_f1`.
        title: as people write it.
        value: the estimate.
    """

    data: str
    split: str
    metric: str
    title: str
    value: float


def write_hub_folder(
    classifier: Classifier, folder: Path, *, card: str = "", scores: Sequence[Measured] = (), licence: str = "unknown"
) -> None:
    """Write the three files.

    `config.json` has what the Hub shows of a classifier, and under `sightline` what `model.json` has elsewhere, so that
    `open_classifier` opens this folder too.

    Args:
        classifier: to write.
        folder: where to.
        card: text of the model card, Markdown.
        scores: measured, for the front matter; those that are not finite are left out.
        licence: of the weights, an identifier that the Hub knows.
    """
    save_weights(classifier.model, folder / WEIGHTS)
    write_json(folder / HUB_WORDS, _config(classifier, checksum(folder / WEIGHTS)))
    front = yaml.safe_dump(front_matter(classifier, scores, licence), sort_keys=False, allow_unicode=True)
    body = card or _NO_CARD.format(name=classifier.name)
    use = _USE.format(shape=", ".join(map(str, classifier.shape)))
    write_text(folder / "README.md", f"---\n{front}---\n\n{body.rstrip()}\n{use}")


def front_matter(classifier: Classifier, scores: Sequence[Measured], licence: str) -> dict[str, Any]:
    """Return the head of the model card as the Hub reads it."""
    front: dict[str, Any] = {
        "library_name": "sightline",
        "license": licence,
        "pipeline_tag": "image-classification",
        "tags": ["medical-imaging", "explainability", classifier.architecture.name.replace(":", ".")],
    }
    known = [score for score in scores if abs(score.value) < float("inf")]  # and not NaN
    if known:
        front["model-index"] = [{"name": classifier.name, "results": _results(known)}]
    return front


def _results(scores: Sequence[Measured]) -> list[dict[str, Any]]:
    places = dict.fromkeys((score.data, score.split) for score in scores)
    return [
        {
            "task": {"type": "image-classification"},
            "dataset": {"name": data, "type": data, "split": split},
            "metrics": [
                {"type": score.metric, "name": score.title, "value": round(score.value, 4)}
                for score in scores
                if (score.data, score.split) == (data, split)
            ],
        }
        for data, split in places
    ]


def _config(classifier: Classifier, weights: Mapping[str, Any]) -> dict[str, Any]:
    problem = "multi_label_classification" if classifier.task == "multilabel" else "single_label_classification"
    return {
        "model_type": "sightline",
        "architectures": [type(classifier.model).__name__],
        "num_channels": classifier.shape[0],
        "image_size": list(classifier.shape[1:]),
        "num_labels": len(classifier.classes),
        "id2label": {str(index): name for index, name in enumerate(classifier.classes)},
        "label2id": {name: index for index, name in enumerate(classifier.classes)},
        "problem_type": problem,
        "torch_dtype": "float32",
        "sightline": {**classifier.words(), "weights": dict(weights)},
    }
