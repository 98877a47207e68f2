"""How long a reviewer waits: a dropped image with its answer and map, and a list of many cases.

    python benchmarks/viewer_speed.py --model densenet121 --output benchmarks/results/viewer_speed_NAME.json

`sightline view` is started on a run with the weights it is born with and a cohort of phantoms whose files are listed
many times over. A radiograph (PNG and DICOM, 1024 pixels a side) is sent as the page does, then its answer and its map
of the first method asked for; the list is asked for its first page, sorted by the answer's certainty, and searched. The
figure is the median of the rounds, by the wall; the first round, in which the model is opened, is told apart.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from sightline.data import DataSettings, Preprocessing, read_cohort, write_cohort
from sightline.data.phantoms import make_phantom_cohort
from sightline.models import ModelSettings, build_model, save_weights
from sightline.plain import to_plain
from sightline.runs import RunFolder, write_json, write_text
from sightline.training import TrainSettings
from sightline.yaml12 import dump

BYTES = {"content-type": "application/octet-stream"}


def make_run(folder: Path, model: str, cases: int) -> Path:
    """Make a cohort of many cases and a run that has learned nothing."""
    make_phantom_cohort(folder / "few", size=224, counts={"train": 3, "test": 48})
    few = read_cohort(folder / "few")
    many = tuple(replace(few.cases[i % 51], id=f"case-{i:06d}", patient=f"p{i // 2:06d}") for i in range(cases))
    write_cohort(replace(few, cases=many), folder / "cohort")
    data = DataSettings(folder / "cohort", Preprocessing(size=224))
    settings = TrainSettings(data, name="run", model=ModelSettings(model))
    run = RunFolder.create(folder / "run")
    write_text(run.path / "config.yaml", dump(to_plain(settings)))
    save_weights(build_model(settings.model, num_classes=3, seed=0), run.weights)
    return run.path


def radiographs() -> dict[str, bytes]:
    """A noisy image of 1024 pixels a side, as PNG and as DICOM."""
    pixels = np.random.default_rng(0).integers(0, 4096, (1024, 1024)).astype(np.uint16)
    png, dicom = io.BytesIO(), io.BytesIO()
    Image.fromarray((pixels // 16).astype(np.uint8)).save(png, "png")
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = DigitalXRayImageStorageForPresentation
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = generate_uid()
    image.Modality, image.PhotometricInterpretation, image.SamplesPerPixel = "DX", "MONOCHROME2", 1
    image.Rows, image.Columns, image.BitsAllocated, image.BitsStored, image.HighBit = 1024, 1024, 16, 12, 11
    image.PixelRepresentation, image.PixelData = 0, pixels.tobytes()
    image.save_as(dicom, enforce_file_format=True)
    return {"png": png.getvalue(), "dcm": dicom.getvalue()}


def drop(client: httpx.Client, suffix: str, content: bytes, method: str) -> tuple[float, float]:
    """Send an image; seconds until its answer, and until its map."""
    start = time.perf_counter()
    key = client.post("/api/uploads", params={"name": f"x.{suffix}"}, content=content, headers=BYTES).json()["key"]
    of_run = {"run": "run"}
    client.get(f"/api/subjects/{key}/picture", params=of_run).raise_for_status()
    client.get(f"/api/subjects/{key}/answer", params=of_run).raise_for_status()
    answered = time.perf_counter() - start
    client.get(f"/api/subjects/{key}/map", params=of_run | {"method": method, "of": 0}).raise_for_status()
    shown = time.perf_counter() - start
    client.delete(f"/api/uploads/{key}").raise_for_status()
    return answered, shown


def rounds(ask: Callable[[], Any], count: int) -> dict[str, float]:
    """Seconds of the first round, and the median of the others."""
    taken = []
    for _ in range(count + 1):
        start = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - start)
    return {"first_s": taken[0], "then_s": statistics.median(taken[1:])}


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="densenet121")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    found: dict[str, Any] = {"model": options.model, "cases": options.cases, "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder), options.model, options.cases)
        began = time.perf_counter()
        command = [sys.executable, "-m", "sightline.cli.main", "view", str(run), "--port", "0", "--json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            address = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")["address"]  # type: ignore[union-attr]
            found["opened_s"] = time.perf_counter() - began
            with httpx.Client(base_url=address, timeout=300) as client:
                overview = client.get("/api/overview").json()
                method = overview["methods"][0]["name"]
                found["method"] = method
                for suffix, content in radiographs().items():
                    times = [drop(client, suffix, content, method) for _ in range(options.rounds + 1)]
                    found[suffix] = {
                        "first_map_s": times[0][1],
                        "answer_s": statistics.median(each[0] for each in times[1:]),
                        "map_s": statistics.median(each[1] for each in times[1:]),
                    }
                found["overview"] = rounds(lambda: client.get("/api/overview").raise_for_status(), options.rounds)
                for name, query in {"page": {}, "search": {"text": "case-009"}, "deep": {"offset": 9900}}.items():
                    found[f"list, {name}"] = rounds(
                        lambda query=query: client.get("/api/cases", params=query).raise_for_status(),  # type: ignore[misc]
                        options.rounds,
                    )
        finally:
            process.terminate()
            process.wait(timeout=60)
    print(json.dumps(found, indent=2))
    if options.output:
        write_json(options.output, found)


if __name__ == "__main__":
    main()
