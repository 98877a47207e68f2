"""A free-text report of a scan: what is there, with side, place and measure, and what is not. Nothing is left in doubt.

What is there is told in the findings and again in the impression; what is not is denied, has resolved since, or is not
mentioned. All else that is told holds of every phantom. Words are chosen by a generator.
"""

from collections.abc import Sequence

import numpy as np

from sightline.data.phantoms.anatomy import RIGHT
from sightline.data.phantoms.ct.lesions import CT_FINDINGS, CTFinding, Place
from sightline.data.phantoms.ct.volume import CTLesion, CTPhantom

CONTRAST_HU = 80  # blood of more than that was given contrast medium
_MASS_MM = 30  # a nodule of more than that is called a mass (Fleischner Society)
_SILENT, _COMPARED = 0.2, 0.5  # chances of not mentioning what is not there, and of an earlier scan

_PRESENT: dict[CTFinding, tuple[str, ...]] = {
    "consolidation": (
        "There is {extent} consolidation in the {where}{since}.",
        "{Extent} airspace consolidation with air bronchograms in the {where}{since}.",
        "{Extent} consolidative opacity involves the {where}{since}.",
    ),
    "ground_glass": (
        "{Extent} ground-glass opacities in the {where}{since}.",
        "There is {extent} ground glass opacity in the {where}{since}.",
        "Hazy ground-glass attenuation of the {where}{since}, through which vessels remain visible.",
    ),
    "effusion": (
        "{Extent} {side} pleural {effusion}, up to {size} deep{since}.",
        "There {is} {article}{extent} {side} pleural {effusion}{since}.",
        "Layering fluid in the {side} pleural {space}, consistent with {article}{extent} pleural {effusion}{since}.",
    ),
    "nodule": (
        "{Pieces}{since}.",
        "There {is_piece} {pieces}{since}.",
        "Solid pulmonary lesions: {pieces}{since}.",
    ),
    "coronary_calcification": (
        "{Extent} coronary artery calcification{since}.",
        "{Extent} calcified plaque of the coronary arteries{since}.",
        "There is {extent} calcification of the coronary arteries{since}.",
    ),
    "hiatal_hernia": (
        "{Extent} hiatal hernia measuring {size}{since}.",
        "There is a {extent} hiatal hernia that contains gas and fluid{since}.",
        "{Extent} hiatus hernia behind the heart, {size} across{since}.",
    ),
}
_ABSENT: dict[CTFinding, tuple[str, ...]] = {
    "consolidation": ("No consolidation.", "No focal airspace consolidation.", "The lungs are free of consolidation."),
    "ground_glass": ("No ground-glass opacity.", "No ground glass opacities are seen.", "No ground-glass attenuation."),
    "effusion": ("No pleural effusion.", "There is no pleural effusion on either side.", "The pleural spaces are dry."),
    "nodule": ("No pulmonary nodule.", "No suspicious pulmonary nodule or mass.", "No lung nodules are identified."),
    "coronary_calcification": ("No coronary artery calcification.", "The coronary arteries are free of calcification."),
    "hiatal_hernia": ("No hiatal hernia.", "There is no hiatal hernia."),
}
_RESOLVED: dict[CTFinding, str] = {
    "consolidation": "The previously described consolidation has resolved.",
    "ground_glass": "The previously described ground-glass opacities have resolved.",
    "effusion": "The previously described pleural effusion has resolved.",
}
_TOGETHER: tuple[tuple[tuple[CTFinding, ...], str], ...] = (
    (("consolidation", "ground_glass", "nodule"), "The lungs are clear."),
    (("consolidation", "ground_glass"), "No consolidation or ground-glass opacity."),
    (("effusion",), "No pleural effusion or pneumothorax."),
    (("effusion",), "No pleural or pericardial effusion."),
)
_CONCLUSION: dict[CTFinding, str] = {
    "consolidation": "{Extent} consolidation in the {where}",
    "ground_glass": "{Extent} ground-glass opacities in the {where}",
    "effusion": "{Extent} {side} pleural {effusion}",
    "nodule": "{Pieces}",
    "coronary_calcification": "{Extent} coronary artery calcification",
    "hiatal_hernia": "{Extent} hiatal hernia",
}
_EXTENTS: dict[CTFinding, tuple[str, str, str]] = {
    "consolidation": ("patchy", "moderate", "extensive"),
    "ground_glass": ("mild", "moderate", "extensive"),
    "effusion": ("small", "moderate", "large"),
    "nodule": ("", "", ""),
    "coronary_calcification": ("mild", "moderate", "severe"),
    "hiatal_hernia": ("small", "moderate", "large"),
}
_NORMAL: dict[str, tuple[str, ...]] = {  # true of every phantom
    "Lungs and pleura": ("The central airways are patent.", "No pneumothorax.", "No endobronchial lesion."),
    "Heart and mediastinum": (
        "The heart is not enlarged.",
        "No pericardial effusion.",
        "The thoracic aorta is of normal calibre.",
        "No enlarged mediastinal, hilar or axillary lymph nodes.",
    ),
    "Upper abdomen": ("The imaged liver and spleen are unremarkable.", "The upper abdomen is unremarkable."),
    "Bones and chest wall": ("No suspicious osseous lesion.", "No rib fracture.", "The thoracic spine is intact."),
}
_SECTION: dict[CTFinding, str] = dict.fromkeys(CT_FINDINGS, "Lungs and pleura") | dict.fromkeys(
    ("coronary_calcification", "hiatal_hernia"), "Heart and mediastinum"
)


