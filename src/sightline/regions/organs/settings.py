"""What steers the partition of a chest CT into organs; lengths are in mm, so that they hold at any spacing."""

from dataclasses import dataclass, field
from typing import Literal

from sightline.errors import SettingsError

RIGHT_LUNG, MEDIASTINUM, LEFT_LUNG = 1, 2, 3  # codes of a partition


@dataclass(frozen=True)
class QualityLimits:
    """Beyond which a partition is not to be trusted; the first four are ours, the last two the paper's.

    Attributes:
        least_lung_ml: smallest volume of each lung, ml.
        most_lung_ml: largest volume of each lung, ml.
        least_share: smallest share of both lungs that the smaller one has.
        least_width_mm: smallest width of the box around both lungs.
        right_start_mm: largest distance of the box from the right border of the slices; the paper's 130 pixels of
            0.8 mm are 104 mm. None asks for none: it depends on the field of view.
        left_end_mm: smallest distance of the box's left side from the right border of the slices; the paper's 300
            pixels of 0.8 mm are 240 mm.
    """

    least_lung_ml: float = 300.0
    most_lung_ml: float = 6000.0
    least_share: float = 0.15
    least_width_mm: float = 150.0
    right_start_mm: float | None = None
    left_end_mm: float | None = None


PAPER_LIMITS = QualityLimits(
    least_lung_ml=0, most_lung_ml=1e9, least_share=0, least_width_mm=0, right_start_mm=104.0, left_end_mm=240.0
)


@dataclass(frozen=True)
class OrganSettings:
    """How a chest CT is parted into right lung, mediastinum and left lung.

    Attributes:
        steps: `robust` or the four steps of the `paper`.
        threshold_hu: air lies below. -400 is halfway between lung (-850) and muscle (+50), where a blurred border lies;
            the paper has -300.
        least_volume_mm3: what is smaller is no lung to the paper, and to `robust` only where it is not gas.
        split: `components` gives each connected part the side it lies on and cuts lungs that touch at their waist;
            `middle` cuts at the middle column of the volume, as the paper does.
        gas_hu: of `robust`: gas of airways and bowel lies below.
        airway_mm2: of `robust`: a section up to this area is an airway's if half of it is gas; a larger one is no lung
            if nine tenths are.
        least_part_mm3: of `robust`: smaller parts are left out.
        fill_mm2: of `robust`: holes of a lung's section up to this area are filled: vessels, nodules, masses.
        closing_mm: of `robust`: notches of a lung's section up to twice this width are filled.
        quality: when the partition is not to be trusted.
    """

    steps: Literal["robust", "paper"] = "robust"
    threshold_hu: float = -400.0
    least_volume_mm3: float = 512_000.0
    split: Literal["components", "middle"] = "components"
    gas_hu: float = -950.0
    airway_mm2: float = 1200.0
    least_part_mm3: float = 30_000.0
    fill_mm2: float = 1500.0
    closing_mm: float = 8.0
    quality: QualityLimits = field(default_factory=QualityLimits)

    def __post_init__(self) -> None:
        if not self.gas_hu < self.threshold_hu:
            raise SettingsError(f"gas_hu must be below threshold_hu, got {self.gas_hu} and {self.threshold_hu}")
        for name in ("least_volume_mm3", "airway_mm2", "least_part_mm3", "fill_mm2", "closing_mm"):
            if not getattr(self, name) >= 0:
                raise SettingsError(f"{name} must not be negative, got {getattr(self, name)}")


PAPER = OrganSettings(steps="paper", threshold_hu=-300.0, split="middle", quality=PAPER_LIMITS)
