import pytest

from sightline.data.cohort_recipes import cohort_recipes, read_recipe

EXPECTED = {  # what the papers counted
    "chexpert_mimic": (
        *("chexpert: 112,179 images", "chexpert, Atelectasis: 29,795 images", "chexpert, Consolidation: 13,015 images"),
        *("chexpert, Edema: 49,717 images", "chexpert, No Finding: 17,000 images", "chexpert, Pneumonia: 4,683 images"),
        *("chexpert, Pneumothorax: 17,700 images", "ood: 2,265 images", "ood, Atelectasis: 763 images"),
        *("ood, Consolidation: 210 images", "ood, Edema: 722 images", "ood, No Finding: 593 images"),
        *("ood, Pneumonia: 340 images", "ood, Pneumothorax: 108 images"),
    ),
    "covid19": (
        *("brixia: 4,644 images", "brixia: 2,315 patients", "brixia, train: 3,483 images"),
        *("chexpert, Normal: 4,644 images", "chexpert, Normal: 4,644 patients"),
        *("chexpert, Pneumonia: 4,644 images", "chexpert, Pneumonia: 3,899 patients"),
        *("ood, COVID-19: 1,515 images", "ood, COVID-19: 1,145 patients", "ood, Pneumonia: 1,295 images"),
        *("ood, Pneumonia: 941 patients", "ood, Normal: 370 images"),
    ),
    "facial_attributes": ("all: 30,000 images", "train: 24,183 images", "val: 2,993 images", "test: 2,824 images"),
    "gaze": ("all: 1,017 images",),
    "gaze_983_100": ("all: 1,083 images", "test: 100 images"),
    "pneumothorax": (
        *("all: 7,200 images", "Pneumothorax: 3,600 images", "train: 7,000 images", "val: 1,000 images"),
        "test: 1,000 images",
    ),
    "tuberculosis": (
        *("tb_portals: 6,728 images", "tb_portals: 4,227 patients", "chexpert: 6,728 images"),
        *("ood, Normal: 370 images", "ood, Tuberculosis: 383 images"),
    ),
}
SIX = ["Atelectasis", "Consolidation", "Edema", "No Finding", "Pneumonia", "Pneumothorax"]
SURE = {"uncertain": "negative", "blank": "negative"}
RULES = {  # recipe, source: options of its adapter, how many are drawn, how it is split
    ("chexpert_mimic", "chexpert"): (
        {**SURE, "views": ["AP", "PA", "LL", "RL"], "classes": SIX, "only": "positive"},
        {},
        {"train": 0.75, "val": 0.25},
    ),
    ("chexpert_mimic", "mimic_cxr_jpg"): (
        {**SURE, "views": ["AP", "PA"], "splits": ["test"], "classes": SIX, "only": "positive"},
        {},
        "ood",
    ),
    ("covid19", "brixia"): ({"min_score": 1}, {}, {"train": 0.75, "val": 0.25}),
    ("covid19", "chexpert"): (
        {**SURE, "views": ["AP", "PA"], "min_age": 18},
        {"Normal": 4644, "Pneumonia": 4644},
        {"train": 0.75, "val": 0.25},
    ),
    ("covid19", "bimcv_covid19"): (
        {"findings": ["COVID 19"], "views": ["AP", "PA"], "with_header": True},
        {},
        "ood",
    ),
    ("covid19", "chestxray14"): ({"min_age": 18}, {}, "ood"),
    ("covid19", "montgomery"): ({"classes": ["Normal"], "min_age": 18}, {}, "ood"),
    ("covid19", "shenzhen"): ({"classes": ["Normal"], "min_age": 18}, {}, "ood"),
    ("facial_attributes", "celeba"): ({"attributes": ["Rosy_Cheeks", "High_Cheekbones", "Smiling"]}, {}, "own"),
    ("gaze", "egd_cxr"): ({}, {}, {"train": 0.8, "val": 0.1, "test": 0.1}),
    ("gaze_983_100", "egd_cxr"): ({}, {}, {"train": 0.8172, "val": 0.0905, "test": 0.0923}),
    ("pneumothorax", "siim_pneumothorax"): (
        {"balanced": True},
        {},
        {"train": 0.77777778, "val": 0.11111111, "test": 0.11111111},
    ),
    ("tuberculosis", "tb_portals"): (
        {"diagnoses": ["A15.0", "A15.1", "A15.2"], "min_age": 18},
        {},
        {"train": 0.7, "val": 0.2, "test": 0.1},
    ),
    ("tuberculosis", "chexpert"): (
        {**SURE, "views": ["AP", "PA"], "min_age": 18},
        {"Normal": 6728},
        {"train": 0.7, "val": 0.2, "test": 0.1},
    ),
    ("tuberculosis", "montgomery"): ({"min_age": 18}, {}, "ood"),
    ("tuberculosis", "shenzhen"): ({"min_age": 18}, {}, "ood"),
}


@pytest.mark.parametrize("name", cohort_recipes())
def test_recipes_have_the_rules_and_counts_of_the_papers(name: str) -> None:
    recipe = read_recipe(name)
    rules = {(name, key): (source.options, source.draw, source.split) for key, source in recipe.sources.items()}
    assert rules == {key: rule for key, rule in RULES.items() if key[0] == name}
    told = []
    for count in recipe.expected:
        place = ", ".join(part for part in (count.source, count.split, count.of) if part) or "all"
        told += [f"{place}: {n:,} {unit}" for unit in ("images", "patients") if (n := getattr(count, unit))]
    assert tuple(told) == EXPECTED[name]
