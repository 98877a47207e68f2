"""The 80 labels of the study from what a report tells, and the organs that each may be in."""

from collections.abc import Mapping

from sightline.errors import SettingsError
from sightline.regions.allowed import LUNG_ONLY, ORGANS, PLACES, STUDY_LABELS, organs_of_label
from sightline.regions.reports.label import ReportLabels

_USUAL = {"lung": "lung", "heart": "heart", "vessel": "h_great_vessel", "mediastinum": "h_mediastinum"}


def study_values(labels: ReportLabels) -> dict[str, tuple[float, str]]:
    """Tell of each of the 80 labels whether it is there, and in which organs.

    A finding counts in the region of a label if the report has it there. In the lungs it need not tell the side: both
    are meant then. A finding of which no place at all is told counts where it usually is, a nodule in the lungs.

    Args:
        labels: of a report, by the vocabulary `ct`.

    Returns:
        By name of the label, in the order of the study: 1, 0 or NaN (not known), and the codes of the organs that it
        may be in, such as `1+3` (1 right lung, 2 mediastinum, 3 left lung), empty if it is not there.

    Raises:
        SettingsError: the vocabulary lacks findings of the study.
    """
    missing = sorted({label.finding for label in STUDY_LABELS.values()} - set(labels.findings))
    if missing:
        raise SettingsError(f"the 80 labels need the vocabulary ct; this one has no {missing[0]!r}")
    found = {name: (labels.value(name), labels.where(name)) for name in labels.findings}
    values = {}
    for name, label in STUDY_LABELS.items():
        value, places = found[label.finding]
        if value == 1 and not _is_in(label.region, label.finding, places, labels.usual):
            value = 0.0
        values[name] = (value, organ_codes(name, places) if value == 1 else "")
    return values


def organ_codes(label: str, places: frozenset[str]) -> str:
    """Codes of the organs that a present label may be in, as `1+3`."""
    return "+".join(str(ORGANS.index(organ) + 1) for organ in organs_of_label(label, places))


def _is_in(region: str, finding: str, places: frozenset[str], usual: Mapping[str, str]) -> bool:
    if not places:
        return _USUAL.get(usual.get(finding, "")) == region
    return bool(places & PLACES[region]) or (region == "lung" and ("lung" in places or finding in LUNG_ONLY))


def coarse_places(labels: ReportLabels, finding: str) -> frozenset[str]:
    """Return where a present finding is in a few words: what the labels of the study can tell apart.

    Returns:
        Some of `right_lung`, `left_lung`, `lung` (no side is told), `heart`, `great_vessel` and `mediastinum`;
        `elsewhere` if none of these.
    """
    places = labels.where(finding)
    usual = labels.usual.get(finding, "")
    if not places and usual:
        return frozenset({"great_vessel" if usual == "vessel" else usual})
    coarse = {f"{side}_lung" for side in ("right", "left") if f"{side}_lung" in places}
    if "lung" in places and not coarse:
        coarse.add("lung")
    coarse |= {region.removeprefix("h_") for region in PLACES if region != "lung" and places & PLACES[region]}
    return frozenset(coarse or {"elsewhere"})
