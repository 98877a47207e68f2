import cmath

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from sightline.errors import DataError, ShapeError
from sightline.regions.celeba_geometry import aligned_square, onto_photo, to_square

FACE = np.asarray([(69, 109), (106, 113), (77, 142), (73, 152), (108, 154)])
FACES = st.lists(st.tuples(st.integers(60, 140), st.integers(60, 140)), min_size=5, max_size=5)


def published_corners(landmarks: np.ndarray) -> np.ndarray:
    """The authors' formula in complex numbers, as corners in PIL's coordinates."""
    e0, e1, _, m0, m1 = (complex(x, y) for x, y in landmarks.tolist())
    eyes, mouth = (e0 + e1) / 2 + (0.5 + 0.5j), (m0 + m1) / 2 + (0.5 + 0.5j)
    across, down = e1 - e0, mouth - eyes
    x = across - 1j * down
    x *= max(2.0 * abs(across), 1.8 * abs(down)) / abs(x)
    centre, y = eyes + 0.1 * down, 1j * x
    corners = [centre - x - y, centre - x + y, centre + x + y, centre + x - y]
    return np.asarray([(z.real + 0.5, z.imag + 0.5) for z in corners])


def is_face(landmarks: np.ndarray) -> bool:
    eyes, mouth = landmarks[:2].mean(axis=0), landmarks[3:].mean(axis=0)
    across, down = complex(*(landmarks[1] - landmarks[0])), complex(*(mouth - eyes))
    return abs(across) > 5 and abs(down) > 5 and abs(across - 1j * down) > 5


@given(FACES)
def test_the_corners_are_those_of_the_published_formula(points: list[tuple[int, int]]) -> None:
    landmarks = np.asarray(points)
    assume(is_face(landmarks))
    np.testing.assert_allclose(aligned_square(landmarks), published_corners(landmarks), atol=1e-9)


def test_a_square_by_hand() -> None:
    landmarks = np.asarray([(40, 40), (60, 40), (50, 50), (45, 60), (55, 60)])
    # eyes 20 apart, mouth 20 below: |x| = 40 to the right of (50, 42), and one pixel for the two halves
    assert aligned_square(landmarks).tolist() == [[11, 3], [11, 83], [91, 83], [91, 3]]


def test_a_square_takes_the_longer_of_eyes_and_face() -> None:
    landmarks = np.asarray([(45, 40), (55, 40), (50, 50), (45, 140), (55, 140)])
    np.testing.assert_allclose(aligned_square(landmarks)[3] - aligned_square(landmarks)[0], [2 * 180, 0])


def test_eyes_land_where_they_are_on_the_published_faces() -> None:
    shares = to_square(FACE[:2] + 0.5, aligned_square(FACE))
    np.testing.assert_allclose(shares, [(0.38, 0.46), (0.62, 0.48)], atol=0.02)


@pytest.mark.parametrize("seed", range(6))
def test_a_face_aligned_forward_by_pil_comes_back_within_half_a_pixel(seed: int) -> None:
    generator = np.random.default_rng(seed)
    angle = cmath.exp(1j * generator.uniform(-0.6, 0.6)) * generator.uniform(0.7, 1.5)
    middle = complex(100, 110) + complex(*generator.uniform(-10, 10, 2))
    turned = [middle + (complex(x, y) - complex(88, 130)) * angle for x, y in FACE.tolist()]
    landmarks = np.rint([(z.real, z.imag) for z in turned]).astype(int)
    rows, columns = np.indices((220, 200)) + 0.5
    centre, radii = generator.uniform(90, 110, 2), generator.uniform(15, 30, 2)
    photo = ((columns - centre[0]) / radii[0]) ** 2 + ((rows - centre[1]) / radii[1]) ** 2 <= 1
    large = Image.fromarray(photo.astype(np.uint8) * 255)
    corners = published_corners(landmarks).flatten().tolist()
    aligned = np.asarray(large.transform((512, 512), Image.Transform.QUAD, corners, Image.Resampling.BILINEAR)) > 127
    back = onto_photo(aligned, aligned_square(landmarks), (220, 200))

    np.testing.assert_allclose(places(back), places(photo), atol=0.25)  # the middle of the face
    assert not (back & ~grown(photo)).any()  # and its edge: no pixel further out than one
    assert not (photo & ~grown(back)).any()
    assert np.mean(back != photo) < 0.004


def places(mask: np.ndarray) -> np.ndarray:
    return np.argwhere(mask).mean(axis=0)


def grown(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    return padded[1:-1, 1:-1] | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]


@given(FACES, st.floats(0.02, 0.98), st.floats(0.02, 0.98))
def test_a_place_on_the_square_comes_back_within_half_a_pixel(
    points: list[tuple[int, int]], s: float, t: float
) -> None:
    landmarks = np.asarray(points)
    assume(is_face(landmarks))
    nw, sw, _, ne = published_corners(landmarks)
    place = nw + s * (ne - nw) + t * (sw - nw)
    np.testing.assert_allclose(to_square(place, aligned_square(landmarks)), (s, t), atol=0.5 / 512)


def test_labels_are_taken_as_they_are_and_what_lies_outside_is_background() -> None:
    landmarks = np.asarray([(40, 40), (60, 40), (50, 50), (45, 60), (55, 60)])
    labels = np.repeat(np.asarray([[3, 7], [9, 200]], np.uint8), 4, axis=0).repeat(4, axis=1)
    photo = onto_photo(labels, aligned_square(landmarks), (100, 80))
    assert photo.dtype == np.uint8
    assert set(np.unique(photo)) == {0, 3, 7, 9, 200}
    assert photo[3:43, 11:51].tolist() == np.full((40, 40), 3).tolist()
    assert photo[43:83, 51:80].tolist() == np.full((40, 29), 200).tolist()
    assert not photo[:3].any()
    assert not photo[83:].any()
    assert not photo[:, :11].any()


def test_wrong_landmarks_are_errors() -> None:
    with pytest.raises(ShapeError, match=r"landmarks must be \(5, 2\), got \(4, 2\)"):
        aligned_square(FACE[:4])
    with pytest.raises(DataError, match="span no square"):
        aligned_square(np.ones((5, 2)))
