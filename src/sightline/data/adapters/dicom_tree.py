"""A user's own DICOM files in nested folders, as an archive (PACS) exports them, without saying who is on them."""

import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.headers import read_header
from sightline.data.adapters.layout import read_rows, user_file
from sightline.data.adapters.people import age_of, age_text, filled, sex_of
from sightline.data.adapters.rules import keep_ages, keep_views
from sightline.data.adapters.selection import LeftOut, Selection
from sightline.data.cohort import Case, Cohort
from sightline.data.images import DICOM
from sightline.data.readers.dicom_file import code
from sightline.data.readers.files import starts_as_dicom
from sightline.errors import DataError, DataNotFoundError, SettingsError

_NUMBERS = ("PatientID", "PatientBirthDate", "AccessionNumber", "StudyDate")
_KEYWORDS = (
    *_NUMBERS,
    *(
        "PatientName",
        "IssuerOfPatientID",
        "PatientSex",
        "PatientAge",
        "StudyInstanceUID",
        "SOPInstanceUID",
        "Modality",
        "BodyPartExamined",
    ),
    *("ViewPosition", "Rows"),
)
_OLDEST = 90  # the few people beyond could be recognised by it
_SHORTEST_SALT = 8
_log = logging.getLogger(__name__)
Header = Mapping[str, str]


@dataclass(frozen=True)
class DicomTree(Adapter):
    """DICOM files anywhere below a folder, with or without a suffix; a multi-class cohort of one file an image.

    Neither names, numbers nor dates of people, nor names of files and folders come into the cohort. Patients, studies
    and images are named by a keyed hash, and images are reached by links of such a name in `images` of the cohort's
    folder; the files behind them are as they were, and say who is on them. Ages above 90 years are 90, as few people
    are so old. Of the headers `age`, `sex`, `study`, `modality`, `body_part` and `view` are kept.

    Files that are no DICOM are passed over. DICOM files that cannot be read, have no image, or were read before are
    left out; the log says which file is meant.

    Args:
        labels: table with a column `study` (StudyInstanceUID) or `accession` (AccessionNumber), in plain or hashed, and
            a column `label`; images of other studies do not stay. Without it the first folder below is the class.
        salt: key of the hash. Keep it secret and apart: who has it can find out who is who by trying. Without it a
            random one is drawn and forgotten, and the next time all have other names.
        modalities: of these only, such as CR and DX; none for all.
        views: of these only, such as AP and PA; none for all.
        min_age: youngest age, years.
        source: where the images come from, such as the hospital.
        strict: refuse the folder if a DICOM file cannot be read.
    """

    name: ClassVar[str] = "dicom_tree"
    title: ClassVar[str] = "DICOM files"
    home: ClassVar[str] = "your own, as an archive (PACS) exports it"
    layout: ClassVar[str] = "<class>/…/<any name>, or with labels …/<any name>"

    labels: Path | None = None
    salt: str = ""
    modalities: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    min_age: float = 0.0
    source: str = ""
    strict: bool = False

    def __post_init__(self) -> None:
        if 0 < len(self.salt) < _SHORTEST_SALT:
            raise SettingsError(f"salt must be {_SHORTEST_SALT} characters or more, or empty for a random one")

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        if not root.is_dir():
            raise DataNotFoundError(f"{self.title}: no folder {root}; give the folder with the export")
        key = self.salt.encode() or secrets.token_bytes(32)
        table = self._table(root)
        headers, left_out = self._headers(root, out, key, progress)
        if not headers:
            others = sum(path.is_file() for path in root.rglob("*"))
            raise DataError(
                f"{self.title}: no DICOM image below {root.name or root}, found {others:,} files of other kinds; give "
                "the folder with the export"
            )
        named = {path: self._class(path.relative_to(root), header, table, key) for path, header in headers.items()}
        if table is None:
            _no_person_is_a_class(headers, named)
        classes = tuple(sorted({name for name in named.values() if name}))
        unlabelled = [path for path, name in named.items() if not name]
        left_out += [LeftOut(_image_id(headers[path], path, key), "study has a label") for path in unlabelled]
        cases = [
            self._case(path, header, classes.index(named[path]), out, key)
            for path, header in headers.items()
            if named[path]
        ]
        chosen = Selection(cases, classes, "DICOM images with a label")
        if self.modalities:
            chosen.keep(
                f"modality is {', '.join(self.modalities)}", lambda case: case.about.get("modality") in self.modalities
            )
        keep_views(chosen, self.views)
        keep_ages(chosen, self.min_age)
        files = {_image_id(header, path, key): path for path, header in headers.items()}
        for case in chosen.cases:
            _link(case.image, files[case.id])
        cohort = Cohort(out.absolute(), "multiclass", classes, chosen.cases)
        return Adapted(cohort, chosen.census, (*left_out, *chosen.left_out))

    def _headers(
        self, root: Path, out: Path, key: bytes, progress: Progress
    ) -> tuple[dict[Path, Header], list[LeftOut]]:
        """Read all headers; return those of images, one an image, and what cannot be one."""
        headers: dict[Path, Header] = {}
        left_out: list[LeftOut] = []
        seen = set()
        for path in progress(list(_dicom_files(root, out))):
            place = path.relative_to(root).as_posix()
            try:
                header = read_header(path, _KEYWORDS, name=place)
            except DataError as error:
                if self.strict:
                    raise
                _log.warning("%s", error)
                left_out.append(LeftOut(pseudonym(key, "file", place), "can be read"))
                continue
            name = _image_id(header, path, key)
            reason = "" if header["Rows"] else "has an image"
            reason = "is there once" if name in seen else reason
            seen.add(name)
            if reason:
                _log.info("%s left out, not so: %s", place, reason)
                left_out.append(LeftOut(name, reason))
            else:
                headers[path] = header
        return headers, left_out

    def _table(self, root: Path) -> dict[tuple[str, str], str] | None:
        """Return labels by kind of key and key, None where folders are the classes."""
        if self.labels is None:
            return None
        path = user_file(root, self.labels, title=self.title)
        labels: dict[tuple[str, str], str] = {}
        for row in read_rows(path, ("label",), title=self.title, delimiter=""):
            kinds = [kind for kind in ("study", "accession") if kind in row]
            if not kinds:
                raise DataError(f"{self.title}: {path.name} needs a column study or accession; it has {', '.join(row)}")
            labels[kinds[0], row[kinds[0]]] = row["label"]
        return labels

    def _class(self, place: Path, header: Header, table: Mapping[tuple[str, str], str] | None, key: bytes) -> str:
        if table is None:
            if len(place.parts) < 2:
                raise DataError(f"{self.title}: {place.name} is in no class folder; put it in one, or give labels")
            return place.parts[0]
        for kind, keyword in (("study", "StudyInstanceUID"), ("accession", "AccessionNumber")):
            value = header[keyword]
            for name in (value, pseudonym(key, kind, value)):
                if value and (kind, name) in table:
                    return table[kind, name]
        return ""

    def _case(self, path: Path, header: Header, label: int, out: Path, key: bytes) -> Case:
        about = filled(
            age=age_text(_age(header)),
            sex=sex_of(header["PatientSex"]),
            view=code(header["ViewPosition"]),
            study=pseudonym(key, "study", header["StudyInstanceUID"]) if header["StudyInstanceUID"] else "",
            modality=code(header["Modality"]),
            body_part=code(header["BodyPartExamined"]),
        )
        name = _image_id(header, path, key)
        image = out.absolute() / "images" / f"{name}.dcm"
        return Case(name, image, label, _patient(header, key), self.source, about=about)