def write_report(phantom: CTPhantom, rng: np.random.Generator) -> str:
    """Write a report.

    Args:
        phantom: what is reported.
        rng: chooses the phrasing; advanced.

    Returns:
        Text with the sections EXAMINATION, COMPARISON, FINDINGS and IMPRESSION.
    """
    lesions, compared = phantom.lesions, bool(rng.random() < _COMPARED)
    medium = "with" if phantom.blood_hu > CONTRAST_HU else "without"
    told: dict[str, list[str]] = {section: [] for section in _NORMAL}
    for finding in rng.permutation(list(lesions)):
        sentence = _choose(_PRESENT[finding], rng).format(**_words(finding, lesions[finding], rng, compared=compared))
        told[_SECTION[finding]].append(sentence)
    for finding, sentence in _deny([one for one in CT_FINDINGS if one not in lesions], rng, compared=compared):
        told[_SECTION[finding]].append(sentence)
    for section, sentences in _NORMAL.items():
        least = 0 if told[section] else 1
        told[section] += [str(one) for one in rng.permutation(sentences)[: rng.integers(least, 3)]]
    headed = rng.random() < 0.6
    lines = [f"{section}: {' '.join(each)}" if headed else " ".join(each) for section, each in told.items() if each]
    conclusion = [
        _CONCLUSION[finding].format(**_words(finding, lesion, rng, compared=False)) + "."
        for finding, lesion in lesions.items()
    ] or [_choose(("No acute cardiopulmonary abnormality.", "Normal CT of the chest."), rng)]
    return (
        f"EXAMINATION: CT of the chest {medium} intravenous contrast medium.\n\n"
        f"COMPARISON: {_choose(('Earlier CT of the chest.', 'Prior CT.'), rng) if compared else 'None.'}\n\n"
        f"FINDINGS:\n{chr(10).join(lines)}\n\n"
        f"IMPRESSION:\n{chr(10).join(f'{number}. {line}' for number, line in enumerate(conclusion, 1))}\n"
    )


def _deny(absent: Sequence[CTFinding], rng: np.random.Generator, *, compared: bool) -> list[tuple[CTFinding, str]]:
    """Sentences on what is not there, some of it together, some passed over."""
    told, left = [], list(absent)
    for index in rng.permutation(len(_TOGETHER)):
        together, sentence = _TOGETHER[index]
        if set(together) <= set(left) and rng.random() < 0.3:
            told.append((together[0], sentence))
            left = [finding for finding in left if finding not in together]
    for finding in left:
        if compared and finding in _RESOLVED and rng.random() < 0.2:
            told.append((finding, _RESOLVED[finding]))
        elif rng.random() > _SILENT:
            told.append((finding, _choose(_ABSENT[finding], rng)))
    return told


def _words(finding: CTFinding, lesion: CTLesion, rng: np.random.Generator, *, compared: bool) -> dict[str, str]:
    """What the phrases leave open."""
    extent = _EXTENTS[finding][int(np.clip(3 * lesion.severity, 0, 2))]
    sides = sorted({place.side for place in lesion.places})
    both = len(sides) > 1
    pieces = _pieces(lesion.places, rng) if finding == "nodule" else ""
    since = _choose((", unchanged", ", new since the prior examination", ", increased", ""), rng) if compared else ""
    return {
        "extent": extent,
        "Extent": extent.capitalize(),
        "size": _size(max(place.size_mm for place in lesion.places), rng),
        "side": "bilateral" if both else "right" if sides == [RIGHT] else "left",
        "effusion": "effusions" if both else "effusion",
        "space": "spaces" if both else "space",
        "is": "are" if both else "is",
        "article": "" if both else "a ",
        "where": _join([*dict.fromkeys(place.lobe for place in lesion.places)]),
        "pieces": pieces,
        "Pieces": pieces[:1].upper() + pieces[1:],
        "is_piece": "are" if len(lesion.places) > 1 else "is",
        "since": since,
    }


def _pieces(places: Sequence[Place], rng: np.random.Generator) -> str:
    """Such as `a 14 mm nodule in the right upper lobe and a 9 mm nodule in the left lower lobe`."""
    return _join(
        [
            f"a {_size(place.size_mm, rng)} {'mass' if place.size_mm > _MASS_MM else 'nodule'} in the {place.lobe}"
            for place in places
        ]
    )


def _size(size_mm: float, rng: np.random.Generator) -> str:
    return f"{size_mm:.0f} mm" if rng.random() < 0.5 else f"{size_mm / 10:.1f} cm"


def _join(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _choose(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]
