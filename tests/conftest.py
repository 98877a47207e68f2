"""What all tests share: one thread a worker, no deadlines, and the packages of others."""

import importlib
import importlib.util
import logging
import os
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import settings

from .browsing import FLAGS, NAMES, find_chromium

settings.register_profile("sightline", deadline=None, max_examples=50)  # the machine that checks has two busy cores
settings.load_profile("sightline")

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)


_ALIVE: list[torch.library.Library] = []  # what is declared in a library goes with it


@pytest.fixture(scope="session")
def torchvision() -> ModuleType:
    """The package torchvision, beside any build of torch.

    Its wheel on PyPI is built for CUDA; beside a CPU build of torch its operators are missing (pytorch/vision#9085),
    and declaring the two that it looks for mends the import.
    """
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _ALIVE.append(library)
    return importlib.import_module("torchvision")


@pytest.fixture(scope="session")
def timm(torchvision: ModuleType) -> ModuleType:
    """The package timm, which imports torchvision."""
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed")
    return importlib.import_module("timm")


@pytest.fixture(scope="session")
def zennit(torchvision: ModuleType) -> ModuleType:
    """The package zennit, an oracle for the values of LRP maps, which imports torchvision."""
    if importlib.util.find_spec("zennit") is None:
        pytest.skip("zennit is not installed")
    for part in ("attribution", "canonizers", "composites", "rules"):
        importlib.import_module(f"zennit.{part}")
    return importlib.import_module("zennit")


@pytest.fixture(autouse=True)
def untouched_logger() -> None:
    """Undo what a `main` before has done to the package's logger: what is logged must reach `caplog`."""
    log = logging.getLogger("sightline")
    log.handlers.clear()
    log.setLevel(logging.NOTSET)
    log.propagate = True


@pytest.fixture(autouse=True)
def same_draws() -> None:
    """Start each test from one state of torch's generator: initial weights must not fail one run in a hundred."""
    torch.default_generator.manual_seed(0)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pages are tested in a browser by playwright")
    found = find_chromium()
    if found is None:
        pytest.skip(f"no Chromium: none of {', '.join(NAMES)} is on the path, and SIGHTLINE_CHROMIUM is not set")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=found, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_address(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open pages; at the end nothing may have gone wrong, and nothing been asked for from elsewhere."""
    told: list[str] = []
    contexts = []

    def opened(address: str, width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: told.append(request.url) if request.url.startswith("http") else None)
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert told == []