def pseudonym(key: bytes, kind: str, value: str) -> str:
    """Return 16 hexadecimal digits that stand for a value: HMAC-SHA256 of kind and value, cut to 64 bits.

    Args:
        key: who does not have it can neither tell the value nor try values out; of `salt` its UTF-8.
        kind: what the value names, `patient`, `study`, `accession`, `image` or `file`.
        value: such as the StudyInstanceUID.
    """
    return hmac.new(key, f"{kind}\0{value}".encode(), hashlib.sha256).hexdigest()[:16]


def _dicom_files(root: Path, out: Path) -> Iterator[Path]:
    """Yield the files that are, or are called, DICOM."""
    for path in sorted(root.rglob("*")):
        if path.absolute().is_relative_to(out.absolute()) or not path.is_file() or path.name.startswith("."):
            continue
        if path.name.upper() != "DICOMDIR" and (path.suffix.lower() in DICOM or starts_as_dicom(path)):
            yield path


def _image_id(header: Header, path: Path, key: bytes) -> str:
    return pseudonym(key, "image", header["SOPInstanceUID"] or str(path))


def _patient(header: Header, key: bytes) -> str:
    """Name a person by number and its issuer, else by name and birthday, else by the study."""
    if header["PatientID"]:
        who = f"{header['IssuerOfPatientID']}\0{header['PatientID']}"
    elif header["PatientName"]:
        who = f"{header['PatientName'].upper()}\0{header['PatientBirthDate']}"
    else:
        who = header["StudyInstanceUID"]
    return pseudonym(key, "patient", who)


def _age(header: Header) -> float:
    """Return the age, years: as it is written, else from birthday and day of the study."""
    try:
        years = age_of(header["PatientAge"], "PatientAge", title=DicomTree.title)
    except DataError:
        years = float("nan")
    days = [re.fullmatch(r"\d{8}", header[keyword]) for keyword in ("PatientBirthDate", "StudyDate")]
    if years != years and days[0] and days[1]:
        years = float((int(days[1][0]) - int(days[0][0])) // 10000)  # years of YYYYMMDD
    return min(years, _OLDEST) if years >= 0 else float("nan")


def _no_person_is_a_class(headers: Mapping[Path, Header], classes: Mapping[Path, str]) -> None:
    """Refuse folders that are named for people: they would become the names of classes.

    Raises:
        DataError: the name of a folder holds a name, number or date of a person in it.
    """
    for path, header in headers.items():
        words = re.findall(r"[^\W_]+", classes[path].casefold())
        names = [word for word in re.findall(r"[^\W_]+", header["PatientName"].casefold()) if len(word) > 2]
        numbers = ["".join(re.findall(r"[^\W_]+", header[keyword].casefold())) for keyword in _NUMBERS]
        if set(names) & set(words) or any(len(number) > 3 and number in "".join(words) for number in numbers):
            raise DataError(
                f"{DicomTree.title}: a first folder is named for a person in it, so folders are no classes; sort the "
                "people into a folder a class, or give labels"
            )


def _link(link: Path, file: Path) -> None:
    """Make a link, unless it is there.

    Raises:
        DataError: this file system has no links.
    """
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        if not link.is_symlink() or link.readlink() != file.absolute():
            link.unlink(missing_ok=True)
            link.symlink_to(file.absolute())
    except OSError as error:
        raise DataError(
            f"{DicomTree.title}: no links can be made in {link.parent.name} ({os.strerror(error.errno or 0)})"
        ) from None
