"""How large and how fast the files of `sightline export` are beside the network they were made from.

    python benchmarks/export_latency.py --model densenet121 --output benchmarks/results/NAME.json
    python benchmarks/export_latency.py --run runs/isnet --maps lrp

Each format is written to a folder that is thrown away, opened, and asked for the same batch in turns with the network
as training left it, both on the same number of threads; the figure is the median of the pairs' ratios of wall time,
with the quartiles. A ratio of 1 costs nothing. With `--maps` a further ONNX graph a method returns logits and maps; the
network beside it is explained by the engine.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sightline.attribution.methods import find_method
from sightline.data import Cohort, DataSettings, read_cohort
from sightline.exporting import Export, Maps, classifier_of
from sightline.exporting.monai_bundle import ask_bundle
from sightline.exporting.onnx_file import ask_onnx
from sightline.models import ModelSettings, build_model, open_classifier
from sightline.models.exported import exported_program
from sightline.training import TrainSettings, load_trained, open_run

FORMATS = ("safetensors", "torch", "onnx", "monai", "huggingface")
Ask = Callable[[Tensor], Any]


def trained(options: argparse.Namespace) -> tuple[TrainSettings, nn.Module, Cohort]:
    """Take the network of a run, or make one whose normalisations have seen images."""
    if options.run is not None:
        settings, run = open_run(options.run)
        cohort = read_cohort(settings.data.cohort)
        return settings, load_trained(settings, run, num_classes=cohort.num_classes).cpu(), cohort
    data = DataSettings(Path())
    settings = TrainSettings(data, name=options.model, model=ModelSettings(options.model, width=options.width))
    model = build_model(settings.model, num_classes=3, seed=0)
    with torch.no_grad():
        model.train()(torch.rand(2, 3, data.preprocessing.size, data.preprocessing.size))
    return settings, model.eval(), Cohort(Path(), "multiclass", ("a", "b", "c"), ())


def opened(form: str, folder: Path, export: Export, threads: int) -> Ask:
    """Open what was exported, as its users would."""
    if form == "onnx":
        return ask_onnx(folder / "model.onnx", threads=threads)
    if form == "torch":
        return exported_program(folder / "model.pt2")
    if form == "monai":
        return ask_bundle(folder, export.classifier)
    return open_classifier(folder, trusted=True).model


def compared(plain: Ask, other: Ask, images: Tensor, pairs: int) -> dict[str, Any]:
    """Ask both for the same images in turns first and second."""
    taken = []
    with torch.no_grad():
        for turn in range(-2, pairs):  # the first two warm up
            times = {}
            for name, ask in (("plain", plain), ("other", other)) if turn % 2 else (("other", other), ("plain", plain)):
                start = time.perf_counter()
                ask(images)
                times[name] = time.perf_counter() - start
            if turn >= 0:
                taken.append((times["plain"], times["other"]))
    low, middle, high = statistics.quantiles([other / plain for plain, other in taken], n=4)
    return {
        "ratio": round(middle, 4),
        "quartiles": [round(low, 4), round(high, 4)],
        "plain_s": round(statistics.median(plain for plain, _ in taken), 5),
        "exported_s": round(statistics.median(other for _, other in taken), 5),
    }


def line(form: str, export: Export, plain: Ask, images: Tensor, options: argparse.Namespace) -> dict[str, Any]:
    """Export, weigh and time one format."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        (written,) = export.write([form], Path(folder))
        seconds = time.perf_counter() - start
        size = sum(count for name, count in written.files.items() if name.startswith(("model.", "models/")))
        ask = opened(form, written.folder, export, options.threads)
        if written.batch is not None:
            images = images[: written.batch]
        told = compared(plain, ask, images, options.pairs)
    return {
        "format": form + (f" with {export.maps.method}" if export.maps else ""),
        "mib": round(size / 2**20, 2),
        "written_in_s": round(seconds, 1),
        "images_at_a_time": written.batch or "any",
        "logits_differ_by": written.agreement.logits,
        "maps_differ_by": written.agreement.maps,
        **told,
    }


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path)
    parser.add_argument("--model", default="densenet121")
    parser.add_argument("--width", type=int)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--formats", nargs="+", default=list(FORMATS))
    parser.add_argument("--maps", nargs="*", default=[])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    settings, model, cohort = trained(options)
    classifier = classifier_of(settings, model, cohort)
    images = torch.rand(options.batch, *classifier.shape, generator=torch.Generator().manual_seed(0))
    lines = [line(form, Export(classifier), model, images, options) for form in options.formats]
    for method in options.maps:
        maps = Maps(method, find_method(method).explainer())
        export = Export(classifier, maps)
        if "onnx" in options.formats:
            lines.append(line("onnx", export, lambda given, maps=maps: maps(model, given), images, options))
    result = {
        "network": settings.model.name,
        "parameters": sum(value.numel() for value in model.parameters()),
        "plain_mib": round(sum(value.nbytes for value in model.state_dict().values()) / 2**20, 2),
        "left_out": list(classifier.left_out),
        "shape": [options.batch, *classifier.shape],
        "threads": options.threads,
        "torch": torch.__version__,
        "pairs": options.pairs,
        "formats": lines,
    }
    text = json.dumps(result, indent=2)
    print(text)
    if options.output is not None:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
