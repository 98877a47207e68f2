from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.cli.audit_contents import audit_content
from sightline.evaluation.audit import Audit, Section
from sightline.evaluation.audit.section import Shown
from sightline.reporting import GalleryRow
from sightline.reporting.audit_page import render_audit_page

from ..evaluation.audit.made import SIDE, cohort_of, material_of, middle, pictures, subject_of
from ..evaluation.audit.seers import Flat, Sees

NAN = float("nan")
FINDINGS = ("nodule", "effusion", "mass")


class Strict(Sees):
    """Says no where there is no spot."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) - 5.0


def rows_of(
    labels: Sequence[Any], folder: Any, *, task: Any, shape: tuple[int, ...] = (SIDE, SIDE), **about: Any
) -> tuple[GalleryRow, ...]:
    """Gallery of an audit whose part `looking` named all cases, the last first; the model reads the spots inside."""
    cohort = cohort_of(labels, task=task, classes=FINDINGS)
    images = about.pop("images", pictures(labels, region=True, corner=False, shape=shape))
    model = about.pop("model", Sees("region", shape=shape))
    regions: Tensor | None = about.pop("regions", None)
    subject = subject_of(model, cohort, **about)
    material = material_of(cohort, images, regions=regions)
    shown = tuple(Shown(case.id, "worst") for case in reversed(cohort.cases))
    found = Audit("tiny", (Section("looking", "Where?", "bad", "There.", cases=shown),))
    content = audit_content(found, subject, material, folder, facts={}, command="sightline audit")
    assert "There." in render_audit_page(content)
    return tuple(content.gallery)


def test_of_several_labels_the_likeliest_is_explained_and_all_are_named(tmp_path: Any) -> None:
    labels = [(1.0, 0.0, 1.0), (0.0, 0.0, 0.0), (NAN, NAN, NAN), (0.0, 1.0, NAN)]
    images = pictures(labels, region=True, corner=False)
    images[2] = images[0]
    found = {
        row.case: row for row in rows_of(labels, tmp_path, task="multilabel", images=images, model=Strict("region"))
    }
    assert list(found) == ["case-003", "case-002", "case-001", "case-000"]
    assert [found[f"case-00{i}"].label for i in range(4)] == ["nodule, mass", "none", "not known", "effusion"]
    assert [found[f"case-00{i}"].labels for i in range(4)] == [("nodule", "mass"), (), (), ("effusion",)]
    judged = {case: row.maps[0].judged(row.label) for case, row in found.items()}
    assert judged["case-003"] == "right"  # the unknown label is left out
    assert judged["case-002"] == "not known"
    last = found["case-003"].maps[0]
    assert (last.of, last.method) == ("effusion", "LRP")
    assert (last.predicted, found["case-001"].maps[0].predicted) == ("effusion", "none")
    assert last.share_inside > 0.99
    assert not any(row.as_it_comes for row in found.values())


def test_of_several_labels_each_map_has_the_region_of_its_class(tmp_path: Any) -> None:
    labels = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0)]
    images = pictures(labels, region=True, corner=False)
    regions = torch.zeros(2, 3, SIDE, SIDE)
    regions[:, :2] = middle(images)
    regions[:, 1, :, :16] = 0  # of the second label the right half alone, where its spot is not
    regions[:, 1, :, 16:18] = 0
    second, first = rows_of(labels, tmp_path, task="multilabel", images=images, regions=regions)
    assert first.maps[0].share_inside > 0.99
    assert second.maps[0].share_inside < 0.01
    assert first.region is not None
    assert second.region is not None
    assert (np.asarray(first.region).sum(), np.asarray(second.region).sum()) == (256, 16 * 6)


def test_of_a_volume_the_slice_with_most_of_the_region_is_shown(tmp_path: Any) -> None:
    shape = (4, SIDE, SIDE)
    labels = [0, 1]
    images = pictures(labels, region=True, corner=False, shape=shape)
    regions = torch.zeros(2, 1, *shape)
    regions[0, 0, 2, 8:24, 8:24] = 1
    regions[1] = torch.nan
    second, first = rows_of(labels, tmp_path, task="multiclass", shape=shape, images=images, regions=regions)
    for row in (first, second):
        assert row.image.shape == (1, SIDE, SIDE)
        assert all(shown.attribution.shape == (SIDE, SIDE) for shown in row.maps)
    np.testing.assert_array_equal(first.image, images[0, :, 2].numpy())
    assert first.note == "slice 3 of 4"
    assert first.maps[0].note == "slice 3 of 4, most of the region"
    assert second.maps[0].note.endswith("most of the relevance")
    assert np.isnan(second.maps[0].share_inside)
    assert [shown.right for shown in (first.maps[0], second.maps[0])] == [True, True]


def test_a_model_that_only_answers_or_has_no_map_shows_none(tmp_path: Any) -> None:
    assert rows_of([0, 1], tmp_path, task="multiclass", black_box=True) == ()
    (flat,) = rows_of([0], tmp_path, task="multiclass", model=Flat())
    assert "Grad-CAM" not in [shown.method for shown in flat.maps]
