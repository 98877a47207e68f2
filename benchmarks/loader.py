"""Images a second of the loader, with and without its caches, against the plain decode, side by side in one run.

    python benchmarks/loader.py --output benchmarks/results/loader_NAME.txt

The limit is what a loader without any preprocessing could reach at best: reading 224² files of the same kind, by Pillow
(`numpy.asarray(Image.open(file))`) or pydicom (`dcmread(file).pixel_array`), and nothing else. The loader makes whole
batches of 3 x 224² float32: from the files (no cache), from the folder of prepared images with no memory for them (as
in the first epoch of a second run), or from memory (as in later epochs). Films are phantoms of 8 bits (PNG) or 12 bits
(DICOM), each as 224² and as 1024²; all files are in the page cache of the system.

Contenders take turns, and a figure is the median of the turns: images a second of wall-clock time and worker, which is
a thread; and the ratio to the limit of the same turn, by time of the processor, on which other processes have little
influence, and by wall-clock time.
"""

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
import pydicom
import torch
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless

from sightline.data import Case, Cohort, ImageCache, Preprocessing, batches
from sightline.data.images import Array, resize
from sightline.data.phantoms.hospitals import RIVERSIDE
from sightline.data.phantoms.radiographs import make_radiograph
from sightline.runs import write_text

SIZE, SOURCE, BATCH = 224, 1024, 16
SELDOM = 4  # without a cache one turn takes long, and every fourth will do
SETTLE_S = 2.5  # the folder notes the content of files that were left alone for two seconds
SYNTAXES = {
    "DICOM": (ExplicitVRLittleEndian, ""),
    "DICOM JPEG-LS": (JPEGLSLossless, "pyjpegls"),
    "DICOM JPEG 2000": (JPEG2000Lossless, "pylibjpeg"),
}
KINDS = ("PNG", "PNG with masks", *SYNTAXES)
CACHES = ("none", "folder", "memory")
Run = Callable[[], None]


@dataclass(frozen=True)
class Files:
    """The files of one kind and size, and their masks if it has any."""

    images: list[Path]
    masks: list[Path]


def write(folder: Path, kind: str, films: Sequence[tuple[Array, Array]], size: int) -> Files:
    """Write films and lungs as files of a kind."""
    folder = folder / f"{kind} {size}".replace(" ", "_")
    folder.mkdir()
    images, masks = [], []
    for number, (film, lungs) in enumerate(films):
        film = resize(film, size)
        if kind in SYNTAXES:
            images.append(write_dicom(folder / f"{number}.dcm", film, *SYNTAXES[kind]))
            continue
        images.append(folder / f"{number}.png")
        Image.fromarray(np.rint(film * 255).astype(np.uint8)).save(images[-1])
        if kind == "PNG with masks":
            masks.append(folder / f"{number}-mask.png")
            Image.fromarray((resize(lungs, size) > 0.5).astype(np.uint8) * 255).save(masks[-1])
    return Files(images, masks)


