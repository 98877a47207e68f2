"""Audit a model
=============

What ``sightline audit`` does, from Python: any trained module, a cohort, and a few questions, each answered with
intervals and a verdict.
"""

import tempfile
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from sightline.data import Preprocessing, batches, read_cohort
from sightline.data.phantoms import make_phantom_cohort
from sightline.evaluation.audit import Folder, Material, audit
from sightline.evaluation.audit.opening import subject_of
from sightline.evaluation.audit.parts import default_parts
from sightline.metrics.resampling import Resampling

torch.manual_seed(0)
place = tempfile.TemporaryDirectory()

# %%
# A cohort of phantoms
# --------------------
# Each class comes from a hospital of its own, which leaves its mark on the film.

cohort = read_cohort(make_phantom_cohort(Path(place.name) / "cohort", size=64, counts={"train": 18, "test": 12}))
prepared = partial(batches, preprocessing=Preprocessing(size=64, channels=1, equalise=False), batch_size=24, seed=None)
(train,) = prepared(cohort.split("train"))

# %%
# A model that learns the marks
# -----------------------------


def block(inputs: int, outputs: int) -> list[nn.Module]:
    """A convolution that halves the image, its normalisation and its activation."""
    return [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]


model = nn.Sequential(
    *block(1, 8), *block(8, 16), *block(16, 32), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 3)
)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
for _ in range(40):
    loss = F.cross_entropy(model(train.images), train.labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %%
# The questions
# -------------

test = cohort.split("test")
(cases,) = prepared(test)
subject = subject_of("my model", model, test, cases.images, device=torch.device("cpu"))
material = Material(test, prepared, resampling=Resampling(resamples=200))
found = audit(
    subject, material, default_parts(["performance", "looking", "outside"]), Folder(Path(place.name) / "audit")
)
for section in found.sections:
    print(f"{section.verdict:9} {section.question}")

# %%
# The answers
# -----------
# In a notebook an audit shows itself.

found

# %%
# Its numbers
# -----------

for number in found.sections[1].numbers[:6]:
    limits = f"{number.interval.value:.2f} [{number.interval.low:.2f}, {number.interval.high:.2f}]"
    print(f"{number.name} {number.of}: {limits}")
place.cleanup()
