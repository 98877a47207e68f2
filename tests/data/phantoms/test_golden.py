"""The cohort of the demo is the same bits for good: experiments and their tables rest on it."""

import hashlib

import pytest

from sightline.data.phantoms.findings import FINDINGS, Finding
from sightline.data.phantoms.hospitals import FARFIELD, HILLCREST, NORTHGATE, RIVERSIDE, Hospital
from sightline.data.phantoms.render import render_phantom

GOLDEN: dict[tuple[int, int, Finding, Hospital, int], str] = {
    (0, 0, "normal", RIVERSIDE, 96): "73f961204c8efe36",
    (0, 1, "pneumonia", HILLCREST, 96): "ddde8c13a7b99f2c",
    (0, 2, "effusion", NORTHGATE, 96): "0ad5506bd14aab68",
    (0, 1230, "pneumonia", FARFIELD, 96): "799bd0934dedd0b3",
    (0, 700, "effusion", RIVERSIDE, 96): "75619fa29dbacdc3",
    (4, 7, "normal", NORTHGATE, 48): "278f12b2af3386d8",
    (4, 8, "pneumonia", RIVERSIDE, 64): "6216a76d7a211904",
    (1, 3, "effusion", FARFIELD, 64): "a5b99c615c117f6f",
    (1, 4, "normal", HILLCREST, 128): "2cf5c9582114dda2",
    (9, 5, "pneumonia", NORTHGATE, 200): "6ca0ccae1b8c1fd6",
}


@pytest.mark.parametrize(("seed", "index", "finding", "hospital", "size"), GOLDEN)
def test_pixels_and_masks_are_as_ever(seed: int, index: int, finding: Finding, hospital: Hospital, size: int) -> None:
    phantom = render_phantom((seed, index), finding, hospital, size)
    pixels = b"".join(part.tobytes() for part in (phantom.image, phantom.lungs, phantom.lesion))
    assert hashlib.sha256(pixels).hexdigest()[:16] == GOLDEN[seed, index, finding, hospital, size]


def test_every_finding_and_hospital_is_among_them() -> None:
    assert {key[2] for key in GOLDEN} == set(FINDINGS)
    assert {key[3] for key in GOLDEN} == {RIVERSIDE, HILLCREST, NORTHGATE, FARFIELD}
