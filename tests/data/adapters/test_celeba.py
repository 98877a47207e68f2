from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.data import read_cohort, write_cohort
from sightline.data.adapters.celeba import CelebA
from sightline.errors import DataError, DataNotFoundError, SettingsError

ATTRIBUTES = ("Bald", "High_Cheekbones", "Rosy_Cheeks", "Smiling")
PARTS = (  # the number of a part in a merged mask is its place here
    *("skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth", "u_lip", "l_lip"),
    *("hair", "hat", "ear_r", "neck_l", "neck", "cloth"),
)
# file: face in CelebAMask-HQ, attributes
PHOTOS = {
    "000004.jpg": (0, (-1, 1, -1, 1)),
    "162771.jpg": (2001, (-1, -1, -1, 1)),
    "162772.jpg": (3, (1, -1, 1, -1)),
    "182638.jpg": (4, (-1, -1, -1, -1)),
    "182639.jpg": (5, (-1, 1, -1, -1)),
}
LANDMARKS = (40, 40, 60, 40, 50, 50, 45, 60, 55, 60)  # the square from (11, 3) to (91, 83)


@pytest.fixture
def download(tmp_path: Path) -> Path:
    root = tmp_path / "faces"
    for folder in ("CelebA/Anno", "CelebA/Eval", "CelebA/img_celeba", "CelebAMask-HQ/CelebA-HQ-img"):
        (root / folder).mkdir(parents=True)
    others = {"000001.jpg": (None, (1, 1, 1, 1))}
    everything = others | PHOTOS
    for file in everything:
        Image.fromarray(np.zeros((100, 80, 3), np.uint8)).save(root / "CelebA/img_celeba" / file)
    points = [
        f"{point}_{axis}" for point in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth") for axis in "xy"
    ]
    landmarks = [[name, *map(str, LANDMARKS)] for name in everything]
    attributes = [[name, *map(str, values)] for name, (_, values) in everything.items()]
    annotations = root / "CelebA/Anno"
    write_table(annotations / "list_landmarks_celeba.txt", points, landmarks)
    write_table(annotations / "list_attr_celeba.txt", ATTRIBUTES, attributes)
    write_table(annotations / "list_landmarks_align_celeba.txt", points, [[row[0], *("9" * 10)] for row in landmarks])
    (root / "CelebA/Eval/list_eval_partition.txt").write_text("".join(f"{name} 0\n" for name in everything))
    hq = root / "CelebAMask-HQ"
    rows = [f"{face:<8}{int(name[:-4]) - 1:<12}{name}\n" for name, (face, _) in PHOTOS.items()]
    (hq / "CelebA-HQ-to-CelebA-mapping.txt").write_text("idx     orig_idx    orig_file\n" + "".join(rows))
    (hq / "CelebAMask-HQ-attribute-anno.txt").write_text("0\n")
    (hq / "CelebAMask-HQ-pose-anno.txt").write_text("0\n")
    for face, _ in PHOTOS.values():
        save_part(hq, face, "skin", slice(None), slice(0, 4))  # left half
        save_part(hq, face, "hair", slice(0, 4), slice(None))  # upper half, over the skin
        save_part(hq, face, "mouth", slice(6, 8), slice(4, 8))  # lower right
    return root


def write_table(path: Path, columns: Iterable[str], rows: list[list[str]]) -> None:
    path.write_text("\n".join([str(len(rows)), " ".join(columns) + " ", *("  ".join(row) for row in rows)]) + "\n")


