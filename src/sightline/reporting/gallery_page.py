"""The heatmap gallery of a page: each image once, each map once, laid over each other by the browser."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.errors import ShapeError
from sightline.reporting import words
from sightline.reporting.colours import LEVELS, Kind, map_levels, map_png, over_ground
from sightline.reporting.gallery import SMOOTH, check_gallery
from sightline.reporting.gallery_rows import GalleryMap, GalleryRow
from sightline.reporting.outline import LONGEST, outline_path
from sightline.reporting.overlay import heatmap_overlay, image_png, signed_map
from sightline.reporting.page import data_address

IMAGE_SIDE, MAP_SIDE = 320, 128  # pixels; a tile is about 250 CSS pixels wide


@dataclass(frozen=True)
class Picture:
    """An image that maps are laid over.

    Attributes:
        name: its id in the page.
        address: data address.
        width: in units of the drawing.
        height: likewise.
    """

    name: str
    address: str
    width: int
    height: int


@dataclass(frozen=True)
class Layer:
    """One map as the page needs it.

    Attributes:
        shown: what it shows.
        main: whether it is the first of its recipe, which explains the answer.
        kind: of its colours.
        address: data address.
        picture: what it lies over.
        outline: id of the region's edge; empty for none.
        alt: the map in words.
        judged: whether the answer is `right`, `wrong`, or that is `not known`.
        probability: of the class explained, as text; may be empty.
        share: share of relevance inside the region, as text; empty when unknown.
        bar: the same in per cent, for the bar.
    """

    shown: GalleryMap
    main: bool
    kind: Kind
    address: str
    picture: Picture
    outline: str
    alt: str
    judged: str
    probability: str
    share: str
    bar: float


@dataclass(frozen=True)
class GalleryCase:
    """One row of the gallery as the page needs it.

    Attributes:
        row: what it shows.
        place: its place as it comes.
        pictures: images, the row's own first.
        outlines: edges of regions, by id.
        outline: id of the edge of its own region; empty for none.
        recipes: maps by recipe.
    """

    row: GalleryRow
    place: int
    pictures: tuple[Picture, ...]
    outlines: dict[str, str]
    outline: str
    recipes: dict[str, tuple[Layer, ...]]


@dataclass(frozen=True)
class Gallery:
    """A gallery and what its switches offer.

    Attributes:
        cases: worst first.
        recipes, methods, classes, labels, conditions: by which it can be filtered, in reading order.
        outlined: whether any region has an edge.
        ordered: whether there is a worst case: an answer that is wrong or sure, with a known share inside.
        several: whether some cases were chosen by what the models answered.
        switchable: whether other classes than the answer were explained.
        kinds: whether the maps of each method have a sign.
    """

    cases: tuple[GalleryCase, ...]
    recipes: tuple[str, ...]
    methods: tuple[str, ...]
    classes: tuple[str, ...]
    labels: tuple[str, ...]
    conditions: tuple[str, ...]
    outlined: bool
    ordered: bool
    several: bool
    switchable: bool
    kinds: dict[str, Kind]

    @property
    def ramps(self) -> dict[Kind, str]:
        """Colours of each kind from one end to the other, as a background of the style sheet."""
        return {kind: _ramp(kind) for kind in self.kinds.values()}


def make_gallery(rows: Sequence[GalleryRow], *, region_name: str = "the region") -> Gallery:
    """Bring rows into the form of the page, the worst first; those without a known share keep their order at the end.

    Raises:
        DataError: there is no row, or the rows show different recipes.
        ShapeError: a map or region has another size than its image.
    """
    recipes = check_gallery(rows)
    kinds = _kinds(rows)
    cases = [_case(row, place, kinds, region_name) for place, row in enumerate(rows)]
    maps = [shown for row in rows for shown in row.maps]
    return Gallery(
        tuple(sorted(cases, key=lambda case: case.row.worst_share)),
        recipes,
        _unique(shown.method for shown in maps),
        _unique(shown.of for shown in maps),
        _unique(name for row in rows for name in row.classes),
        _unique(row.condition for row in rows if row.condition),
        any(case.outlines for case in cases),
        any(row.worst_share <= 1 for row in rows),
        not all(row.as_it_comes for row in rows),
        any(shown.of != maps[0].of for row in rows for maps in row.by_recipe.values() for shown in maps),
        kinds,
    )


def _kinds(rows: Sequence[GalleryRow]) -> dict[str, Kind]:
    """Tell which methods draw maps with a sign."""
    found: dict[str, Kind] = {}
    for shown in (shown for row in rows for shown in row.maps):
        known = found.setdefault(shown.method, "unsigned")
        if known == "unsigned" and signed_map(shown.attribution).min(initial=0.0) < 0:
            found[shown.method] = "signed"
    return found


def _ramp(kind: Kind) -> str:
    stops = over_ground(kind)[np.linspace(0, LEVELS - 1, 9).round().astype(int)]
    return f"linear-gradient(90deg, {', '.join('rgb({} {} {})'.format(*stop) for stop in stops)})"


class _Store:
    """Gives every image and every edge of a case one id, and works each out once."""

    def __init__(self, case: str) -> None:
        self._case = case
        self._pictures: dict[bytes, Picture] = {}
        self._edges: dict[bytes, str] = {}
        self.outlines: dict[str, str] = {}

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All images, in the order they came."""
        return tuple(self._pictures.values())

    def picture(self, image: NDArray[Any]) -> Picture:
        """Keep an image, as grey as the figures show it."""
        key = np.asarray(image).tobytes()
        if key not in self._pictures:
            high, wide = np.shape(image)[-2:]
            drawn = heatmap_overlay(image, size=min(IMAGE_SIDE, max(high, wide)))
            sides = (round(side * LONGEST / max(high, wide)) for side in (wide, high))
            name = f"{self._case}-image-{len(self._pictures)}"
            self._pictures[key] = Picture(name, data_address(image_png(drawn[..., 0])), *sides)
        return self._pictures[key]

    def outline(self, region: NDArray[Any] | None) -> str:
        """Keep the edge of a region; return its id, empty where there is none."""
        if region is None:
            return ""
        key = np.asarray(region, dtype=float).tobytes()
        if key not in self._edges:
            path = outline_path(region)
            self._edges[key] = f"{self._case}-edge-{len(self.outlines)}" if path else ""
            if path:
                self.outlines[self._edges[key]] = path
        return self._edges[key]