def write_dicom(path: Path, film: Array, syntax: str, plugin: str) -> Path:
    """Write a film of 12 bits."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    header.Modality, header.PatientName, header.PatientID = "CR", "", ""
    header.Rows, header.Columns = film.shape
    header.SamplesPerPixel, header.PhotometricInterpretation, header.PixelRepresentation = 1, "MONOCHROME2", 0
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 12, 11
    header.WindowCenter, header.WindowWidth = 2048, 4096
    header.PixelData = np.rint(film * 4095).astype("<u2").tobytes()
    if plugin:
        header.compress(syntax, encoding_plugin=plugin)
    header.save_as(path, enforce_file_format=True)
    return path


def plain(files: Files, kind: str, workers: int) -> Run:
    """Return what only decodes."""
    paths = files.images + files.masks

    def decode(path: Path) -> Array:
        return pydicom.dcmread(path).pixel_array if kind in SYNTAXES else np.asarray(Image.open(path))

    def run() -> None:
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(lambda start: [decode(path) for path in paths[start::workers]], range(workers)):
                pass

    return run


def loader(files: Files, workers: int, cache: ImageCache) -> Run:
    """Return what makes batches, once it has made all of them for the first time."""
    masks: Sequence[Path | None] = files.masks or [None] * len(files.images)
    cases = tuple(
        Case(image.name, image, 0, image.name, mask=mask) for image, mask in zip(files.images, masks, strict=True)
    )
    cohort = Cohort(files.images[0].parent, "multiclass", ("a", "b"), cases)
    made = batches(cohort, Preprocessing(), batch_size=BATCH, seed=0, workers=workers, cache=cache)

    def run() -> None:
        for _ in made:
            pass

    run()
    return run


def measure(contenders: dict[str, Run], images: int, workers: int, rounds: int) -> dict[str, tuple[float, ...]]:
    """Let contenders take turns.

    Returns:
        By name: images a second and worker, ratio to `limit` by time of the processor, by wall-clock time.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    ratios: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, run in contenders.items():
            if name == "none" and turn % SELDOM != 1:
                continue
            start, start_cpu = time.perf_counter(), time.process_time()
            run()
            wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
            if turn:  # the first is for warming up
                times[name].append((wall, cpu))
                limit, limit_cpu = times["limit"][-1]
                ratios[name].append((limit_cpu / cpu, limit / wall))
    return {
        name: (
            images / statistics.median(wall for wall, _ in times[name]) / workers,
            statistics.median(cpu for cpu, _ in ratios[name]),
            statistics.median(wall for _, wall in ratios[name]),
        )
        for name in contenders
    }


def contenders_of(files: Files, small: Files, kind: str, workers: int, folder: Path) -> dict[str, Run]:
    """Return the limit and the loader with each cache."""
    caches = {
        "none": ImageCache(0),
        "folder": ImageCache(0, folder),
        "memory": ImageCache(),
    }
    return {"limit": plain(small, kind, workers)} | {
        name: loader(files, workers, cache) for name, cache in caches.items()
    }


def processor_name() -> str:
    """Name of the processor."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=13)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines: list[str] = []

    def tell(line: str) -> None:
        print(line, flush=True)
        lines.append(line)
        if options.output:
            write_text(options.output, "\n".join(lines) + "\n")

    versions = f"torch {torch.__version__}, Pillow {PIL.__version__}, pydicom {pydicom.__version__}"
    tell(f"{processor_name()}, {versions}, {options.images} films, {options.rounds} rounds")
    tell("images a second and worker; in brackets the ratio to the limit by time of the processor, by wall-clock time")
    tell(f"kind             source  workers   limit  {'no cache':>20}  {'folder':>20}  {'memory':>20}")
    with tempfile.TemporaryDirectory() as name:
        patients = [make_radiograph(number, RIVERSIDE, SOURCE) for number in range(min(options.images, 8))]
        drawn = [(patient.film, patient.lungs.astype(np.float32)) for patient in patients]
        generator = np.random.default_rng(0)  # a film of its own for each: noise as a detector's
        films = []
        for number in range(options.images):
            film, lungs = drawn[number % len(drawn)]
            noise = generator.normal(0, 0.005, film.shape)
            films.append((np.clip(film + noise, 0, 1).astype(np.float32), lungs))
        for kind in options.kinds:
            small, large = (write(Path(name), kind, films, size) for size in (SIZE, SOURCE))
            time.sleep(SETTLE_S)
            for files, source in ((small, SIZE), (large, SOURCE)):
                for workers in options.workers:
                    contenders = contenders_of(files, small, kind, workers, Path(name) / "cache")
                    results = measure(contenders, options.images, workers, options.rounds)
                    cells = "  ".join("{:7.0f} ({:4.2f}, {:4.2f})".format(*results[cache]) for cache in CACHES)
                    tell(f"{kind:15}  {source:5}²  {workers:7}  {results['limit'][0]:6.0f}  {cells}")


if __name__ == "__main__":
    main()
