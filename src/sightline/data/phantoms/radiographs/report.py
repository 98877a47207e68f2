"""A free-text report that says what is on a film, what is not, and how sure the reader is."""

from collections.abc import Sequence

import numpy as np

from sightline.data.phantoms.anatomy import RIGHT
from sightline.data.phantoms.radiographs.canvas import Finding, Place
from sightline.data.phantoms.radiographs.radiograph import Lesion, Radiograph

_FAINT = 0.22  # severity below which the reader hedges
_MASS_MM = 30  # a nodule of more than that is called a mass (Fleischner Society)

_PRESENT: dict[Finding, tuple[str, ...]] = {
    "consolidation": (
        "There is {extent} consolidation in the {where}.",
        "{Extent} airspace consolidation is seen in the {where}, with air bronchograms.",
        "{Extent} air space opacification in the {where} in keeping with consolidation.",
    ),
    "effusion": (
        "{Extent} {side} pleural {effusion} with blunting of the costophrenic {angle}.",
        "{Extent} {side} pleural {effusion}.",
        "Meniscus-shaped opacity at the {side} {base}, consistent with {extent} pleural {effusion}.",
    ),
    "nodule": (
        "A {size} pulmonary {noun} projects over the {where}.",
        "Rounded {noun} in the {where}, measuring {size}.",
        "There is a well-defined {size} {noun} in the {where}.",
    ),
    "pneumothorax": (
        "There is a {extent} {side} pneumothorax, the visceral pleural line lying up to {size} from the chest wall.",
        "{Extent} {side} apical pneumothorax ({size}).",
        "A visceral pleural line is seen at the {side} apex with no lung markings beyond it: {extent} pneumothorax.",
    ),
    "cardiomegaly": (
        "The cardiac silhouette is {extent}ly enlarged, with a cardiothoracic ratio of {ratio}.",
        "{Extent} cardiomegaly (CTR {ratio}).",
        "The heart is {extent}ly enlarged.",
    ),
}
_HEDGED: dict[Finding, tuple[str, ...]] = {
    "consolidation": (
        "Subtle opacity in the {where}, which may represent early consolidation.",
        "Faint patchy opacity in the {where}; developing consolidation cannot be excluded.",
    ),
    "effusion": (
        "Slight blunting of the {side} costophrenic {angle}, possibly trace pleural {effusion}.",
        "Probable trace {side} pleural {effusion}.",
    ),
    "nodule": (
        "Possible {size} {noun} in the {where}.",
        "Questionable nodular opacity of {size} in the {where}, suspicious for a {noun}.",
    ),
    "pneumothorax": (
        "Probable tiny {side} apical pneumothorax.",
        "Thin line at the {side} apex, suspicious for a small pneumothorax ({size}).",
    ),
    "cardiomegaly": (
        "The cardiac silhouette is borderline to mildly enlarged (CTR {ratio}), probable mild cardiomegaly.",
        "Suspected mild cardiomegaly.",
    ),
}
_ABSENT: dict[Finding, tuple[str, ...]] = {
    "consolidation": ("No focal consolidation.", "The lungs are free of consolidation.", "No airspace consolidation."),
    "effusion": ("No pleural effusion.", "No evidence of pleural effusion.", "There is no pleural effusion."),
    "nodule": ("No pulmonary nodule.", "No suspicious nodule or mass.", "No nodule is identified."),
    "pneumothorax": ("No pneumothorax.", "There is no pneumothorax.", "No evidence of pneumothorax."),
    "cardiomegaly": (
        "No cardiomegaly.",
        "Heart size is normal, without cardiomegaly.",
        "The cardiac silhouette is not enlarged.",
    ),
}
_CONCLUSION: dict[Finding, str] = {
    "consolidation": "{Extent} consolidation in the {where}",
    "effusion": "{Extent} {side} pleural {effusion}",
    "nodule": "{size} {noun} in the {where}",
    "pneumothorax": "{Extent} {side} pneumothorax",
    "cardiomegaly": "{Extent} cardiomegaly",
}
_ADVICE: dict[Finding, str] = {
    "consolidation": "Follow-up radiograph after treatment is suggested.",
    "nodule": "CT is recommended for further characterisation.",
    "pneumothorax": "Findings were communicated to the referring team.",
}
_EXTENTS: dict[Finding, tuple[str, str, str]] = {
    "consolidation": ("patchy", "moderate", "extensive"),
    "effusion": ("small", "moderate", "large"),
    "nodule": ("small", "moderate", "large"),
    "pneumothorax": ("small", "moderate", "large"),
    "cardiomegaly": ("mild", "moderate", "marked"),
}
_PAIRED = (
    (("effusion", "pneumothorax"), "No pleural effusion or pneumothorax."),
    (("consolidation", "effusion", "pneumothorax"), "No focal consolidation, pleural effusion or pneumothorax."),
)


