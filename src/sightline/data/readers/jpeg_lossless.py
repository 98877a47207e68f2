"""Lossless JPEG, which only GDCM decodes without a licence of ours in the way, and which is handed to it tidied.

On a broken codestream GDCM may end the whole process instead of raising. So the segments before the entropy-coded data
are checked and written anew, without application data and comments, and the photometric interpretation that GDCM sees
is one that fits the number of components.
"""

from typing import TYPE_CHECKING

from sightline.data.images import Array

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.pixels.decoders.base import Decoder

LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
_START, _END = b"\xff\xd8", b"\xff\xd9"
_TABLES, _FRAME, _RESTARTS, _SCAN, _COMMENT = 0xC4, 0xC3, 0xDD, 0xDA, 0xFE
_IS_RGB = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"  # Adobe's marker, transform 0


def decode_lossless(header: "Dataset", frame: int, decoder: "Decoder") -> tuple[Array, str]:
    """Decode one frame with GDCM.

    Args:
        header: the file with its pixel data.
        frame: which, from 0.
        decoder: pydicom's, of the file's transfer syntax.

    Returns:
        Stored values, `(H, W)` or `(H, W, 3)`, and the photometric interpretation they have now.

    Raises:
        ValueError: the codestream is broken or of other sizes than the header says.
    """
    from pydicom import Dataset
    from pydicom.encaps import encapsulate, get_frame
    from pydicom.pixels.processing import convert_color_space

    samples, said = int(header.SamplesPerPixel), str(header.PhotometricInterpretation)
    codestream, sizes = tidied(
        get_frame(header.PixelData, frame, number_of_frames=int(header.get("NumberOfFrames") or 1))
    )
    if sizes[1:] != (int(header.Rows), int(header.Columns), samples) or samples not in (1, 3):
        raise ValueError("the codestream has other sizes than the header")
    if not int(header.BitsStored) <= sizes[0] <= int(header.BitsAllocated):
        raise ValueError("the codestream has another precision than the header")
    plain = Dataset()
    plain.file_meta = header.file_meta
    keywords = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
    plain.update({header[keyword].tag: header[keyword] for keyword in keywords})
    plain.PhotometricInterpretation = "RGB" if samples == 3 else "MONOCHROME2"
    plain.PlanarConfiguration = 0
    plain.PixelData = encapsulate([codestream])
    plain["PixelData"].is_undefined_length = True
    pixels, _ = decoder.as_array(plain, decoding_plugin="gdcm")
    if said.startswith("YBR_FULL"):
        return convert_color_space(pixels, "YBR_FULL", "RGB"), "RGB"
    return pixels, said


def tidied(codestream: bytes) -> tuple[bytes, tuple[int, int, int, int]]:
    """Check a lossless JPEG codestream and keep of its segments those that decoding takes.

    Args:
        codestream: one frame; a null byte that makes its length even may follow.

    Returns:
        The codestream, and its precision in bits, rows, columns and components.

    Raises:
        ValueError: it is cut off, not lossless with Huffman codes, or a segment is broken.

    Reference:
        ITU-T T.81, B.1.1, B.2.2 to B.2.4 and H.1.
    """
    if not codestream.startswith(_START) or not codestream.rstrip(b"\0").endswith(_END):
        raise ValueError("a codestream cut off")
    kept: list[bytes] = []
    place, sizes = len(_START), None
    while codestream[place : place + 1] == b"\xff":
        marker = codestream[place + 1]
        end = place + 2 + int.from_bytes(codestream[place + 2 : place + 4], "big")
        body = codestream[place + 4 : end]
        if marker == _FRAME and sizes is None:
            sizes = _frame_sizes(body)
        elif marker == _TABLES:
            _check_tables(body)
        elif marker == _SCAN and sizes is not None:
            _check_scan(body, sizes[3])
            head = _START + (_IS_RGB if sizes[3] == 3 else b"") + b"".join(kept)
            return head + codestream[place:], sizes
        elif marker == _COMMENT or marker & 0xF0 == 0xE0:
            place = end
            continue
        elif marker != _RESTARTS or len(body) != 2:
            break
        kept.append(codestream[place:end])
        place = end
    raise ValueError("a codestream with broken segments, or not lossless")


def _frame_sizes(body: bytes) -> tuple[int, int, int, int]:
    components = body[5]
    sampled = {body[7 + 3 * number] for number in range(components)}
    if len(body) != 6 + 3 * components or sampled != {0x11}:
        raise ValueError("a broken frame header")
    return body[0], body[1] << 8 | body[2], body[3] << 8 | body[4], components


def _check_tables(body: bytes) -> None:
    place = 0
    while place < len(body):
        count, room = sum(body[place + 1 : place + 17]), 1 << 16
        for length, codes in enumerate(body[place + 1 : place + 17], start=1):
            room -= codes << 16 - length
        if body[place] > 3 or not 0 < count <= 17 or room < 0 or max(body[place + 17 : place + 17 + count]) > 16:
            raise ValueError("a broken table of codes")
        place += 17 + count
    if place != len(body):
        raise ValueError("a broken table of codes")


def _check_scan(body: bytes, components: int) -> None:
    if len(body) != 4 + 2 * components or body[0] != components or not 1 <= body[-3] <= 7 or body[-2] != 0:
        raise ValueError("a broken scan header")
