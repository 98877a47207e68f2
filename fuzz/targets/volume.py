"""Volumes and arrays: NIfTI plain and in gzip, `.npy` and `.npz`; the first byte says which."""

import gzip
import io
from collections.abc import Iterator
from contextlib import suppress

import nibabel
import numpy as np

from sightline.data.readers import is_volume, read_mask, read_unit, read_volume
from sightline.errors import SightlineError
from targets.files import as_file

WORDS = (
    b"n+1\0",
    b"n+2\0",
    b"ni1\0",
    b"\x93NUMPY",
    b"'descr': '<f4'",
    b"'fortran_order': True",
    b"'shape': (3, 4)",
    b"PK\x03\x04",
)
SUFFIXES = (".nii", ".nii.gz", ".npy", ".npz", ".GZ.nii.gz")


def one(data: bytes) -> None:
    """Read a file as a volume, an image and a mask; of the last suffix the content is put into gzip first."""
    suffix = SUFFIXES[data[0] % len(SUFFIXES)] if data else SUFFIXES[0]
    content = gzip.compress(data[1:], 1, mtime=0) if suffix.startswith(".GZ") else data[1:]
    with as_file(content, f"scan{suffix}") as path:
        for read in (
            lambda: read_volume(path),
            lambda: is_volume(path, name=path.name),
            lambda: read_unit(path),
            lambda: read_mask(path),
            lambda: read_mask(path.with_name(f"{path.name}#1+2")),
        ):
            with suppress(SightlineError):
                read()


def seeds() -> Iterator[tuple[str, bytes]]:
    """Whole numbers and shares, in both versions and orders of bytes."""
    values = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    small = nibabel.Nifti1Image(values.astype(np.int16), np.diag([1.5, -2.0, 3.0, 1.0]))
    scaled = nibabel.Nifti1Image(values.astype(np.uint8), np.eye(4))
    scaled.header.set_slope_inter(0.5, -3)
    second = nibabel.Nifti2Image(values.astype(np.float32) / 24, np.eye(4))
    flat = nibabel.Nifti1Image(values[:1].astype(np.uint8), np.eye(4))
    swapped = nibabel.Nifti1Image(values.astype(np.int16), np.eye(4), nibabel.Nifti1Header(endianness=">"))
    for name, image in {"small": small, "scaled": scaled, "second": second, "flat": flat, "swapped": swapped}.items():
        yield f"{name}.nii", b"\0" + image.to_bytes()
        yield f"{name}.nii.gz", b"\4" + image.to_bytes()
    yield "packed.nii.gz", b"\1" + gzip.compress(small.to_bytes(), mtime=0)
    for name, array in {
        "floats": values / 24,
        "bytes": values[0].astype(np.uint8),
        "swapped": values.astype(">i2"),
    }.items():
        out = io.BytesIO()
        np.save(out, array)
        yield f"{name}.npy", b"\2" + out.getvalue()
    for name, save in {"stored": np.savez, "packed": np.savez_compressed}.items():
        out = io.BytesIO()
        save(out, lungs=values[0] > 2, heart=values[0])
        yield f"{name}.npz", b"\3" + out.getvalue()
        out = io.BytesIO()
        save(out, values[0].astype(np.uint16))
        yield f"one-{name}.npz", b"\3" + out.getvalue()
