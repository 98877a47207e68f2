"""Maps a second: ours, zennit's and captum's on the same model and batch, side by side in one run.

    python benchmarks/explain_speed.py --output benchmarks/results/NAME.json

Each round draws the maps of each contender once, and the next round in the other order; the figure is the median of the
rounds, and the ratio the median of the rounds' ratios (theirs over ours: above 1 we are faster), with the least and the
greatest. On a CPU times are processor seconds, which other processes do not add to. Peak memory is that of one
explanation beyond what the process held before it, each in a process of its own.

zennit and captum explain one class at a time; all classes of a batch cost them one call a class. captum's LRP is the
epsilon rule; it is timed on VGG alone, since on networks with additions it gives another map.
"""

import argparse
import json
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from sightline.attribution import (
    LRP,
    Class,
    CompositeLRP,
    DeconvNet,
    DeepLIFT,
    EveryClass,
    GradCAM,
    GradientTimesInput,
    GuidedBackpropagation,
    IntegratedGradients,
    Occlusion,
    Saliency,
)
from sightline.models import ModelSettings, build_model
from sightline.runs import write_json

STEPS, WINDOW = 20, 56
Draw = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    method: str
    peer: str
    model: str
    classes: int
    every: bool


@dataclass(frozen=True)
class Result:
    """What was measured: maps a second, and MiB."""

    case: Case
    ratio: float
    least: float
    greatest: float
    ours: float
    theirs: float
    ours_mib: float
    theirs_mib: float


OURS = {
    "LRP-epsilon": LRP(epsilon=1e-6, input_rule=None),
    "LRP-epsilon-plus": CompositeLRP("epsilon_plus"),
    "saliency": Saliency(),
    "guided backpropagation": GuidedBackpropagation(),
    "integrated gradients": IntegratedGradients(steps=STEPS),
    "occlusion": Occlusion(window=WINDOW, stride=WINDOW),
    "gradient x input": GradientTimesInput(),
    "DeconvNet": DeconvNet(),
    "DeepLIFT": DeepLIFT(),
    "Grad-CAM": GradCAM(rectify=False),  # at the layer of `layer_of`
}


def setting(case: Case, batch: int, size: int, device: str) -> tuple[nn.Module, Tensor]:
    """Return the model and the images of a line."""
    model = build_model(ModelSettings(name=case.model), num_classes=case.classes, seed=0).to(device).eval()
    return model, torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)


def ours(case: Case, batch: int, size: int, device: str) -> Draw:
    """Return what draws our maps."""
    model, images = setting(case, batch, size, device)
    target = EveryClass() if case.every else Class(0)

    explainer = OURS[case.method]
    if isinstance(explainer, GradCAM):
        explainer = replace(explainer, layer=layer_of(case.model))

    def draw() -> object:
        with torch.no_grad():
            return explainer(model, images, target).attribution

    return draw


def layer_of(model: str) -> str:
    """Return the name of the layer before the head, which captum must be told."""
    return "features" if model.startswith("vgg") else "layer4"


def theirs(case: Case, batch: int, size: int, device: str) -> Draw:
    """Return what draws the peer's maps."""
    model, images = setting(case, batch, size, device)
    classes = range(case.classes) if case.every else [0]
    return _zennit(case, model, images, classes) if case.peer == "zennit" else _captum(case, model, images, classes)


def _zennit(case: Case, model: nn.Module, images: Tensor, classes: range | list[int]) -> Draw:
    _mend_torchvision()
    from zennit.attribution import Gradient
    from zennit.composites import EpsilonPlus, LayerMapComposite, layer_map_base
    from zennit.rules import Epsilon
    from zennit.types import Convolution, Linear

    if case.method == "LRP-epsilon-plus":
        composite = EpsilonPlus()
    else:
        composite = LayerMapComposite([*layer_map_base(), (Convolution, Epsilon()), (Linear, Epsilon())])
    eye = torch.eye(case.classes, device=images.device)

    def draw() -> object:
        maps = []
        with Gradient(model, composite) as attributor:
            for k in classes:
                _, relevance = attributor(images.clone(), lambda out, k=k: out * eye[k])
                maps.append(relevance)
        return maps

    return draw


