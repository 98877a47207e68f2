"""What a heatmap gallery shows: images, and what each recipe saw in them."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

CONFIDENT = 0.9  # least probability of an answer that counts as sure


@dataclass(frozen=True)
class GalleryMap:
    """What one recipe saw in one image, by one method, for one class.

    Attributes:
        recipe: name of the recipe.
        attribution: signed explanation of the class explained, `(C, H, W)` or `(H, W)`, of the image's size.
        predicted: what the model answered.
        share_inside: share of the absolute relevance inside the region, 0 to 1; NaN when the region is unknown.
        probability: of the class explained, 0 to 1; None leaves it out.
        explained: class explained; empty for the predicted one.
        method: how the map was drawn, as the reader shall see it; may be empty.
        right: whether the answer was right; None compares it with the label of the row.
        truth_known: whether that can be told at all; where not, it does not count as wrong.
        confident: whether the model was sure; None asks for a probability of at least 0.9.
        image: where this map lies on another picture than that of the row, such as another slice of a volume.
        region: where the model may look for this class, if the row's region is not the right one.
        note: more to say under the map, such as the number of a slice.
    """

    recipe: str
    attribution: NDArray[Any]
    predicted: str
    share_inside: float = float("nan")
    probability: float | None = None
    explained: str = ""
    method: str = ""
    right: bool | None = None
    truth_known: bool = True
    confident: bool | None = None
    image: NDArray[Any] | None = None
    region: NDArray[Any] | None = None
    note: str = ""

    @property
    def of(self) -> str:
        """The class explained."""
        return self.explained or self.predicted

    def is_wrong(self, label: str) -> bool:
        """Whether the answer was wrong, given the label of the row."""
        return self.truth_known and not (self.predicted == label if self.right is None else self.right)

    def judged(self, label: str) -> str:
        """Say whether the answer was `right` or `wrong`, given the label of the row, or `not known`."""
        return ("wrong" if self.is_wrong(label) else "right") if self.truth_known else "not known"

    def is_confident(self) -> bool:
        """Whether the model was sure of its answer."""
        return (self.probability or 0.0) >= CONFIDENT if self.confident is None else self.confident


@dataclass(frozen=True)
class GalleryRow:
    """One image and what each recipe saw in it.

    Attributes:
        case: name of the image in its cohort.
        image: `(H, W)` or `(C, H, W)`; float in [0, 1], or unsigned whole numbers over their full range.
        label: true class.
        maps: any number of each recipe, which come in the same order in every row; the first of a recipe explains what
            it answered, and is the one shown before the reader asks for another.
        region: 1 where the model may look, `(H, W)` or `(1, H, W)`; None or NaN when unknown.
        condition: what was done to the image (`on`, `off`, `swapped`, or own words); may be empty.
        as_it_comes: whether it was chosen without asking a model.
        note: more to say about the image.
        labels: true classes one by one, where `label` names several or none; None for the one that it names.
    """

    case: str
    image: NDArray[Any]
    label: str
    maps: tuple[GalleryMap, ...]
    region: NDArray[Any] | None = None
    condition: str = ""
    as_it_comes: bool = True
    note: str = ""
    labels: tuple[str, ...] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """True classes one by one."""
        return (self.label,) if self.labels is None else self.labels

    @property
    def by_recipe(self) -> dict[str, list[GalleryMap]]:
        """Maps of each recipe, in order."""
        found: dict[str, list[GalleryMap]] = {}
        for shown in self.maps:
            found.setdefault(shown.recipe, []).append(shown)
        return found

    @property
    def worst_share(self) -> float:
        """Lowest share of relevance inside among recipes that are wrong or sure; 2 where none is, or none is known."""
        counted = (
            maps[0].share_inside
            for maps in self.by_recipe.values()
            if maps[0].is_wrong(self.label) or maps[0].is_confident()
        )
        return min((share for share in counted if share == share), default=2.0)