def _case(row: GalleryRow, place: int, kinds: Mapping[str, Kind], region_name: str) -> GalleryCase:
    store = _Store(f"case-{place}")
    store.picture(row.image)
    edge = store.outline(row.region)
    recipes = {
        recipe: tuple(
            _layer(row, shown, index == 0, kinds[shown.method], store, region_name) for index, shown in enumerate(maps)
        )
        for recipe, maps in row.by_recipe.items()
    }
    return GalleryCase(row, place, store.pictures, store.outlines, edge, recipes)


def _layer(row: GalleryRow, shown: GalleryMap, main: bool, kind: Kind, store: _Store, region_name: str) -> Layer:
    image = row.image if shown.image is None else shown.image
    region = shown.region if shown.region is not None else row.region if shown.image is None else None
    _check_sizes(image, shown, region)
    share = shown.share_inside
    return Layer(
        shown,
        main,
        kind,
        data_address(map_png(map_levels(shown.attribution, kind, side=MAP_SIDE, smooth=SMOOTH), kind)),
        store.picture(image),
        store.outline(region),
        words.describe_map(row, shown, region_name),
        shown.judged(row.label),
        "" if shown.probability is None else words.percent(shown.probability),
        "" if share != share else words.percent(share),
        0.0 if share != share else 100 * share,
    )


def _check_sizes(image: NDArray[Any], shown: GalleryMap, region: NDArray[Any] | None) -> None:
    size = np.shape(image)[-2:]
    for name, part in (("attribution", shown.attribution), ("region", region)):
        if part is not None and np.shape(part)[-2:] != size:
            raise ShapeError(f"{name} must have the image's height and width {size}, got {np.shape(part)}")


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
