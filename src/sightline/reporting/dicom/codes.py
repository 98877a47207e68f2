"""Coded words: of DICOM (DCM), SNOMED CT (SCT) and UCUM where they have one, else of Sightline's own scheme.

A class is coded by its name. The few names that mean the same to everyone have their code of SNOMED CT; all others get
one of the own scheme, made from the name, so that it is the same for every model.
"""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from highdicom.sr import CodedConcept
    from pydicom import Dataset

SCHEME = "99SIGHTLINE"
SCHEME_UID = "2.25.132658929348435051653106350933011910635"
SCT_OF_CLASSES = {
    "atelectasis": ("46621007", "Atelectasis"),
    "consolidation": ("95436008", "Lung consolidation"),
    "covid-19": ("840539006", "COVID-19"),
    "covid19": ("840539006", "COVID-19"),
    "normal": ("17621005", "Normal"),
    "pleural effusion": ("60046008", "Pleural effusion"),
    "pneumonia": ("233604007", "Pneumonia"),
    "pneumothorax": ("36118008", "Pneumothorax"),
    "tuberculosis": ("56717001", "Tuberculosis"),
}
OWN = {  # code: meaning
    "RELEVANCE_INSIDE": "Share of absolute relevance inside the allowed region",
    "RELEVANCE_REGION": "Region that holds half of the positive relevance",
    "ALLOWED_REGION": "Region where the model may look",
}
_STANDARD = {
    "probability": ("122157", "DCM", "Probability"),
    "comment": ("121106", "DCM", "Comment"),
    "illustration": ("121080", "DCM", "Best illustration of finding"),
    "explanation": ("130401", "DCM", "Visual explanation"),
    "class_activation": ("130402", "DCM", "Class activation"),
    "grad_cam": ("130403", "DCM", "Gradient-weighted class activation"),
    "saliency": ("130404", "DCM", "Saliency"),
    "segment": ("121191", "DCM", "Referenced Segment"),
    "report": ("126000", "DCM", "Imaging Measurement Report"),
    "source": ("121322", "DCM", "Source image for image processing operation"),
    "family": ("123110", "DCM", "Artificial Intelligence"),
    "spatial": ("309825002", "SCT", "Spatial and Relational Concept"),
    "ct": ("77477000", "SCT", "Computed tomography"),
    "radiography": ("168537006", "SCT", "Plain radiography"),
    "imaging": ("363679005", "SCT", "Imaging"),
    "one": ("1", "UCUM", "no units"),
}
_PROCEDURES = {"CT": "ct", "CR": "radiography", "DX": "radiography"}
_ACTIVATIONS = ("cam", "hirescam", "layer_cam", "score_cam")
_GRADIENT_WEIGHTED = ("grad_cam", "grad_cam_plus_plus", "xgrad_cam")


def standard(word: str) -> "CodedConcept":
    """Return a code of a standard scheme by our word for it."""
    return _concept(*_STANDARD[word])


def own(code: str) -> "CodedConcept":
    """Return a code of the own scheme."""
    return _concept(code, SCHEME, OWN[code])


def class_code(name: str) -> "CodedConcept":
    """Return the code of a class by its name."""
    known = SCT_OF_CLASSES.get(" ".join(name.casefold().replace("_", " ").split()))
    if known:
        return _concept(known[0], "SCT", known[1])
    return _concept("C" + hashlib.sha256(name.encode()).hexdigest()[:12].upper(), SCHEME, words(name))


def quantity_code(method: str) -> "CodedConcept":
    """Return what the values of a method are: class activation, weighted by gradients or not, or else saliency."""
    word = "grad_cam" if method in _GRADIENT_WEIGHTED else "class_activation" if method in _ACTIVATIONS else "saliency"
    return standard(word)


def procedure_code(modality: str) -> "CodedConcept":
    """Return the kind of procedure of a modality."""
    return standard(_PROCEDURES.get(modality, "imaging"))


def scheme_item() -> "Dataset":
    """Return what identifies the own scheme (PS3.3 C.12.1.1.5, Coding Scheme Identification Sequence)."""
    from pydicom import Dataset

    item = Dataset()
    item.CodingSchemeDesignator = SCHEME
    item.CodingSchemeUID = SCHEME_UID
    item.CodingSchemeName = "Sightline"
    return item


def words(text: str, longest: int = 64) -> str:
    """Return text as a Long String (LO) may be: 64 bytes of UTF-8, of no backslash and nothing unprintable.

    The standard counts characters (PS3.5, 6.2), but some software counts bytes.
    """
    plain = " ".join("".join(sign if sign.isprintable() and sign != "\\" else " " for sign in text).split())
    return plain.encode()[:longest].decode(errors="ignore").rstrip() or "unnamed"


def _concept(value: str, scheme: str, meaning: str) -> "CodedConcept":
    from highdicom.sr import CodedConcept

    return CodedConcept(value=value, scheme_designator=scheme, meaning=meaning)