def _captum(case: Case, model: nn.Module, images: Tensor, classes: range | list[int]) -> Draw:
    from captum import attr

    def draw() -> object:
        maps = []
        for k in classes:
            x = images.clone().requires_grad_()
            if case.method == "saliency":
                maps.append(attr.Saliency(model).attribute(x, target=k, abs=False))
            elif case.method == "LRP-epsilon":
                maps.append(attr.LRP(model).attribute(x, target=k))
            elif case.method == "guided backpropagation":
                maps.append(attr.GuidedBackprop(model).attribute(x, target=k))
            elif case.method == "gradient x input":
                maps.append(attr.InputXGradient(model).attribute(x, target=k))
            elif case.method == "DeconvNet":
                maps.append(attr.Deconvolution(model).attribute(x, target=k))
            elif case.method == "DeepLIFT":
                maps.append(attr.DeepLift(model).attribute(x, target=k, return_convergence_delta=True)[0])
            elif case.method == "Grad-CAM":
                layer = model.get_submodule(layer_of(case.model))
                maps.append(attr.LayerGradCam(model, layer).attribute(x, target=k))
            elif case.method == "integrated gradients":
                method = attr.IntegratedGradients(model)
                settings = {"n_steps": STEPS, "internal_batch_size": 32, "return_convergence_delta": True}  # as ours
                maps.append(method.attribute(x, target=k, **settings)[0])
            else:
                shape = (images.shape[1], WINDOW, WINDOW)
                method = attr.Occlusion(model)
                with torch.no_grad():
                    windows = {"sliding_window_shapes": shape, "strides": shape, "perturbations_per_eval": 16}
                    maps.append(method.attribute(images, target=k, **windows))
        return maps

    return draw


def peers(method: str, model: str) -> list[tuple[str, bool]]:
    """Return whom to compare with, and whether over all classes."""
    if not method.startswith("LRP"):
        return [("captum", False)]
    return [("zennit", False), ("zennit", True), *[("captum", False)] * (method == "LRP-epsilon" and "vgg" in model)]


def _mend_torchvision() -> None:
    """Declare the operators that torchvision misses beside a CPU build of torch (pytorch/vision#9085)."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _ALIVE.append(library)


_ALIVE: list[torch.library.Library] = []


def peak_mib(case: Case, of_ours: bool, batch: int, size: int, device: str, threads: int) -> float:
    """Peak memory of one explanation beyond what was there before it, after one of warming up."""
    torch.set_num_threads(threads)
    draw = (ours if of_ours else theirs)(case, batch, size, device)
    if device == "cuda":
        draw()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        draw()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew (Linux)
    before = _resident_kib("VmRSS")
    draw()
    return (_resident_kib("VmHWM") - before) / 2**10


def _resident_kib(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def measure(case: Case, batch: int, size: int, rounds: int, device: str, threads: int) -> Result:
    """Interleave ours and theirs."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    contenders = ours(case, batch, size, device), theirs(case, batch, size, device)
    for draw in contenders:
        draw()
    times: list[tuple[float, float]] = []
    for turn in range(rounds):
        taken = [0.0, 0.0]
        for which in (0, 1) if turn % 2 == 0 else (1, 0):  # whoever comes second finds the cache as the first left it
            start = clock()
            contenders[which]()
            if device == "cuda":
                torch.cuda.synchronize()
            taken[which] = clock() - start
        times.append((taken[0], taken[1]))
    ratios = [after / before for before, after in times]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        memory = [pool.apply(peak_mib, (case, kind, batch, size, device, threads)) for kind in (True, False)]
    maps = batch * (case.classes if case.every else 1)
    return Result(
        case,
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        maps / statistics.median(before for before, _ in times),
        maps / statistics.median(after for _, after in times),
        *memory,
    )


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["vgg16_bn", "resnet50"])
    parser.add_argument("--methods", nargs="+", default=list(OURS))
    parser.add_argument("--classes", type=int, default=8)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1, help="of torch, on a CPU")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    hardware = torch.cuda.get_device_name() if options.device == "cuda" else platform.processor() or "CPU"
    threads = options.threads
    torch.set_num_threads(threads)
    print(f"{hardware}, {threads} thread(s), torch {torch.__version__}, batch {options.batch} x 3 x {options.size}²")
    columns = "method                  model      classes  peer    ratio (least, most)"
    print(f"{columns}   maps/s ours  theirs   MiB ours  theirs")
    results = []
    for method in options.methods:
        for model in options.models:
            for peer, every in peers(method, model):
                case = Case(method, peer, model, options.classes, every)
                r = measure(case, options.batch, options.size, options.rounds, options.device, threads)
                results.append(r)
                which = "all" if every else "one"
                print(
                    f"{method:22}  {model:9}  {which:7}  {peer:6}  {r.ratio:5.2f} ({r.least:.2f}, {r.greatest:.2f})"
                    f"  {r.ours:10.2f}  {r.theirs:7.2f}  {r.ours_mib:9.0f}  {r.theirs_mib:6.0f}",
                    flush=True,
                )
                if options.output:
                    about = {"hardware": hardware, "threads": threads, "torch": torch.__version__}
                    about |= {"batch": options.batch, "size": options.size, "rounds": options.rounds}
                    write_json(options.output, {**about, "results": [asdict(each) for each in results]})
    if options.output:
        print(json.dumps({"written": str(options.output)}))


if __name__ == "__main__":
    main()
