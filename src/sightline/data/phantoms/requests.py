"""What is asked of a phantom or of a cohort of them, checked before anything is made."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from sightline.errors import DataError, SettingsError

Finding = TypeVar("Finding", bound=str)
SPLITS = ("train", "val", "test", "ood")


def check_request(folder: Path, counts: Mapping[str, int], seed: int) -> None:
    """Check what is asked of a cohort.

    Raises:
        SettingsError: a split is unknown, a count or the seed negative, or no patient asked for.
        DataError: the folder holds a cohort already.
    """
    unknown = [split for split in counts if split not in SPLITS]
    if unknown:
        raise SettingsError(f"counts must be of the splits {', '.join(SPLITS)}, got {unknown[0]!r}")
    if seed < 0:
        raise SettingsError(f"seed must be 0 or more, got {seed}")
    if min(counts.values(), default=0) < 0 or not sum(counts.values()):
        raise SettingsError(f"counts must be 0 or more and not all 0, got {dict(counts)}")
    if (folder / "cohort.csv").exists():
        raise DataError(f"{folder} holds a cohort already; choose another folder or delete it")


def check_patient(severities: Mapping[Finding, float], findings: Sequence[Finding], size: int) -> None:
    """Check what is asked of one patient.

    Args:
        severities: of each finding that is to be there.
        findings: all that are known.
        size: pixels along each side.

    Raises:
        SettingsError: a finding is unknown, a severity out of its range, or the size too small.
    """
    for finding, severity in severities.items():
        if finding not in findings:
            raise SettingsError(f"findings must be of {', '.join(findings)}, got {finding!r}")
        if not 0 <= severity <= 1:
            raise SettingsError(f"severity of {finding} must be between 0 and 1, got {severity}")
    if size < 32:
        raise SettingsError(f"size must be at least 32 pixels for a chest to be seen, got {size}")


def check_share(share: float, name: str) -> None:
    """Check that a setting lies between 0 and 1.

    Raises:
        SettingsError: it does not.
    """
    if not 0 <= share <= 1:
        raise SettingsError(f"{name} must be between 0 and 1, got {share}")
