import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sightline.errors import DataError, DataNotFoundError, ShapeError
from sightline.evaluation.organ_iou import OrganIoU, organ_iou_of_run, read_organ_iou
from sightline.metrics import Resampling
from sightline.types import Batch, LinearAnswer

NAN = float("nan")
FEW = Resampling(resamples=50)
Make = Callable[..., list[Batch]]
CLASSES = ("nodule", "effusion", "calcification")


class Looking(nn.Module):
    """Attention of the first class is the volume itself, of the second twice it; the third looks at its opposite."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.drop = nn.Parameter(torch.tensor([1.0, 2.0, -1.0])), nn.Dropout(0.5)

    def linear_answer(self, images: Tensor) -> LinearAnswer:
        features = self.drop(images)
        weights = self.weight[:, None, None, None, None]
        logits = (weights * features[:, 0, None].unsqueeze(1)).flatten(2).sum(2)
        return LinearAnswer(logits, features, weights, 1.0, torch.zeros(3))

    def forward(self, images: Tensor) -> Tensor:
        return self.linear_answer(images).logits


def split(*scans: tuple[list[float], list[float], list[list[float]]], name: str = "case") -> list[Batch]:
    """Batches of one scan of 1 x 2 x 2 voxels: values, labels, and regions of each class."""
    return [
        Batch(
            torch.tensor(values).reshape(1, 1, 1, 2, 2),
            torch.tensor([labels]),
            torch.tensor(regions).reshape(1, len(regions), 1, 2, 2),
            (f"{name}-{index}",),
        )
        for index, (values, labels, regions) in enumerate(scans)
    ]


TOP, LEFT, NOBODY, NOWHERE = [1.0, 1, 0, 0], [1.0, 0, 1, 0], [NAN] * 4, [0.0] * 4


@pytest.fixture
def validation() -> list[Batch]:
    """The nodule is cut best at 0.5 and the effusion at the first threshold; nobody has a calcification."""
    return split(
        ([1.0, 0.2, 0.5, 0.1], [1, 1, 0], [TOP, [1.0] * 4, NOWHERE]),
        ([0.9, 0.8, 0.4, 0.0], [1, 0, NAN], [TOP, NOWHERE, NOBODY]),
        name="val",
    )


@pytest.fixture
def test() -> list[Batch]:
    return split(
        ([1.0, 0.6, 0.7, 0.0], [1, 1, 0], [TOP, LEFT, NOWHERE]),
        ([1.0, 0.9, 0.2, 0.0], [1, 1, 1], [LEFT, NOBODY, TOP]),
        ([0.5, 0.5, 0.5, 0.5], [1, 0, 0], [TOP, NOWHERE, NOWHERE]),
    )


@pytest.fixture
def found(validation: list[Batch], test: list[Batch]) -> OrganIoU:
    patients = {"case-0": "A", "case-1": "B", "case-2": "B"}
    return organ_iou_of_run(
        Looking(), validation, test, CLASSES, groups={"lung": ["nodule", "effusion"]}, patients=patients
    )


def test_values_by_hand(found: OrganIoU) -> None:
    # attention of the nodule in validation, stretched: 1 1/9 4/9 0 and 1 8/9 4/9 0
    assert found.thresholds.tolist() == pytest.approx([0.46, 0.004, NAN], nan_ok=True)
    assert found.validated.tolist() == [2, 1, 0]
    assert found.cases == ("case-0", "case-0", "case-1", "case-1", "case-2")
    assert found.patients == ("A", "A", "B", "B", "B")
    assert found.labels.tolist() == [0, 1, 0, 2, 0]
    # above 0.46 are 1, .6 and .7, of which two are allowed; above 0.004 likewise; 1 and .9; no threshold; no contrast
    np.testing.assert_allclose(found.values, [2 / 3, 2 / 3, 1 / 2, NAN, NAN])


def test_the_codes_limiting_cases_move_values_and_thresholds(validation: list[Batch], test: list[Batch]) -> None:
    found = organ_iou_of_run(Looking(), validation, test, CLASSES, zero_if_either_is_zero=True)
    # perfect attention counts 0: that of the nodule is best with one place outside, up to 1/9
    assert found.thresholds.tolist() == pytest.approx([0.004, 0.004, NAN], nan_ok=True)
    np.testing.assert_allclose(found.values, [2 / 3, 2 / 3, 2 / 3, NAN, 0])


def test_scores_leave_out_and_count_pairs_without_a_number(found: OrganIoU) -> None:
    scores = found.scores(resampling=FEW)
    assert scores.overall.mean.value == pytest.approx((2 / 3 + 2 / 3 + 1 / 2) / 3)
    assert (scores.overall.mean.n, scores.overall.mean.n_patients, scores.overall.empty) == (3, 2, 2)
    assert scores.per_group["lung"].empty == 1
    assert np.isnan(scores.per_label["calcification"].mean.value)


def test_a_finding_keeps_its_own_region_and_map_where_others_are_absent() -> None:
    scans = split(
        ([-1.0, 0.0, -0.6, 0.5], [1, 0, 1], [TOP, TOP, LEFT]), ([-1.0, 0.0, 0.0, 0.0], [0, 0, 1], [NOBODY, TOP, LEFT])
    )
    assert organ_iou_of_run(Looking(), scans, scans, CLASSES).values.tolist() == [0, 1, 1]


def larger(values: list[float], inner: float = 0.0) -> Tensor:
    """The volume of 1 x 2 x 2 voxels with each split into 1 x 4 x 4, of which the corners are changed."""
    fine = torch.tensor(values).reshape(1, 1, 1, 2, 2).repeat_interleave(4, 3).repeat_interleave(4, 4)
    fine[..., 1::4, 1::4] += inner
    return fine


@pytest.mark.parametrize("labels", [[1.0], [1.0, 0.0]], ids=["own region", "one for all"])
def test_a_map_of_another_grid_is_brought_to_that_of_the_region(labels: list[float]) -> None:
    model = Looking()
    model.weight = nn.Parameter(torch.ones(len(labels)))
    regions, names = torch.tensor(LEFT).reshape(1, 1, 1, 2, 2), ["nodule", "effusion"][: len(labels)]
    batch = Batch(larger([0.0, 1, 0.7, 0.5]), torch.tensor([labels]), regions, ("a",))
    assert organ_iou_of_run(model, [batch], [batch], names).values.tolist() == [1 / 2]  # 1 and 0.7, above 0.5


def test_what_speaks_against_a_finding_is_dropped_before_it_could_cancel_out() -> None:
    model = Looking()
    model.weight = nn.Parameter(torch.ones(1))
    regions = torch.tensor(LEFT).reshape(1, 1, 1, 2, 2)
    # in each voxel the mean of four: 3/4 of 1, 2, 1 and 0, not what -9 leaves of them
    batch = Batch(larger([1.0, 2, 1, 0], inner=-9.0), torch.tensor([[1.0]]), regions, ("a",))
    assert organ_iou_of_run(model, [batch], [batch], ["nodule"]).values.tolist() == pytest.approx([2 / 3])


def test_maps_are_drawn_in_evaluation_mode_and_the_model_comes_back(
    validation: list[Batch], test: list[Batch], found: OrganIoU
) -> None:
    model, told = Looking().train(), []
    again = organ_iou_of_run(model, validation, test, CLASSES, progress=lambda *step: told.append(step))
    np.testing.assert_array_equal(again.values, found.values)  # nothing was dropped
    assert model.drop.training
    assert told == [(n, 5) for n in range(1, 6)]


def test_a_model_without_a_closed_form_is_measured_too(batches_of: Make) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))
    images = torch.rand(5, 1, 4, 4)
    regions = torch.zeros(5, 2, 4, 4)
    regions[:, :, :2] = 1
    cases = batches_of(images, torch.tensor([[1.0, 1], [0, 1], [1, 0], [0, 0], [1, NAN]]), regions)
    for attention in ("hirescam", "grad-cam"):
        found = organ_iou_of_run(model, cases, cases, ["a", "b"], attention=attention)  # type: ignore[arg-type]
        assert found.labels.tolist() == [0, 1, 1, 0, 0]
        assert ((found.values >= 0) & (found.values <= 1) | np.isnan(found.values)).all()


def test_what_is_written_is_read_back(found: OrganIoU, tmp_path: Path) -> None:
    found.write(tmp_path, resampling=FEW)
    again = read_organ_iou(tmp_path)
    for name in ("attention", "zero_if_either_is_zero", "classes", "groups", "cases", "patients"):
        assert getattr(again, name) == getattr(found, name)
    for name in ("thresholds", "validated", "labels", "values"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    told = json.loads((tmp_path / "organ_iou.json").read_text())
    assert (told["pairs"], told["scans"]) == (5, 3)
    assert told["thresholds"] == {"nodule": 0.46, "effusion": 0.004, "calcification": None}
    assert told["scores"]["overall"]["value"] == pytest.approx(np.nanmean(found.values))
    rows = list(csv.DictReader((tmp_path / "organ_iou.csv").open()))
    assert rows[3] == {
        **{"case": "case-1", "patient": "B", "class": "calcification"},
        **{"threshold": "", "organ_iou": ""},
    }
    assert {file.name for file in tmp_path.iterdir()} == {"organ_iou.csv", "organ_iou.json"}


def test_grad_cam_has_files_of_its_own(validation: list[Batch], test: list[Batch], tmp_path: Path) -> None:
    organ_iou_of_run(Looking(), validation, test, CLASSES, attention="grad-cam").write(tmp_path, resampling=FEW)
    assert read_organ_iou(tmp_path, "grad-cam").attention == "grad-cam"
    with pytest.raises(DataNotFoundError, match=r"holds no organ_iou.json; evaluate a model on a cohort with organs"):
        read_organ_iou(tmp_path)
    (tmp_path / "organ_iou-grad-cam.json").write_text('{"classes": ["a"]}')
    with pytest.raises(DataError, match=r"organ_iou-grad-cam.csv are damaged"):
        read_organ_iou(tmp_path, "grad-cam")


def test_what_does_not_fit_is_refused(validation: list[Batch], test: list[Batch]) -> None:
    model = Looking()
    with pytest.raises(DataError, match="no scan of the validation split has a finding with a known organ"):
        organ_iou_of_run(model, [], test, CLASSES)
    nobody = split(([1.0, 0, 0, 0], [1, 0, 0], [NOBODY, NOWHERE, NOWHERE]))
    with pytest.raises(DataError, match=r"no scan of the test split .* give the columns mask:<class>"):
        organ_iou_of_run(model, validation, nobody, CLASSES)
    with pytest.raises(DataError, match="case case-1 has no patient"):
        organ_iou_of_run(model, validation, test, CLASSES, patients={"case-0": "A"})
    with pytest.raises(ShapeError, match=r"labels must be \(1, 2\), one a class, got \(1, 3\)"):
        organ_iou_of_run(model, validation, test, CLASSES[:2])
    with pytest.raises(ShapeError, match=r"regions must be \(1, 1 or 3, \*G\), got \(1, 2, 1, 2, 2\)"):
        organ_iou_of_run(model, split(([1.0, 0, 0, 0], [1, 0, 0], [TOP, TOP])), test, CLASSES)
    broken = split(([NAN, 0.0, 0, 0], [1, 0, 0], [TOP, TOP, TOP]))
    with pytest.raises(DataError, match="the map of case case-0 is not finite"):
        organ_iou_of_run(model, broken, test, CLASSES)
