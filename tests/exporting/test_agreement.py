import pytest
import torch
from torch import Tensor

from sightline.errors import ExportError
from sightline.exporting import check_agreement


def model(images: Tensor) -> tuple[Tensor, Tensor]:
    return images.sum((2, 3)), images.mean(1, keepdim=True)


def test_the_same_answers_agree_on_every_image() -> None:
    found = check_agreement(model, model, (3, 4, 4), examples=torch.rand(5, 3, 4, 4))
    assert (found.images, found.logits, found.maps) == (8, 0.0, 0.0)
    fixed = check_agreement(model, model, (3, 4, 4), examples=torch.rand(5, 3, 4, 4), batch=2)
    assert fixed.images == 8, "two at random, and five filled up to six"


def test_differences_are_shares_of_large_logits_and_of_every_map() -> None:
    def logits(by: float) -> tuple[Tensor, Tensor]:
        return torch.tensor([[100.0, 0.0 + by]]), torch.tensor([[1e-3, 2e-3 + by / 1e5]])

    found = check_agreement(lambda _: logits(0.0), lambda _: logits(5e-4), (1,), batch=1)
    assert found.logits == pytest.approx(5e-6)
    assert found.maps == pytest.approx(5e-9 / 2e-3, rel=0.1)  # float32


@pytest.mark.parametrize(
    ("logits", "maps", "what"),
    [(2e-5, 0.0, "logits"), (0.0, 1e-3, "maps"), (float("nan"), 0.0, "logits"), (0.0, float("inf"), "maps")],
)
def test_a_file_that_answers_otherwise_is_refused(logits: float, maps: float, what: str) -> None:
    def other(images: Tensor) -> tuple[Tensor, Tensor]:
        own = model(images / 100)
        return own[0] + logits, own[1] + maps

    with pytest.raises(ExportError, match=f"exported {what} differ from those of the model by .*, so the file is not"):
        check_agreement(lambda images: model(images / 100), other, (3, 4, 4))


def test_answers_of_another_shape_are_refused() -> None:
    with pytest.raises(ExportError, match="differ"):
        check_agreement(model, lambda images: (model(images)[0][:, :1], model(images)[1]), (3, 4, 4))