def write_report(radiograph: Radiograph, rng: np.random.Generator) -> str:
    """Write a report.

    Every finding that is there is named in the findings and again in the impression, with its side, its place and,
    where it has one, its measure; slight ones are hedged. Every one that is not there is negated.

    Args:
        radiograph: what is reported.
        rng: chooses the phrasing; advanced.

    Returns:
        Text with the sections EXAMINATION, FINDINGS and IMPRESSION.
    """
    patient, lesions = radiograph.patient, radiograph.lesions
    view = {"PA": "Chest radiograph, PA view.", "AP": "Portable chest radiograph, AP view."}[patient.view]
    told = []
    for finding in rng.permutation(list(lesions)):
        words = _words(finding, lesions[finding], radiograph.ratio, rng)
        phrases = _HEDGED if lesions[finding].severity < _FAINT and rng.random() < 0.7 else _PRESENT
        told.append(_choose(phrases[finding], rng).format(**words))
    told += _negate([finding for finding in _ABSENT if finding not in lesions], rng)
    if patient.age > 65 and rng.random() < 0.6:
        told.append("Degenerative changes of the thoracic spine.")
    told.append(_choose(("The bony thorax is intact.", "No acute osseous abnormality.", ""), rng))
    conclusion = [_conclude(finding, lesion, radiograph, rng) for finding, lesion in lesions.items()]
    if not lesions:
        conclusion = [_choose(("No acute cardiopulmonary abnormality.", "Normal chest radiograph."), rng)]
    findings = " ".join(sentence for sentence in told if sentence)
    impression = "\n".join(f"{number}. {line}" for number, line in enumerate(conclusion, 1))
    return f"EXAMINATION: {view}\n\nFINDINGS: {findings}\n\nIMPRESSION:\n{impression}\n"


def _negate(absent: list[Finding], rng: np.random.Generator) -> list[str]:
    """Sentences that say what is not there, some of it together."""
    told = []
    for together, sentence in _PAIRED[:: 1 if rng.random() < 0.5 else -1]:
        if set(together) <= set(absent) and rng.random() < 0.6:
            told.append(sentence)
            absent = [finding for finding in absent if finding not in together]
    return told + [_choose(_ABSENT[finding], rng) for finding in absent]


def _conclude(finding: Finding, lesion: Lesion, radiograph: Radiograph, rng: np.random.Generator) -> str:
    line = _CONCLUSION[finding].format(**_words(finding, lesion, radiograph.ratio, rng))
    if lesion.severity < _FAINT and rng.random() < 0.7:
        line = f"Possible {line[0].lower()}{line[1:]}"
    advice = f" {_ADVICE[finding]}" if finding in _ADVICE and rng.random() < 0.5 else ""
    return f"{line}.{advice}"


def _words(finding: Finding, lesion: Lesion, ratio: float, rng: np.random.Generator) -> dict[str, str]:
    """What the phrases leave open."""
    extent = _EXTENTS[finding][int(np.clip(3 * lesion.severity, 0, 2))]
    largest = max((place.size_mm for place in lesion.places), default=0.0)
    noun = "mass" if largest > _MASS_MM else "nodule"
    if finding == "nodule" and len(lesion.places) > 1:
        noun = f"{noun}, the largest of several,"
    size = f"{largest:.0f} mm" if rng.random() < 0.5 else f"{largest / 10:.1f} cm"
    sides = sorted({_side(place) for place in lesion.places})
    both = len(sides) > 1
    return {
        "extent": extent,
        "Extent": extent.capitalize(),
        "noun": noun,
        "size": size,
        "ratio": f"{ratio:.2f}",
        "side": "bilateral" if both else "".join(sides),
        "angle": "angles" if both else "angle",
        "base": "bases" if both else "base",
        "effusion": "effusions" if both else "effusion",
        "where": _where(lesion.places),
    }


def _side(place: Place) -> str:
    return "right" if place.side == RIGHT else "left"


def _where(places: Sequence[Place]) -> str:
    """Such as `right middle and left lower zones`."""
    zones = list(dict.fromkeys(f"{_side(place)} {place.zone}" for place in places))
    return f"{' and '.join(zones)} zone{'s' if len(zones) > 1 else ''}"


def _choose(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]
