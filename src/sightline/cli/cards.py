"""Model cards and the data sheet of a report, from what the files of the runs and the cohort say and nothing else."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from safetensors import SafetensorError, safe_open

from sightline.cli.score_tables import METRICS, class_columns, class_rows, condition_words, score
from sightline.comparing import Comparison, Condition
from sightline.data import Case, Cohort
from sightline.evaluation import Evaluation
from sightline.plain import to_plain
from sightline.reporting.content import Card, CardPart, Cell, Table
from sightline.runs import RunFolder
from sightline.training import TrainSettings

UNKNOWN = "unknown"
_USE = "Research on how classifiers decide. Not a medical device, not for diagnosis, treatment or other clinical use."
_NOT_TESTED = CardPart("Scores", {"Scores": "not evaluated"})
_NOT_HERE = ("Scores by source, age, sex and view", "Other seeds")
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_REGIONS = {"gaze": "a reader's gaze", "mask": "masks", "class_mask": "masks of single classes"}


def make_cards(
    runs: Mapping[str, tuple[TrainSettings, RunFolder]],
    comparison: Comparison,
    cohort: Cohort,
    *,
    limits: Sequence[str] = (),
) -> tuple[Card, ...]:
    """Write a model card for each run, and the data sheet of their cohort."""
    cards = []
    for name, (settings, run) in runs.items():
        file = "model_card.md" if len(runs) == 1 else f"model_card-{name.replace('/', '-')}.md"
        results = comparison.evaluations[name]
        parts = (
            _model(settings, run, cohort),
            _training(settings, run, cohort),
            CardPart("Intended use", {"Use": _USE, "Licence of the weights": UNKNOWN, "Contact": UNKNOWN}),
            *((_scores(results), _per_class(results), _looks(results)) if results else (_NOT_TESTED,)),
            CardPart("Limits", dict.fromkeys(_NOT_HERE, "not computed here"), tuple(limits)),
        )
        cards.append(Card(f"Model card: {name}", file, parts))
    return (*cards, data_sheet(cohort))


def data_sheet(cohort: Cohort) -> Card:
    """Say what the table of a cohort tells about it."""
    parts = (_composition(cohort), _known_of_cases(cohort), _collection())
    return Card(f"Data sheet: {cohort.root.name}", "data_sheet.md", parts)


def _model(settings: TrainSettings, run: RunFolder, cohort: Cohort) -> CardPart:
    data, model = settings.data, settings.model
    size = data.volume.shape if data.volume else (data.preprocessing.size,) * 2
    facts = {
        "Architecture": model.name + _options({"width": model.width, **model.options}),
        "Parameters": _parameters(run),
        "Input": f"{' by '.join(map(str, size))}, {data.channels} channel{'s' * (data.channels != 1)}",
        "Answers": f"{cohort.task}: {', '.join(cohort.classes)}",
        "Weights": "model.safetensors of the run" if run.weights.is_file() else UNKNOWN,
    }
    return CardPart("Model", facts)


def _training(settings: TrainSettings, run: RunFolder, cohort: Cohort) -> CardPart:
    config, machine = run.config, _environment(run)
    split = [case for case in cohort.cases if case.split == "train"]
    stages = {name: stage.epochs for name, stage in settings.stages.items()}
    facts = {
        "Trained on": f"{cohort.root.name}, split train: {_images(split)}",
        "Started from": "a file of weights" if settings.model.weights else "random weights",
        "Guided by": _guidance(config),
        "Allowed region": _region_words(settings),
        "Planted bias": _options(to_plain(settings.data.bias)) if settings.data.bias else "none planted in training",
        "Epochs": ", ".join(f"{name} {epochs}" for name, epochs in stages.items()) or str(settings.epochs),
        "Optimiser": f"{settings.optim.name}, learning rate {settings.optim.lr:g}",
        "Kept": f"the {settings.select} weights",
        "Seed": str(settings.seed),
        "State": str(run.status.get("state", UNKNOWN)),
        "Software": ", ".join(f"{key} {machine[key]}" for key in ("sightline", "torch", "python") if key in machine)
        or UNKNOWN,
        "Machine": ", ".join(filter(None, [str(machine.get("platform", "")), *machine.get("gpus", [])])) or UNKNOWN,
    }
    return CardPart("Training", facts)


def _region_words(settings: TrainSettings) -> str:
    if settings.data.volume:
        return _REGIONS["class_mask"]
    chosen = settings.data.preprocessing.regions
    return _REGIONS.get(str(chosen), str(chosen))


def _guidance(config: Mapping[str, Any]) -> str:
    """Say the loss between where the model looks and where it should, of the run or of its stages."""
    stages = {name: stage.get("guidance") for name, stage in (config.get("stages") or {}).items()}
    told = {name: given for name, given in (stages or {"": config.get("guidance")}).items() if given}
    words = []
    for name, given in told.items():
        method = given.get("method") if isinstance(given.get("method"), str) else None
        rest = {key: value for key, value in given.items() if key != "method"}
        words.append(f"{f'{name}: ' if name else ''}{method or 'a loss on the heatmap'}{_options(rest)}")
    return "; ".join(words) or "nothing"


def _scores(results: Mapping[Condition, Evaluation]) -> CardPart:
    names = [key for key in METRICS if key != "relevance_inside"]
    rows = tuple(
        (condition_words(c), *(score(r.metrics[k]) if k in r.metrics else None for k in names), len(r.predictions))
        for c, r in results.items()
    )
    columns = ("Tested on", *(METRICS[key] for key in names), "Images")
    first = next(iter(results.values()))
    facts = {"Intervals": next((f"{100 * i.level:g} %, {i.method}" for i in first.metrics.values()), UNKNOWN)}
    return CardPart("Scores", facts, tables=(Table("By split and bias", columns, rows),))


def _per_class(results: Mapping[Condition, Evaluation]) -> CardPart:
    rows = tuple(
        (condition_words(condition), *cells)
        for condition, result in results.items()
        for cells in class_rows(result.per_class)
    )
    return CardPart("Scores of each class", tables=(Table("By class", ("Tested on", *class_columns()), rows),))


def _looks(results: Mapping[Condition, Evaluation]) -> CardPart:
    facts = {"Explained by": next((r.explained_by for r in results.values() if r.explained_by), UNKNOWN)}
    rows: list[tuple[Cell, ...]] = []
    for condition, result in results.items():
        shares = [result.metrics.get(name) for name in ("relevance_inside", "region_area")]
        rows.append((condition_words(condition), *(None if share is None else score(share) for share in shares)))
    columns = ("Tested on", "Share of relevance inside the region", "Share of the image that the region covers")
    return CardPart("Where it looks", facts, tables=(Table("Relevance inside the region", columns, tuple(rows)),))


def _composition(cohort: Cohort) -> CardPart:
    splits = cohort.splits or ("",)
    rows: list[tuple[Cell, ...]] = []
    for split in splits:
        cases = [case for case in cohort.cases if case.split == split]
        counts = [sum(_has(case, index) for case in cases) for index in range(cohort.num_classes)]
        rows.append((split or "not split", len(cases), len(_patients(cases)), *counts))
    facts = {
        "Task": cohort.task,
        "Classes": ", ".join(cohort.classes),
        "Images": _images(cohort.cases),
        "Sources": ", ".join(sorted({case.source for case in cohort.cases if case.source})) or UNKNOWN,
    }
    if cohort.task == "multilabel":
        labels = [value for case in cohort.cases for value in case.label]  # type: ignore[union-attr]  # of several labels
        facts["Labels that are not known"] = f"{sum(map(math.isnan, labels))} of {len(labels)}"
    table = Table("Images, patients and classes", ("Split", "Images", "Patients", *cohort.classes), tuple(rows))
    return CardPart("Composition", facts, tables=(table,))


def _known_of_cases(cohort: Cohort) -> CardPart:
    cases = cohort.cases
    formats = sorted({"".join(case.image.suffixes[-2:]).lower() or "no suffix" for case in cases})
    have = {
        "Masks": sum(case.mask is not None for case in cases),
        "Masks of single classes": sum(bool(case.class_masks) for case in cases),
        "Gaze": sum(case.gaze is not None for case in cases),
        "Reports": sum(case.report is not None for case in cases),
        "Checksums": sum(bool(case.sha256) for case in cases),
    }
    facts = {
        "Files": ", ".join(formats),
        "Values": UNKNOWN if cohort.value_range is None else "{:g} to {:g}".format(*cohort.value_range),
        "Units": cohort.units or UNKNOWN,
        **{name: f"{count} of {len(cases)} images" for name, count in have.items()},
        "Variants of images": ", ".join(sorted({name for case in cases for name in case.variants})) or "none",
        "Further columns": ", ".join(sorted({name for case in cases for name in case.about})) or "none",
    }
    return CardPart("What is known of each image", facts)


def _collection() -> CardPart:
    asked = ("When and by whom the images were made", "Who labelled them, and how", "Consent and ethics", "Licence")
    return CardPart("Collection", dict.fromkeys(asked, UNKNOWN))


def _environment(run: RunFolder) -> dict[str, Any]:
    file = run.path / "environment.json"
    known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return known


def _parameters(run: RunFolder) -> str:
    """Count the numbers in the file of weights, running statistics left out, without loading it."""
    try:
        with safe_open(run.weights, framework="numpy") as file:
            names = [name for name in file.keys() if not name.endswith(_STATISTICS)]  # noqa: SIM118 - no mapping
            return f"{sum(math.prod(file.get_slice(name).get_shape()) for name in names):,}"
    except (OSError, SafetensorError):
        return UNKNOWN


def _options(options: Mapping[str, Any]) -> str:
    told = ", ".join(f"{name} {_word(value)}" for name, value in options.items() if value not in (None, {}, []))
    return f" ({told})" if told else ""


def _word(value: object) -> str:
    if isinstance(value, Mapping):
        return _options(value).strip() or "{}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _images(cases: Sequence[Case]) -> str:
    return f"{len(cases):,} images of {len(_patients(cases)):,} patients"


def _patients(cases: Sequence[Case]) -> set[tuple[str, str]]:
    return {(case.source, case.patient) for case in cases}


def _has(case: Case, index: int) -> bool:
    return case.label == index if isinstance(case.label, int) else case.label[index] == 1
