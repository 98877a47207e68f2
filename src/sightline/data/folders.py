"""A folder of class folders, with the masks in a parallel tree.

```
ROOT/<class>/<stem>.png             ROOT/masks/<class>/<stem>.png
ROOT/<split>/<class>/<stem>.png     ROOT/masks/<split>/<class>/<stem>.png
```

The class folders may also lie in `ROOT/images`; then `ROOT` or `ROOT/images` may be given, and the masks are still in
`ROOT/masks`. An image and its mask share the stem, not necessarily the suffix, and a mask may be any file of
`readers.masks`. Every image counts as a patient of its
own, since folders say nothing about patients: write the cohort as a table to state them.
"""

from collections.abc import Iterator
from pathlib import Path

from sightline.data.cohort import Case, Cohort
from sightline.data.readers.files import image_stem, is_image_file
from sightline.data.readers.masks import MASK_SUFFIX
from sightline.errors import DataError

MASKS, IMAGES = "masks", "images"


def read_class_folders(folder: Path) -> Cohort:
    """Read a multi-class cohort from class folders; classes are in alphabetical order.

    Raises:
        DataError: there are no class folders or no images, or a mask has no image.
    """
    root = folder.absolute()
    if root.name == IMAGES and (root.parent / MASKS).is_dir():
        root = root.parent
    images = root / IMAGES if (root / IMAGES).is_dir() else root
    places = list(_class_folders(images))
    classes = tuple(sorted({place.name for _, place in places}))
    cases: list[Case] = []
    for split, place in places:
        masks = _masks(root / MASKS / place.relative_to(images))
        for file in _image_files(place):
            name = file.relative_to(images).as_posix()
            cases.append(
                Case(name, file, classes.index(place.name), name, split=split, mask=masks.get(image_stem(file)))
            )
    if not cases:
        raise DataError(f"no images in {folder}: expected {folder.name}/<class>/<image>.png or a cohort.csv")
    cohort = Cohort(root, "multiclass", classes, tuple(cases))
    _no_mask_without_image(cohort)
    return cohort


def _class_folders(images: Path) -> Iterator[tuple[str, Path]]:
    """Yield split (empty where there is none) and folder of each class."""
    tops = _subfolders(images)
    is_split = {top: not any(_image_files(top)) and bool(_subfolders(top)) for top in tops}
    if any(is_split.values()) and not all(is_split.values()):
        inside = [top.name for top in tops if is_split[top]]
        raise DataError(
            f"cannot tell classes from splits: {', '.join(inside)} hold folders, the others images; "
            "use <class>/<image>.png or <split>/<class>/<image>.png throughout"
        )
    for top in tops:
        if is_split[top]:
            yield from ((top.name, place) for place in _subfolders(top))
        else:
            yield "", top


def _subfolders(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.is_dir() and f.name != MASKS and not f.name.startswith((".", "_")))


def _image_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if is_image_file(file))


def _masks(folder: Path) -> dict[str, Path]:
    return {image_stem(file): file for file in folder.iterdir() if _is_mask_file(file)} if folder.is_dir() else {}


def _is_mask_file(file: Path) -> bool:
    outlines = file.suffix.lower() == MASK_SUFFIX and not file.name.startswith(".") and file.is_file()
    return outlines or is_image_file(file)


def _no_mask_without_image(cohort: Cohort) -> None:
    used = {case.mask for case in cohort.cases}
    stray = sorted(file for file in (cohort.root / MASKS).rglob("*") if file not in used and _is_mask_file(file))
    if stray:
        more = f" (and {len(stray) - 1} more)" if len(stray) > 1 else ""
        raise DataError(f"{cohort.name(stray[0])}: mask without image{more}; add the image or remove the mask")