def save_part(hq: Path, face: int, part: str, rows: slice, columns: slice) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[rows, columns] = 255
    path = hq / "CelebAMask-HQ-mask-anno" / str(face // 2000) / f"{face:05d}_{part}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def pixels(path: Path | None) -> np.ndarray:
    assert path is not None
    return np.asarray(Image.open(path))


def test_photos_of_the_masks_have_attributes_and_the_splits_of_celebamask_hq(download: Path, tmp_path: Path) -> None:
    cohort = CelebA().read(download, tmp_path / "out").cohort
    assert (cohort.task, cohort.classes) == ("multilabel", ("Rosy_Cheeks", "High_Cheekbones", "Smiling"))
    assert [(case.id, case.label, case.split) for case in cohort.cases] == [
        ("000004.jpg", (0, 1, 1), "train"),
        ("162771.jpg", (0, 0, 1), "train"),  # orig_idx 162770
        ("162772.jpg", (1, 0, 0), "val"),
        ("182638.jpg", (0, 0, 0), "val"),
        ("182639.jpg", (0, 1, 0), "test"),  # orig_idx 182638
    ]
    assert [case.patient for case in cohort.cases] == [case.id for case in cohort.cases]
    assert cohort.cases[0].image == download / "CelebA/img_celeba/000004.jpg"


def test_the_face_lies_on_the_photo_where_it_was_cut_from(download: Path, tmp_path: Path) -> None:
    cohort = CelebA().read(download, tmp_path / "out").cohort
    expected = np.zeros((100, 80), np.uint8)
    expected[43:83, 11:51] = 255  # lower left quarter: the hair lies over the upper half of the skin
    expected[63:83, 51:80] = 255  # the mouth, as far as the photo reaches
    for case in cohort.cases:
        assert case.mask == tmp_path / "out/masks" / f"{case.id[:-4]}.png"
        np.testing.assert_array_equal(pixels(case.mask), expected)


def test_what_belongs_to_the_face_is_an_option(download: Path, tmp_path: Path) -> None:
    CelebA().read(download, tmp_path / "out")
    cohort = CelebA(face=("hair",)).read(download, tmp_path / "out").cohort  # nothing of the first stays
    hair = np.zeros((100, 80), np.uint8)
    hair[3:43, 11:80] = 255
    np.testing.assert_array_equal(pixels(cohort.cases[0].mask), hair)
    with pytest.raises(SettingsError, match=r"face must be some of skin, .* did you mean 'nose'"):
        CelebA(face=("noze",))


def test_of_two_parts_on_one_place_the_later_counts(download: Path, tmp_path: Path) -> None:
    for file in (download / "CelebAMask-HQ/CelebAMask-HQ-mask-anno/0").glob("00000_*.png"):
        file.unlink()
    for place, part in enumerate(PARTS):
        save_part(download / "CelebAMask-HQ", 0, part, slice(None), slice(None))
        for face, is_seen in (((part,), True), (PARTS[:place] or PARTS[1:], False)):
            mask = CelebA(face=face).read(download, tmp_path / "out").cohort.cases[0].mask
            assert pixels(mask).any() == is_seen


@pytest.mark.parametrize("part", PARTS)
def test_the_face_is_all_but_hair_jewellery_neck_and_clothes(download: Path, tmp_path: Path, part: str) -> None:
    for file in (download / "CelebAMask-HQ/CelebAMask-HQ-mask-anno/0").glob("00000_*.png"):
        file.unlink()
    save_part(download / "CelebAMask-HQ", 0, part, slice(None), slice(None))
    is_face = pixels(CelebA().read(download, tmp_path / "out").cohort.cases[0].mask).any()
    assert is_face == (part not in ("hair", "hat", "ear_r", "neck_l", "neck", "cloth"))


@pytest.mark.parametrize(("face", "place"), [(0, "0/00000"), (1999, "0/01999"), (2000, "1/02000"), (29999, "14/29999")])
def test_masks_lie_in_folders_of_2000(download: Path, tmp_path: Path, face: int, place: str) -> None:
    hq = download / "CelebAMask-HQ"
    for file in hq.glob("CelebAMask-HQ-mask-anno/*/*.png"):
        file.unlink()
    (hq / "CelebA-HQ-to-CelebA-mapping.txt").write_text(f"idx orig_idx orig_file\n{face} 3 000004.jpg\n")
    save_part(hq, 0, "skin", slice(None), slice(None))
    path = hq / f"CelebAMask-HQ-mask-anno/{place}_skin.png"
    path.parent.mkdir(exist_ok=True)
    (hq / "CelebAMask-HQ-mask-anno/0/00000_skin.png").rename(path)
    (case,) = CelebA().read(download, tmp_path / "out").cohort.cases
    assert pixels(case.mask).any()


def test_single_attributes_make_a_multiclass_cohort(download: Path, tmp_path: Path) -> None:
    adapted = CelebA(only="single").read(download, tmp_path / "out")
    assert adapted.cohort.task == "multiclass"
    assert [(case.id, case.label) for case in adapted.cohort.cases] == [
        ("162771.jpg", 2),
        ("162772.jpg", 0),
        ("182639.jpg", 1),
    ]
    assert [count.images for count in adapted.census] == [5, 3]


def test_who_is_on_a_photo_is_known_where_the_identities_are_there(download: Path, tmp_path: Path) -> None:
    identities = "".join(f"{name} {number}\n" for name, number in zip(PHOTOS, [7, 7, 8, 9, 9], strict=True))
    (download / "CelebA/Anno/identity_CelebA.txt").write_text(identities)
    cases = CelebA().read(download, tmp_path / "out").cohort.cases
    assert [case.patient for case in cases] == ["7", "7", "8", "9", "9"]
    (download / "CelebA/Anno/identity_CelebA.txt").write_text(identities[:30])
    with pytest.raises(DataError, match=r"identity_CelebA.txt has no row for 3 photos, such as 162772.jpg"):
        CelebA().read(download, tmp_path / "out")


def test_the_masks_may_lie_in_a_folder_of_their_own(download: Path, tmp_path: Path) -> None:
    masks = tmp_path / "elsewhere"
    (download / "CelebAMask-HQ").rename(masks)
    assert len(CelebA(masks=masks).read(download / "CelebA", tmp_path / "out").cohort.cases) == 5
    with pytest.raises(DataNotFoundError, match=r"CelebAMask-HQ: expected CelebA-HQ-to-CelebA-mapping.txt"):
        CelebA().read(download, tmp_path / "out")


def test_the_cohort_is_written_and_reads_back(download: Path, tmp_path: Path) -> None:
    cohort = CelebA().read(download, tmp_path / "out").cohort
    again = read_cohort(write_cohort(cohort, tmp_path / "out").parent)
    assert [(case.id, case.label, case.mask) for case in again.cases] == [
        (case.id, case.label, case.mask) for case in cohort.cases
    ]


def test_aligned_photos_are_refused(download: Path, tmp_path: Path) -> None:
    (download / "CelebA/img_celeba").rename(download / "CelebA/img_align_celeba")
    with pytest.raises(DataNotFoundError, match=r"expected img_celeba or .* found CelebA/, CelebAMask-HQ/"):
        CelebA().read(download, tmp_path / "out")


def test_landmarks_of_aligned_photos_are_not_taken(download: Path, tmp_path: Path) -> None:
    (download / "CelebA/Anno/list_landmarks_celeba.txt").unlink()
    with pytest.raises(DataNotFoundError, match=r"expected Anno/list_landmarks_celeba.txt or"):
        CelebA().read(download, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "CelebA/Anno/list_attr_celeba.txt",
            r"expected Anno/list_attr_celeba.txt or .*, found CelebA/, CelebAMask-HQ/",
        ),
        (
            "CelebAMask-HQ/CelebA-HQ-to-CelebA-mapping.txt",
            r"expected .*-mapping.txt in faces, found CelebA/, CelebAMask",
        ),
        (
            "CelebAMask-HQ/CelebAMask-HQ-mask-anno",
            r"expected CelebAMask-HQ-mask-anno in CelebAMask-HQ, found CelebA-HQ-i",
        ),
    ],
)
def test_a_missing_table_or_folder_is_named_with_what_was_found(
    download: Path, tmp_path: Path, name: str, message: str
) -> None:
    (download / name).rename(tmp_path / "elsewhere")
    with pytest.raises(DataNotFoundError, match=message):
        CelebA().read(download, tmp_path / "out")


