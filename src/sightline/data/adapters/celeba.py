"""CelebA in the wild with the face masks of CelebAMask-HQ, put back onto the photos."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.layout import find, found_in, keep_present
from sightline.data.adapters.mask_files import Mask, write_mask
from sightline.data.adapters.rules import Only, keep_labelled, labelled
from sightline.data.adapters.selection import Selection
from sightline.data.cohort import Case, did_you_mean
from sightline.data.images import Array
from sightline.data.readers.picture import picture_size, read_picture
from sightline.errors import DataError, DataNotFoundError, SettingsError
from sightline.regions.celeba_geometry import aligned_square, onto_photo

PARTS = (
    *("skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth", "u_lip", "l_lip"),
    *("hair", "hat", "ear_r", "neck_l", "neck", "cloth"),  # eye_g: glasses; ear_r: earring; neck_l: necklace
)
FACE = PARTS[:12]
_POINTS = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
_PER_FOLDER = 2000
_FIRST_VAL, _FIRST_TEST = 162_771, 182_638  # orig_idx


@dataclass(frozen=True)
class CelebA(Adapter):
    """The photos of CelebA that CelebAMask-HQ was made of, as they were taken, with the face as the region.

    Splits are those of CelebAMask-HQ: by `orig_idx`, which counts from 0, where CelebA's own list counts files from 1,
    so that photos 162771 and 182638 are in another split there. Who is on a photo is known if
    `Anno/identity_CelebA.txt` is there; else each counts as a person of its own. The ISNet does not say what belongs to
    the face; `face` without hair, jewellery, neck and clothes is our choice.

    Args:
        attributes: the classes, of CelebA's 40.
        only: `positive` keeps photos with any of `attributes`, `single` those with exactly one of them, as a
            multi-class cohort.
        face: parts of the masks where a model may look; where parts overlap, the later in the order of CelebAMask-HQ
            counts, so that hair before the skin is hair.
        masks: folder of CelebAMask-HQ, if it is not in the download folder.

    Reference:
        Liu et al. 2015, arXiv:1411.7766; Lee et al. 2020, arXiv:1907.11922; the way back to the photo: Bassi et al.
        2024 (ISNet), 4.8.3.
    """

    name: ClassVar[str] = "celeba"
    title: ClassVar[str] = "CelebA"
    home: ClassVar[str] = (
        "mmlab.ie.cuhk.edu.hk/projects/CelebA.html (the photos in the wild) and "
        "github.com/switchablenorms/CelebAMask-HQ"
    )
    layout: ClassVar[str] = (
        "img_celeba/000001.jpg\n"
        "Anno/list_landmarks_celeba.txt, list_attr_celeba.txt (and identity_CelebA.txt)\n"
        "CelebAMask-HQ/CelebA-HQ-to-CelebA-mapping.txt\n"
        "CelebAMask-HQ/CelebAMask-HQ-mask-anno/{0..14}/00000_skin.png"
    )

    attributes: tuple[str, ...] = ("Rosy_Cheeks", "High_Cheekbones", "Smiling")
    only: Only = "all"
    face: tuple[str, ...] = FACE
    masks: Path | None = None

    def __post_init__(self) -> None:
        if not self.attributes or len(set(self.attributes)) < len(self.attributes):
            raise SettingsError(f"attributes must be one or more names, each once, got {self.attributes}")
        unknown = [part for part in self.face if part not in PARTS]
        if unknown or not self.face:
            hint = did_you_mean(unknown[0], PARTS) if unknown else ""
            raise SettingsError(f"face must be some of {', '.join(PARTS)}, got {self.face}{hint}")

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        places = ("img_celeba", "Img/img_celeba", "CelebA/Img/img_celeba")
        images = find(root, *places, title=self.title)
        table = find(self.masks or root, "CelebA-HQ-to-CelebA-mapping.txt", title="CelebAMask-HQ")
        parts = find(table.parent, "CelebAMask-HQ-mask-anno", title="CelebAMask-HQ")
        faces = self._faces(table)
        chosen = Selection(self._cases(root, images, faces), self.attributes, table.name)
        keep_labelled(chosen, self.attributes, self.only)
        keep_present(chosen, root, title=self.title, partial=self.partial)
        adapted = labelled(chosen, self.attributes, self.only, out)
        landmarks = self._landmarks(root, {case.id for case in chosen.cases})
        cases = []
        for case in progress(adapted.cohort.cases):
            face = self._face(parts, faces[case.id], case.id)
            mask = out.absolute() / "masks" / f"{Path(case.id).stem}.png"
            mask.unlink(missing_ok=True)  # perhaps of other parts
            if face is not None:
                square, size = aligned_square(landmarks[case.id]), picture_size(case.image, name=case.id)
                write_mask(mask, partial(onto_photo, face, square, size))
            cases.append(replace(case, mask=mask if face is not None else None))
        return replace(adapted, cohort=replace(adapted.cohort, cases=tuple(cases)))

    def _faces(self, table: Path) -> dict[str, int]:
        """Return the number in CelebAMask-HQ of each photo's face."""
        header, *rows = [line.split() for line in _lines(table) if line.strip()] or [[]]
        if header != ["idx", "orig_idx", "orig_file"]:
            raise DataError(f"{self.title}: {table.name}: expected idx orig_idx orig_file, found {' '.join(header)}")
        faces = {}
        for row in rows:
            if len(row) != 3 or not (row[0].isdigit() and row[1].isdigit() and row[2][:-4].isdigit()):
                raise DataError(f"{self.title}: {table.name}: expected two numbers and 000001.jpg, found {row}")
            if int(row[1]) + 1 != int(row[2][:-4]):
                raise DataError(f"{self.title}: {table.name}: orig_idx {row[1]} does not count {row[2]} from 0")
            faces[row[2]] = int(row[0])
        return faces

    def _cases(self, root: Path, images: Path, faces: Mapping[str, int]) -> list[Case]:
        columns, rows = self._read(root, "list_attr_celeba.txt", faces)
        unknown = [name for name in self.attributes if name not in columns]
        if unknown:
            hint = did_you_mean(unknown[0], columns)
            raise SettingsError(f"CelebA has no attribute {unknown[0]!r}{hint}; it has {', '.join(columns)}")
        places = [columns.index(name) for name in self.attributes]
        people = self._people(root, faces)
        return [
            Case(
                name,
                images / name,
                tuple(float(rows[name][place] == "1") for place in places),
                people[name],
                self.title,
                _split(int(Path(name).stem) - 1),
            )
            for name in faces
        ]

    def _landmarks(self, root: Path, wanted: set[str]) -> dict[str, Array]:
        columns, rows = self._read(root, "list_landmarks_celeba.txt", wanted)
        expected = [f"{point}_{axis}" for point in _POINTS for axis in "xy"]
        if columns != expected:
            raise DataError(f"{self.title}: landmarks: expected {', '.join(expected)}; found {', '.join(columns)}")
        return {name: np.asarray(row, np.float64).reshape(5, 2) for name, row in rows.items()}

    def _people(self, root: Path, faces: Collection[str]) -> dict[str, str]:
        try:
            table = find(root, "Anno/identity_CelebA.txt", "identity_CelebA.txt", title=self.title)
        except DataNotFoundError:
            return {name: name for name in faces}
        people = {line.split()[0]: line.split()[-1] for line in _lines(table) if line.strip()}
        missing = sorted(set(faces) - people.keys())
        if missing:
            raise DataError(f"{self.title}: {table.name} has no row for {len(missing)} photos, such as {missing[0]}")
        return people

    def _read(self, root: Path, name: str, wanted: Collection[str]) -> tuple[list[str], dict[str, list[str]]]:
        """Read a table with a count, names of columns and a row a photo: the names, and the rows wanted."""
        path = find(root, f"Anno/{name}", name, title=self.title)
        lines = _lines(path)
        count, columns = next(lines, "").strip(), next(lines, "").split()
        rows, read = {}, 0
        for line in lines:
            file, *cells = line.split() or [""]
            read += bool(file)
            if file in wanted:
                if len(cells) != len(columns):
                    raise DataError(f"{self.title}: {name}: {file} has {len(cells)} numbers, not {len(columns)}")
                rows[file] = cells
        if not count.isdigit() or read != int(count):
            raise DataError(f"{self.title}: {name} should have {count or 'no'} rows and has {read}; is it complete?")
        missing = sorted(set(wanted) - rows.keys())
        if missing:
            raise DataError(f"{self.title}: {name} has no row for {len(missing)} photos, such as {missing[0]}")
        return columns, rows

    def _face(self, parts: Path, number: int, image: str) -> Mask | None:
        """Return where the face is on its aligned square; None if it has no masks."""
        labels: Array | None = None
        for value, part in enumerate(PARTS, start=1):
            file = parts / str(number // _PER_FOLDER) / f"{number:05d}_{part}.png"
            if file.is_file():
                drawn = read_picture(file, colour=False, name=file.name) > 0
                labels = np.zeros(drawn.shape, np.uint8) if labels is None else labels
                labels[drawn] = value
        if labels is None and not self.partial:
            raise DataNotFoundError(
                f"{self.title}: no masks {number // _PER_FOLDER}/{number:05d}_*.png in {parts.name} for {image}, "
                f"{found_in(parts / str(number // _PER_FOLDER))}; unpack all of CelebAMask-HQ, or say partial=true to "
                "go on without"
            )
        return None if labels is None else np.isin(labels, [PARTS.index(part) + 1 for part in self.face])


def _split(orig_idx: int) -> str:
    return "test" if orig_idx >= _FIRST_TEST else "val" if orig_idx >= _FIRST_VAL else "train"


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig") as file:
        yield from file
