import pytest

from sightline.regions.organs import PAPER_LIMITS, QualityLimits
from sightline.regions.organs.quality import judge

BOX = (slice(10, 90), slice(40, 200), slice(50, 390))
SPACING = (0.8, 0.8, 0.8)


@pytest.mark.parametrize(
    ("right", "left", "reasons"),
    [
        (2500, 2100, ()),
        (2500, 200, ("left lung 200 ml", "the smaller lung has 7% of both")),
        (7000, 2100, ("right lung 7000 ml",)),
        (0, 2100, ("right lung 0 ml", "the smaller lung has 0% of both")),
    ],
)
def test_volumes_are_judged(right: float, left: float, reasons: tuple[str, ...]) -> None:
    quality = judge(right, left, BOX, SPACING, QualityLimits())
    assert quality.reasons == reasons
    assert quality.passed == (not reasons)


def test_no_lung_does_not_pass() -> None:
    assert judge(0, 0, None, SPACING, QualityLimits()).reasons == ("no lung found",)


@pytest.mark.parametrize(
    ("start", "stop", "reasons"),
    [
        (130, 300, ()),
        (131, 390, ("lungs start 105 mm from the right border",)),
        (55, 299, ("lungs end 239 mm from the right border",)),
    ],
)
def test_limits_of_the_paper_are_130_and_300_pixels_of_08_mm(start: int, stop: int, reasons: tuple[str, ...]) -> None:
    box = (slice(0, 9), slice(0, 9), slice(start, stop))
    assert judge(1, 0, box, SPACING, PAPER_LIMITS).reasons == reasons


def test_narrow_lungs_do_not_pass() -> None:
    box = (slice(0, 9), slice(0, 9), slice(0, 100))
    assert judge(900, 900, box, SPACING, QualityLimits()).reasons == ("lungs 80 mm wide",)