def test_a_missing_photo_is_refused_unless_a_part_will_do(download: Path, tmp_path: Path) -> None:
    (download / "CelebA/img_celeba/162772.jpg").unlink()
    with pytest.raises(DataNotFoundError, match=r"1 of 5 images are not there, first CelebA/img_celeba/162772.jpg"):
        CelebA().read(download, tmp_path / "out")
    assert len(CelebA(partial=True).read(download, tmp_path / "out").cohort.cases) == 4


def test_missing_masks_are_refused_unless_a_part_will_do(download: Path, tmp_path: Path) -> None:
    for file in (download / "CelebAMask-HQ/CelebAMask-HQ-mask-anno/1").iterdir():
        file.unlink()
    with pytest.raises(
        DataNotFoundError,
        match=r"no masks 1/02001_\*.png in .* for 162771.jpg, found nothing; unpack",
    ):
        CelebA().read(download, tmp_path / "out")
    masks = {case.id: case.mask for case in CelebA(partial=True).read(download, tmp_path / "out").cohort.cases}
    assert masks["162771.jpg"] is None
    assert masks["162772.jpg"] is not None


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("CelebA/Anno/list_attr_celeba.txt", "182639.jpg", "182699.jpg", "no row for 1 photos, such as 182639.jpg"),
        ("CelebA/Anno/list_attr_celeba.txt", "6\n", "7\n", "should have 7 rows and has 6; is it complete"),
        ("CelebA/Anno/list_landmarks_celeba.txt", "lefteye_x", "left_eye_x", "expected lefteye_x, .*found left_eye_x"),
        ("CelebA/Anno/list_landmarks_celeba.txt", "000004.jpg  40", "000004.jpg", "000004.jpg has 9 numbers, not 10"),
        ("CelebAMask-HQ/CelebA-HQ-to-CelebA-mapping.txt", "orig_file", "file", "expected idx orig_idx orig_file"),
        (
            "CelebAMask-HQ/CelebA-HQ-to-CelebA-mapping.txt",
            " 3  ",
            " 4  ",
            "orig_idx 4 does not count 000004.jpg from 0",
        ),
        ("CelebAMask-HQ/CelebA-HQ-to-CelebA-mapping.txt", "000004.jpg", "", "expected two numbers and 000001.jpg"),
    ],
)
def test_broken_tables_are_refused(download: Path, tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    path = download / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        CelebA().read(download, tmp_path / "out")


def test_an_unknown_attribute_is_named_with_those_there_are(download: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no attribute 'Smilling'; did you mean 'Smiling'\?; it has Bald, High_"):
        CelebA(attributes=("Smilling",)).read(download, tmp_path / "out")
    with pytest.raises(SettingsError, match="one or more names, each once"):
        CelebA(attributes=("Bald", "Bald"))
