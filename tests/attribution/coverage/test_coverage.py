"""The page says of each explanation and architecture what is found when it is tried."""

import itertools
from collections.abc import Callable

import pytest

from .cells import Cell, fill, subject_of
from .checks import ABOUT, check_for
from .methods import methods
from .models import ARCHITECTURES
from .page import PAGE, keys, read, write
from .references import Subject

_FAMILIES = (  # a method of each
    *("Saliency", "GuidedBackpropagation", "SmoothGrad", "ExpectedGradients", "DeepLIFT", "GradCAM"),
    *("GradientAttentionRollout", "LRP", "CompositeLRP epsilon_plus", "RISE"),
)
_SMALL = ("VGG-16", "ResNet-50", "ViT-B/16", "U-Net with class head")
QUICK = {*itertools.product(_FAMILIES, _SMALL), *itertools.product(("GradCAM", "LRP"), ("3-D ResNet-18",))}


def committed() -> dict[tuple[str, str], Cell]:
    return read(PAGE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def subject(request: pytest.FixtureRequest) -> Subject:
    architecture = request.param
    if architecture.package is not None:
        request.getfixturevalue(architecture.package)
    return subject_of(architecture)


@pytest.mark.parametrize(
    ("subject", "method"),
    [
        pytest.param(
            *(architecture, method),
            id=f"{architecture.name}, {method}",
            marks=() if (method, architecture.name) in QUICK else pytest.mark.slow,
        )
        for architecture in ARCHITECTURES
        for method in methods()
    ],
    indirect=["subject"],
)
def test_a_cell_is_as_the_page_says(
    subject: Subject, method: str, writing: bool, record_property: Callable[[str, object], None]
) -> None:
    architecture = subject.architecture.name
    cell = fill(method, subject)
    record_property("cell", (method, architecture, cell.check, cell.reason))
    if not writing:
        assert cell == committed().get((method, architecture))


def test_every_method_has_a_check() -> None:
    assert [method for method in methods() if check_for(method) is None] == []


def test_the_page_has_a_cell_for_every_method_and_architecture_and_no_other(writing: bool) -> None:
    if writing:
        pytest.skip("it is written after this")
    assert list(committed()) == keys()


def test_the_page_is_what_would_be_written(writing: bool) -> None:
    if writing:
        pytest.skip("it is written after this")
    assert PAGE.read_text(encoding="utf-8") == write(committed())


def test_every_check_has_a_sign_of_its_own() -> None:
    assert len({about.sign for about in ABOUT.values()}) == len(ABOUT)


def test_what_is_written_is_read_back() -> None:
    reasons = ("one of it", "", "another, (3, 4)")
    cells = {
        key: Cell(reason=reason) if reason else Cell(check)
        for key, reason, check in zip(keys(), reasons * len(keys()), list(ABOUT) * len(keys()), strict=False)
    }
    del cells[keys()[5]]
    assert read(write(cells)) == cells
